"""`python -m benchmarks.growth`: how time and memory grow with the length of documents, with their
number, and with the number of labels."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.cli.gpu import GpuId, use_gpu

from .memory import run_apart
from .pipe import InputFile, load_texts
from .report import JsonFile, PictureFile, TableFile, draw, show_table, summarize, write_json
from .series import LABELS, LENGTH, TEXTS, THRESHOLDS, ZONE, Point, by_labels, by_length, by_texts

HEADER = ("pipeline", "", "size", "s", "µs/character", "MB")
LABEL_COUNTS = (4, 10, 20, 40, 100)

app = typer.Typer(add_completion=False)


@app.command()
def main(
    source: InputFile,
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS", help="Names or paths of trained pipelines")
    ],
    max_length: Annotated[int, typer.Option(min=10, help="Longest document")] = 1_000_000,
    max_texts: Annotated[int, typer.Option(min=100, help="Largest number of texts")] = 100_000,
    max_labels: Annotated[int, typer.Option(min=4, help="Largest number of labels")] = 100,
    output: TableFile = None,
    plot: PictureFile = None,
    json: JsonFile = None,
    gpu_id: GpuId = -1,
) -> None:
    """Time nlp.pipe of pipelines on one document of 10 to --max-length characters, and on up to
    --max-texts texts, in memory zones of 1000; and that of untrained networks with 4 to
    --max-labels labels. Texts are repeated as often as needed. Each series is measured in a process
    of its own, in increasing order."""
    texts = load_texts(source)
    use_gpu(gpu_id)
    series = [
        *(partial(by_length, model, texts, _powers(10, max_length)) for model in models),
        *(partial(by_texts, model, texts, _powers(100, max_texts)) for model in models),
        *(
            partial(by_labels, decoding, texts[:ZONE], [n for n in LABEL_COUNTS if n <= max_labels])
            for decoding in THRESHOLDS
        ),
    ]
    points: list[Point] = []
    for measure in tqdm(series, unit="series", leave=False, disable=None):
        try:
            points += run_apart(measure, gpu_id, gpu_id=gpu_id)
        # ImportError: a pipeline needs a package.
        except (ImportError, OSError) as error:
            exit_with(error)
    show_table(HEADER, growth_rows(points), summarize(gpu_id), output)
    if plot is not None:
        draw(partial(plot_growth, points), plot)
    if json is not None:
        write_json(json, {"points": [point._asdict() for point in points]}, gpu_id)


def growth_rows(points: Sequence[Point]) -> list[tuple[str, ...]]:
    """Make a table of measurements.

    points (Sequence[Point]): The measurements.
    RETURNS (list[tuple[str, ...]]): The rows below HEADER.
    """
    return [
        (
            point.pipeline,
            point.what,
            f"{point.size:,}",
            f"{point.seconds:.3g}" if point.seconds < 100 else f"{point.seconds:,.0f}",
            f"{point.per_character:.1f}",
            "" if point.memory is None else f"{point.memory:,.0f}",
        )
        for point in points
    ]


def plot_growth(points: Sequence[Point], path: Path) -> None:
    """Draw time per character and memory over what grows, both axes logarithmic.

    points (Sequence[Point]): The measurements.
    path (Path): The image file to write.
    RAISES: ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    panels = figure.subplots(2, 3, sharex="col", sharey="row")
    for (above, below), what in zip(panels.T, (LENGTH, TEXTS, LABELS)):
        of_kind = [point for point in points if point.what == what]
        for name in dict.fromkeys(point.pipeline for point in of_kind):
            line = [point for point in of_kind if point.pipeline == name]
            sizes = [point.size for point in line]
            above.loglog(sizes, [p.per_character for p in line], marker="o", label=name)
            below.loglog(sizes, [p.memory or float("nan") for p in line], marker="o")
        above.legend(fontsize="small")
        below.set_xlabel(what)
    panels[0, 0].set_ylabel("µs per character")
    panels[1, 0].set_ylabel("peak memory, MB")
    for axes in panels.flat:
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def _powers(smallest: int, largest: int) -> list[int]:
    """Powers of ten, the largest of which may be none."""
    sizes = [smallest]
    while sizes[-1] * 10 < largest:
        sizes.append(sizes[-1] * 10)
    return sizes if sizes[-1] == largest else [*sizes, largest]


if __name__ == "__main__":
    app()
