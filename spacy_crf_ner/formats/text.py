"""Texts to annotate: a text a line, or JSON lines with a "text"."""

from collections.abc import Iterator
from pathlib import Path

from .cluener import parse_line
from .corpus import is_json


def read_texts(path: str | Path, lines: list[str]) -> Iterator[str]:
    """Read texts, whatever their annotation. Blank lines are passed over.

    path (str | Path): The file, for errors and by its extension for the format.
    lines (list[str]): Its lines.
    YIELDS (str): The texts.
    RAISES: CorpusError if a line of JSON lines isn't a JSON object with a "text".
    """
    as_json = is_json(path, lines)
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield parse_line(path, number, line)["text"] if as_json else line
