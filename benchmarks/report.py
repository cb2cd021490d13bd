"""Tables, pictures and JSON of measurements, and the machine they were made on."""

import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import srsly
import torch
import typer
from wasabi import msg

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.util import replacing

# What the speed depends on, besides the machine.
PACKAGES = ("spacy-crf-ner", "spacy", "thinc", "torch", "numpy")

TableFile = Annotated[Path | None, typer.Option("--output", "-o", help="Markdown file")]
PictureFile = Annotated[Path | None, typer.Option("--plot", help="Image file; needs matplotlib")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="JSON file")]


def machine(gpu_id: int = -1) -> str:
    """The hardware that the measurements run on.

    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (str): The GPU, or the processor and the number of torch's threads.
    """
    if gpu_id < 0:
        return f"{platform.machine()}, {torch.get_num_threads()} threads"
    return torch.cuda.get_device_name(gpu_id)


def summarize(gpu_id: int) -> str:
    """What a reader must know about a measurement.

    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (str): The machine, the version of torch and the date.
    """
    return f"{machine(gpu_id)}, torch {torch.__version__}, {date.today()}"


def show_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], summary: str, output: Path | None
) -> None:
    """Print a table, and write it as Markdown if there is a file for it.

    header (Sequence[str]): The column headers.
    rows (Sequence[Sequence[str]]): The rows. A column without any value is left out.
    summary (str): The text below it.
    output (Path | None): The file.
    """
    used = [i for i in range(len(header)) if any(row[i] for row in rows)]
    header, *rows = ([row[i] for i in used] for row in (header, *rows))
    aligns = ("l", *"r" * (len(header) - 1))
    msg.table(rows, header=header, aligns=aligns, divider=True, max_col=80)
    msg.info(summary)
    if output is not None:
        write_table(output, header, rows, summary)


def write_json(output: Path, results: Mapping[str, Any], gpu_id: int) -> None:
    """Write results as JSON, with the machine, the date and the versions of what was measured.

    output (Path): The file.
    results (Mapping[str, Any]): The results.
    gpu_id (int): The GPU, or -1 for the CPU.
    """
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    content = {"machine": machine(gpu_id), "date": str(date.today()), "versions": versions}
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as path:
        srsly.write_json(path, {**content, **results})
    msg.good(f"written: {output}")


def draw(plot: Callable[[Path], None], path: Path) -> None:
    """Write a picture.

    plot (Callable[[Path], None]): Draws it and writes the image file.
    path (Path): The image file. Its extension sets the format.
    RAISES: typer.Exit without matplotlib.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        plot(path)
    except ImportError:
        exit_with("A picture needs matplotlib: pip install 'spacy-crf-ner[report]'.")
    msg.good(f"written: {path}")


def write_table(
    output: Path, header: Sequence[str], rows: Sequence[Sequence[str]], summary: str
) -> None:
    """Write a table as Markdown. The first column is aligned left, the others right.

    output (Path): The file.
    header (Sequence[str]): The column headers.
    rows (Sequence[Sequence[str]]): The rows.
    summary (str): The text below it.
    """
    table = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in table]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as path:
        path.write_text("\n".join([*lines, "", summary, ""]), encoding="utf8")
    msg.good(f"written: {output}")


def plot_bars(values: Mapping[str, float], labels: Sequence[str], x_label: str, path: Path) -> None:
    """Draw a bar for each value.

    values (Mapping[str, float]): The values by name.
    labels (Sequence[str]): What is written beside the bars.
    x_label (str): What the values are.
    path (Path): The image file.
    RAISES: ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.5 * len(values) + 1.2), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(list(values), list(values.values()), 0.6)
    axes.bar_label(bars, labels, padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.4)
    axes.set_xlabel(x_label)
    figure.savefig(path, dpi=120)


def plot_lines(
    path: Path,
    xs: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    x_label: str,
    y_label: str,
) -> None:
    """Draw lines over the same points.

    path (Path): The image file.
    xs (Sequence[float]): Where the points are.
    lines (Mapping[str, Sequence[float]]): The values of each line at the points.
    x_label (str): What the points are.
    y_label (str): What the values are.
    RAISES: ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in lines.items():
        axes.plot(xs, values, marker="o", markersize=4, label=name)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    msg.good(f"written: {path}")
