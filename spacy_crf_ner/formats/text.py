"""Texts to annotate: one text per line, or JSON lines with "text"."""

from collections.abc import Iterator
from pathlib import Path

from .cluener import parse_line
from .corpus import is_json


def read_texts(path: str | Path, lines: list[str]) -> Iterator[str]:
    """Read texts without their annotation. Blank lines are skipped.

    path (str | Path): The file. Errors name it, and its extension may give the format.
    lines (list[str]): Its lines.
    YIELDS (str): The texts.
    RAISES: CorpusError if JSON lines contain anything but JSON objects with "text".
    """
    as_json = is_json(path, lines)
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield parse_line(path, number, line)["text"] if as_json else line
