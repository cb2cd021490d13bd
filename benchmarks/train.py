"""`python -m benchmarks.train`: the speed of training, beside the usual script in plain PyTorch."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean, median
from typing import Annotated

import typer
from spacy.training.initialize import init_nlp
from thinc.api import Config
from tqdm import tqdm

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.cli.gpu import GpuId, use_gpu
from spacy_crf_ner.pipeline.component import crf_pipes

from .memory import peak_memory, run_apart
from .networks import Shape, shape_of
from .report import (
    JsonFile,
    PictureFile,
    TableFile,
    draw,
    plot_bars,
    show_table,
    summarize,
    write_json,
)
from .timing import time_once
from .trainings import (
    BASELINE_BATCH,
    Step,
    make_config,
    read_docs,
    train_ours,
    train_script,
)

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "bilstm.cfg"
OURS, SCRIPT = "spacy-crf-ner", "the usual script"
# The steps of a process whose memory is measured.
MEMORY_STEPS = 5
HEADER = (
    "network",
    "trained by",
    "sentences in a batch",
    "s per step",
    "sentences/s",
    "× the script",
    "loss",
    "loss at the end",
    "MB",
)

app = typer.Typer(add_completion=False)


@dataclass
class Result:
    """What was measured of a training.

    network (str): The network.
    trainer (str): What trains it.
    batch (float): The mean number of sentences in a batch.
    seconds (float): The median seconds of a step.
    speed (float): The median of sentences per second.
    first_loss (float): The mean loss of the first quarter of the steps, in nats per token.
    last_loss (float): That of the last quarter.
    memory (float | None): The peak memory of a process that runs only it, in MB.
    """

    network: str
    trainer: str
    batch: float
    seconds: float
    speed: float
    first_loss: float
    last_loss: float
    memory: float | None


@app.command()
def main(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS_TRAIN", help="A .spacy file")],
    config: Annotated[Path, typer.Option(help="Training config")] = CONFIG,
    steps: Annotated[int, typer.Option(min=1, help="Steps to time")] = 20,
    warm_up: Annotated[int, typer.Option(min=0, help="Steps before those")] = 3,
    lang: Annotated[str, typer.Option(help="Language of the texts")] = "zh",
    output: TableFile = None,
    plot: PictureFile = None,
    json: JsonFile = None,
    gpu_id: GpuId = -1,
) -> None:
    """Time steps of training, in turns with a script in plain PyTorch that has random batches,
    padding and pytorch-crf: with the network of the config, and with the baseline's, 3 LSTMs of
    width 512 and batches of 128 sentences. Both have the same sentences, batches of about the same
    size, learning rate and dropout, and no adversarial training."""
    use_gpu(gpu_id)
    try:
        results = benchmark_training(config, corpus, lang, steps, warm_up, gpu_id)
    # ImportError: the config needs a package.
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    summary = (
        f"{corpus.name}; loss in nats per token, means of the first and the last quarter of "
        f"{warm_up + steps} steps; {summarize(gpu_id)}; medians of {steps} steps"
    )
    show_table(HEADER, train_rows(results), summary, output)
    if plot is not None:
        speeds = {f"{each.network}: {each.trainer}": each.speed for each in results}
        labels = [f"{speed:,.0f}" for speed in speeds.values()]
        draw(partial(plot_bars, speeds, labels, "sentences per second"), plot)
    if json is not None:
        content = {"config": config.name, "steps": steps, "warm_up": warm_up}
        write_json(json, {**content, "results": [asdict(each) for each in results]}, gpu_id)


def benchmark_training(
    path: Path, corpus: Path, lang: str, steps: int, warm_up: int, gpu_id: int = -1
) -> list[Result]:
    """Train both networks with both trainers.

    path (Path): The training config.
    corpus (Path): A .spacy file to train on.
    lang (str): The language.
    steps (int): How many steps to time.
    warm_up (int): How many steps come before those.
    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (list[Result]): One for each network and trainer.
    RAISES: CorpusError if the corpus cannot be read; ValueError if the config's encoder is more
        than BiLSTMs.
    """
    docs = read_docs(corpus, lang)
    length = sum(map(len, docs)) / len(docs)
    results = []
    for network, tokens in (("baseline", round(BASELINE_BATCH * length)), (path.stem, None)):
        config = make_config(path, corpus, lang, tokens)
        training = config["training"]
        batch_size = round(training["batcher"]["size"] / length)
        nlp = init_nlp(config)
        shape = shape_of(crf_pipes(nlp)["crf_ner"].model)
        if shape is None:
            raise ValueError(
                f"{path}: the script has BiLSTMs only. Choose a config like bilstm.cfg."
            )
        script = (shape, batch_size, training["dropout"])
        trainings = {OURS: train_ours(nlp), SCRIPT: train_script(docs, *script)}
        taken = train_in_turns(trainings, warm_up + steps)
        memory = {
            OURS: run_apart(_memory_of_ours, config, gpu_id, gpu_id=gpu_id),
            SCRIPT: run_apart(_memory_of_script, corpus, lang, script, gpu_id, gpu_id=gpu_id),
        }
        results += [
            _summarize(network, trainer, some, warm_up, memory[trainer])
            for trainer, some in taken.items()
        ]
    return results


def train_in_turns(
    trainings: dict[str, Iterator[Step]], steps: int
) -> dict[str, list[tuple[float, Step]]]:
    """Take steps of trainings in turns.

    trainings (dict[str, Iterator[Step]]): The trainings.
    steps (int): How many steps to take of each.
    RETURNS (dict[str, list[tuple[float, Step]]]): The seconds of each step, and the step.
    """
    taken: dict[str, list[tuple[float, Step]]] = {name: [] for name in trainings}
    for _ in tqdm(range(steps), unit="step", leave=False, disable=None):
        for name, training in trainings.items():
            done: list[Step] = []
            seconds = time_once(lambda: done.append(next(training)))  # noqa: B023 (called at once)
            taken[name].append((seconds, done[0]))
    return taken


def train_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Make a table of results.

    results (Sequence[Result]): The results.
    RETURNS (list[tuple[str, ...]]): The rows below HEADER.
    """
    script = {each.network: each.speed for each in results if each.trainer == SCRIPT}
    return [
        (
            each.network,
            each.trainer,
            f"{each.batch:.0f}",
            f"{each.seconds:.3f}",
            f"{each.speed:,.0f}",
            f"{each.speed / script[each.network]:.2f}",
            f"{each.first_loss:.3f}",
            f"{each.last_loss:.3f}",
            "" if each.memory is None else f"{each.memory:,.0f}",
        )
        for each in results
    ]


def _summarize(
    network: str,
    trainer: str,
    taken: Sequence[tuple[float, Step]],
    warm_up: int,
    memory: float | None,
) -> Result:
    timed = taken[warm_up:]
    quarter = max(len(taken) // 4, 1)
    losses = [step.loss / step.tokens for _, step in taken]
    return Result(
        network,
        trainer,
        mean(step.sentences for _, step in timed),
        median(seconds for seconds, _ in timed),
        median(step.sentences / seconds for seconds, step in timed),
        mean(losses[:quarter]),
        mean(losses[-quarter:]),
        memory,
    )


def _memory_of_ours(config: Config, gpu_id: int) -> float | None:
    list(islice(train_ours(init_nlp(config)), MEMORY_STEPS))
    return peak_memory(gpu_id)


def _memory_of_script(
    corpus: Path, lang: str, script: tuple[Shape, int, float], gpu_id: int
) -> float | None:
    list(islice(train_script(read_docs(corpus, lang), *script), MEMORY_STEPS))
    return peak_memory(gpu_id)


if __name__ == "__main__":
    app()
