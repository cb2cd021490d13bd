"""Opening an input: a file or stdin, in the format that its name or its first line says."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ..formats.source import JSON_START, JSON_SUFFIXES
from ..util import BYTE_ORDER_MARK, UTF16_MARKS, CorpusError, decode_text
from .lines import CsvReader, JsonFileReader, JsonReader, TextReader
from .parquet import ParquetReader
from .parts import Part, Reader

STDIN = "-"
INPUT_FORMATS = ("text", "jsonl", "csv", "parquet")
_SUFFIXES = {
    **dict.fromkeys((*JSON_SUFFIXES, ".ndjson"), "jsonl"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    ".parquet": "parquet",
}
# An array, or an object of several lines.
_WHOLE_JSON = re.compile(r"\s*(\[|\{\s*$)")


class Input(NamedTuple):
    """An open input.

    reader (Reader): Reads its parts.
    format (str): Its format.
    split (Callable[[int], Iterator[Part]]): Cuts it into parts of so many records. It can be
        called once.
    size (int | None): Its size, in the unit of `Part.offset`, if that is known.
    """

    reader: Reader
    format: str
    split: Callable[[int], Iterator[Part]]
    size: int | None


@contextmanager
def open_input(source: str, format: str | None, text_field: str) -> Iterator[Input]:
    """Open an input.

    source (str): The file, or - for stdin.
    format (str | None): One of `INPUT_FORMATS`; None to tell it by the name or the first line.
    text_field (str): The field with the text.
    YIELDS (Input): The input.
    RAISES: CorpusError if it cannot be read.
    """
    if source == STDIN:
        if format == "parquet":
            raise CorpusError("Parquet cannot be read from stdin. Name a file.", "stdin")
        yield _open_lines("stdin", sys.stdin.buffer, format, text_field, None)
        return
    path = Path(source)
    if not path.is_file():
        raise CorpusError("there is no such file. Check the path.", path)
    format = format or _SUFFIXES.get(path.suffix.lower())
    if format == "parquet":
        table = ParquetReader.open(path, text_field)
        yield Input(table, format, lambda n: table.split((), n), table.count())
        return
    with path.open("rb") as file:
        yield _open_lines(path, file, format, text_field, os.fstat(file.fileno()).st_size)


def _open_lines(
    path: str | Path, file: Iterable[bytes], format: str | None, text_field: str, size: int | None
) -> Input:
    """Open an input of lines, of which only the first ones are read."""
    lines = iter(file)
    first: list[bytes] = []
    for line in lines:
        first.append(line)
        if line.strip():
            break
    if first and first[0].startswith(UTF16_MARKS):
        decode_text(first[0], path)  # says what to do
    start = (first or [b""])[-1].decode(errors="replace").removeprefix(BYTE_ORDER_MARK)
    if format is None:
        format = "jsonl" if JSON_START.match(start) else "text"
    keep = size is None
    reader: Reader
    if format == "csv":
        reader, first = CsvReader.open(path, text_field, chain(first, lines), keep)
    elif format == "text":
        reader = TextReader(path, text_field, keep)
    elif _WHOLE_JSON.match(start):
        reader = JsonFileReader(path, text_field, [])
    else:
        reader = JsonReader(path, text_field, _keys(start), keep)
    return Input(reader, format, lambda n: reader.split(chain(first, lines), n), size)


def _keys(line: str) -> list[str]:
    """The keys of a JSON object; none if it is something else."""
    try:
        return list(dict(json.loads(line)))
    except (TypeError, ValueError):
        return []
