"""What is measured of pipelines: `nlp.pipe`, the network alone, F1 and memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import Model, get_torch_default_device

from spacy_crf_ner.evaluation.examples import read_examples
from spacy_crf_ner.pipeline.component import crf_pipes

from .memory import peak_memory, run_apart
from .networks import BareNetwork, padded_batches, run_network, shape_of
from .timing import take_turns, time_once

# A key for the confidences that a pipeline is unlikely to use itself.
SPANS_KEY = "crf_ner_benchmark"
NETWORK, BARE = "network", "bare network"


@dataclass
class Result:
    """What was measured of a pipeline. None: it was not measured.

    name (str): The pipeline, and what is special about it.
    seconds (float): The median time of `nlp.pipe`.
    network (float | None): That of its network over the same documents.
    bare (float | None): That of a plain PyTorch network of the same shape.
    f1 (float | None): The F1 of entities.
    memory (float | None): The peak memory of a process that runs only it, in MB.
    """

    name: str
    seconds: float
    network: float | None = None
    bare: float | None = None
    f1: float | None = None
    memory: float | None = None


def benchmark_pipelines(
    models: Sequence[str],
    texts: Sequence[str],
    runs: int,
    *,
    processes: Sequence[int] = (1,),
    gold: Path | None = None,
    gpu_id: int = -1,
) -> list[Result]:
    """Time `nlp.pipe` over texts, and the networks alone.

    models (Sequence[str]): Names or paths of pipelines. One that has a `crf_ner` without
        confidences is also timed with them.
    texts (Sequence[str]): The texts.
    runs (int): How many times to run each pipeline, in turns.
    processes (Sequence[int]): The values of n_process to time.
    gold (Path | None): A .spacy file to score the entities on.
    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (list[Result]): One for each pipeline and number of processes.
    RAISES: CorpusError if the gold file cannot be read; OSError or ImportError if a pipeline cannot
        be loaded.
    """
    contenders: dict[tuple[str, str], Callable[[], object]] = {}
    f1, memory = {}, {}
    names = []
    for model in models:
        nlp = spacy.load(model)
        for variant, loaded in _variants(model, nlp):
            for n_process in processes:
                name = variant if n_process == 1 else f"{variant}, {n_process} processes"
                contenders[name, ""] = partial(tag, loaded, texts, n_process)
                names.append(name)
        for what, function in _networks(nlp, texts).items():
            contenders[model, what] = function
        f1[model] = None if gold is None else score(nlp, gold)
        memory[model] = run_apart(_memory_of, model, texts, gpu_id, gpu_id=gpu_id)
    seconds = take_turns(contenders, runs, time_once)
    return [
        Result(
            name,
            seconds[name, ""],
            seconds.get((name, NETWORK)),
            seconds.get((name, BARE)),
            f1.get(name),
            memory.get(name),
        )
        for name in names
    ]


def tag(nlp: Language, texts: Sequence[str], n_process: int = 1) -> int:
    """Run a pipeline over texts.

    nlp (Language): The pipeline.
    texts (Sequence[str]): The texts.
    n_process (int): The number of processes.
    RETURNS (int): The number of entities found.
    """
    return sum(len(doc.ents) for doc in nlp.pipe(texts, n_process=n_process))


def score(nlp: Language, gold: Path) -> float:
    """Score the entities that a pipeline finds as spaCy's scorer does.

    nlp (Language): The pipeline.
    gold (Path): A .spacy file.
    RETURNS (float): Their F1. An entity counts if its boundaries and label are right.
    RAISES: CorpusError if the file cannot be read.
    """
    examples = read_examples(nlp, gold)
    for eg, doc in zip(examples, nlp.pipe([eg.predicted for eg in examples])):
        eg.predicted = doc
    return get_ner_prf(examples)["ents_f"]


def _variants(model: str, nlp: Language) -> Iterator[tuple[str, Language]]:
    """The pipeline as it is, and with confidences if it has none."""
    yield model, nlp
    without = [name for name, pipe in crf_pipes(nlp).items() if pipe.spans_key is None]
    if without:
        settings = {"components": {name: {"spans_key": SPANS_KEY} for name in without}}
        yield f"{model}, with confidences", spacy.load(model, config=settings)


def _networks(nlp: Language, texts: Sequence[str]) -> dict[str, Callable[[], object]]:
    """What runs the network of a pipeline, and a plain one of the same shape. Only if there is one
    network: a listener is a part of another."""
    models = [pipe.model for pipe in crf_pipes(nlp).values()]
    if len(models) != 1 or any("listener" in node.name for node in models[0].walk()):
        return {}
    docs = list(nlp.pipe(texts))
    batches = list(minibatch(docs, nlp.batch_size))
    functions: dict[str, Callable[[], object]] = {NETWORK: partial(_predict, models[0], batches)}
    shape = shape_of(models[0])
    if shape is not None:
        device = get_torch_default_device()
        padded, n_ids = padded_batches(docs, nlp.batch_size)
        network = BareNetwork(shape, n_ids).to(device).eval()
        functions[BARE] = partial(run_network, network, [ids.to(device) for ids in padded])
    return functions


def _predict(model: Model, batches: Sequence[list[Doc]]) -> None:
    for docs in batches:
        model.predict(docs)


def _memory_of(model: str, texts: Sequence[str], gpu_id: int) -> float | None:
    tag(spacy.load(model), texts)
    return peak_memory(gpu_id)
