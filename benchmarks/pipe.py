"""`python -m benchmarks.pipe`: the speed of pipelines beside each other, and beside their networks
alone."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.cli.gpu import GpuId, use_gpu
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.formats.text import read_texts
from spacy_crf_ner.util import CorpusError

from .pipelines import Result, benchmark_pipelines
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

HEADER = (
    "pipeline",
    "F1",
    "s",
    "characters/s",
    "× the first",
    "network, s",
    "÷ network",
    "bare network, s",
    "÷ bare network",
    "MB",
)

InputFile = Annotated[
    Path, typer.Argument(metavar="INPUT", help='One text per line, or JSON lines with "text"')
]

app = typer.Typer(add_completion=False)


@app.command()
def main(
    source: InputFile,
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS", help="Names or paths of trained pipelines")
    ],
    runs: Annotated[int, typer.Option(min=1, help="Runs per pipeline")] = 5,
    limit: Annotated[int, typer.Option(help="Maximum number of texts; 0 for all")] = 10_000,
    join: Annotated[
        int, typer.Option(min=0, help="Join texts to documents of at least so many characters")
    ] = 0,
    processes: Annotated[list[int], typer.Option(min=1, help="n_process of nlp.pipe")] = [1],  # noqa: B006
    gold: Annotated[Path | None, typer.Option(help="A .spacy file to score entities on")] = None,
    output: TableFile = None,
    plot: PictureFile = None,
    json: JsonFile = None,
    gpu_id: GpuId = -1,
) -> None:
    """Time nlp.pipe of several pipelines, in turns, on the same texts. A pipeline with a crf_ner is
    also timed with confidences, and its network without the rest of the pipeline: its own, and a
    plain PyTorch network of the same shape. The option --processes can be repeated."""
    texts = join_texts(load_texts(source, limit), join)
    use_gpu(gpu_id)
    try:
        results = benchmark_pipelines(
            models, texts, runs, processes=processes, gold=gold, gpu_id=gpu_id
        )
    # ImportError: a pipeline needs a package.
    except (CorpusError, ImportError, OSError) as error:
        exit_with(error)
    characters = sum(map(len, texts))
    summary = (
        f"{len(texts):,} texts, {characters:,} characters; {summarize(gpu_id)}; medians of {runs} "
        "runs"
    )
    show_table(HEADER, pipe_rows(results, characters), summary, output)
    if plot is not None:
        draw(lambda path: plot_pipe(results, characters, path), plot)
    if json is not None:
        content = {"texts": len(texts), "characters": characters, "runs": runs}
        write_json(json, {**content, "results": [asdict(each) for each in results]}, gpu_id)


def load_texts(source: Path, limit: int = 0) -> list[str]:
    """Read the texts to measure with.

    source (Path): The file.
    limit (int): The maximum number of texts; 0 for all.
    RETURNS (list[str]): The texts.
    RAISES: typer.Exit if they cannot be read, or if there are none.
    """
    try:
        texts = list(read_texts(Source.open(source)))[: limit or None]
    except (CorpusError, OSError) as error:
        exit_with(error)
    if not texts:
        exit_with(f"{source}: there is no text in it.")
    return texts


def join_texts(texts: Iterable[str], length: int) -> list[str]:
    """Join texts to longer ones, with a line break between them.

    texts (Iterable[str]): The texts.
    length (int): The minimum length of a document in characters. 0: the texts as they are. What
        is left over at the end is a shorter document.
    RETURNS (list[str]): The documents.
    """
    joined: list[str] = []
    for text in texts:
        if joined and len(joined[-1]) < length:
            joined[-1] += f"\n{text}"
        else:
            joined.append(text)
    return joined


def pipe_rows(results: Sequence[Result], characters: int) -> list[tuple[str, ...]]:
    """Make a table of results.

    results (Sequence[Result]): The results.
    characters (int): The number of characters that each pipeline read.
    RETURNS (list[tuple[str, ...]]): The rows below HEADER.
    """
    return [
        (
            each.name,
            _show(each.f1, 100, 2),
            _show(each.seconds, 1, 2),
            f"{characters / each.seconds:,.0f}",
            _show(results[0].seconds, 1 / each.seconds, 2),
            _show(each.network, 1, 2),
            _show(each.network and each.seconds / each.network, 1, 2),
            _show(each.bare, 1, 2),
            _show(each.bare and each.seconds / each.bare, 1, 2),
            _show(each.memory, 1, 0),
        )
        for each in results
    ]


def plot_pipe(results: Sequence[Result], characters: int, path: Path) -> None:
    """Draw how many characters each pipeline reads in a second, and its F1.

    results (Sequence[Result]): The results.
    characters (int): The number of characters that each pipeline read.
    path (Path): The image file to write.
    RAISES: ImportError without matplotlib.
    """
    speeds = {each.name: characters / each.seconds for each in results}
    scores = ["" if each.f1 is None else f" · F1 {100 * each.f1:.1f}" for each in results]
    labels = [f"{speed:,.0f}{score}" for speed, score in zip(speeds.values(), scores)]
    plot_bars(speeds, labels, "characters per second", path)


def _show(value: float | None, factor: float, digits: int) -> str:
    return "" if value is None else f"{value * factor:,.{digits}f}"


if __name__ == "__main__":
    app()
