"""`python -m benchmarks.pipe`: the speed of pipelines, with and without confidences."""

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated

import spacy
import torch
import typer
from spacy.language import Language
from wasabi import msg

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.cli.gpu import GpuId, use_gpu
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.formats.text import read_texts
from spacy_crf_ner.pipeline.component import crf_pipes
from spacy_crf_ner.util import CorpusError

from .report import machine
from .timing import take_turns

# A key for the confidences that a pipeline is unlikely to use itself.
SPANS_KEY = "crf_ner_benchmark"

app = typer.Typer(add_completion=False)


@app.command()
def main(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help='One text per line, or JSON lines with "text"')
    ],
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS", help="Names or paths of trained pipelines")
    ],
    runs: Annotated[int, typer.Option(min=1, help="Runs per pipeline")] = 5,
    limit: Annotated[int, typer.Option(help="Maximum number of texts; 0 for all")] = 10_000,
    gpu_id: GpuId = -1,
) -> None:
    """Time nlp.pipe of several pipelines, in turns, on the same texts. A pipeline with a crf_ner is
    also timed with confidences."""
    try:
        texts = list(read_texts(Source.open(source)))[: limit or None]
    except (CorpusError, OSError) as error:
        exit_with(error)
    use_gpu(gpu_id)
    try:
        seconds = benchmark_pipe(models, texts, runs)
    # ImportError: a pipeline needs a package.
    except (ImportError, OSError) as error:
        exit_with(error)
    first = next(iter(seconds.values()))
    characters = sum(map(len, texts))
    rows = [
        (name, f"{value:.2f}", f"{characters / value:,.0f}", f"{first / value:.2f}")
        for name, value in seconds.items()
    ]
    header = ("pipeline", "s", "characters/s", "× the first")
    msg.table(rows, header=header, aligns=tuple("lrrr"), divider=True)
    msg.info(
        f"{len(texts):,} texts; {machine(gpu_id)}, torch {torch.__version__}, {date.today()}; "
        f"medians of {runs} runs"
    )


def benchmark_pipe(models: list[str], texts: list[str], runs: int) -> dict[str, float]:
    """Time `nlp.pipe` over texts.

    models (list[str]): Names or paths of pipelines. One that has a `crf_ner` without confidences
        is also timed with them.
    texts (list[str]): The texts.
    runs (int): How many times to run each pipeline.
    RETURNS (dict[str, float]): The median seconds of each pipeline.
    """
    contenders: dict[str, Callable[[], object]] = {}
    for model in models:
        nlp = spacy.load(model)
        contenders[model] = partial(_tag, nlp, texts)
        without = [name for name, pipe in crf_pipes(nlp).items() if pipe.spans_key is None]
        if without:
            settings = {"components": {name: {"spans_key": SPANS_KEY} for name in without}}
            confident = spacy.load(model, config=settings)
            contenders[f"{model}, with confidences"] = partial(_tag, confident, texts)
    return take_turns(contenders, runs)


def _tag(nlp: Language, texts: list[str]) -> int:
    return sum(len(doc.ents) for doc in nlp.pipe(texts))


if __name__ == "__main__":
    app()
