"""Tables of measurements, and the machine they were made on."""

import platform
from collections.abc import Sequence
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
