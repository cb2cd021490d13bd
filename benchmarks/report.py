"""Tables and pictures of measurements, and the machine they were made on."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from wasabi import msg

from spacy_crf_ner.util import replacing


def machine(gpu_id: int = -1) -> str:
    """The hardware that the measurements run on.

    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (str): The GPU, or the processor and the number of torch's threads.
    """
    if gpu_id < 0:
        return f"{platform.machine()}, {torch.get_num_threads()} threads"
    return torch.cuda.get_device_name(gpu_id)


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
