"""Inputs of lines: texts, JSON and CSV."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from ..formats.source import Source, unique_keys
from ..util import BYTE_ORDER_MARK, CorpusError, decode_text
from .parts import Part, Reject, Row

# The most characters that a field of CSV may have. Without an end, a quote that is never closed
# would take the rest of the file into memory.
_LONGEST_FIELD = 2**24
_MARK = BYTE_ORDER_MARK.encode()
_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys)


@dataclass(frozen=True)
class TextReader:
    """One text per line. A blank line is an empty text, so that lines keep their numbers.

    path (str | Path): The input.
    text_field (str): The name for the text in outputs that have fields.
    keep (bool): Whether parts keep their content, because the input can only be read once.
    """

    path: str | Path
    text_field: str
    keep: bool = False

    @property
    def fields(self) -> list[str]:
        """The names of the fields."""
        return [self.text_field]

    def split(self, lines: Iterable[bytes], size: int) -> Iterator[Part]:
        """Cut the input into parts. See `parts.Reader`."""
        return _split(([line] for line in lines), size, self.keep)

    def rows(self, part: Part) -> Iterator[Row | Reject]:
        """Read the texts of a part. See `parts.Reader`."""
        for line, data in _numbered(part, self.path):
            text = _decode(data, line)
            if isinstance(text, Reject):
                yield text
            else:
                yield Row(line, text, {self.text_field: text})


@dataclass(frozen=True)
class JsonReader:
    """JSON lines: an object with a text in each line. Blank lines are left out.

    path (str | Path): The input.
    text_field (str): The key of the text.
    fields (list[str]): The keys of the first object.
    keep (bool): Whether parts keep their content, because the input can only be read once.
    """

    path: str | Path
    text_field: str
    fields: list[str]
    keep: bool = False

    def split(self, lines: Iterable[bytes], size: int) -> Iterator[Part]:
        """Cut the input into parts. See `parts.Reader`."""
        return _split(([line] for line in lines), size, self.keep)

    def rows(self, part: Part) -> Iterator[Row | Reject]:
        """Read the objects of a part. See `parts.Reader`."""
        for line, data in _numbered(part, self.path):
            string = _decode(data, line)
            if isinstance(string, Reject):
                yield string
            elif string.strip():
                yield self._row(string, line)

    def _row(self, string: str, line: int) -> Row | Reject:
        try:
            value = _DECODER.decode(string)
            # A valid escape, but half of a character, which no file can be written with.
            if r"\ud" in string.lower():
                json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            reason = "half of a surrogate pair is not a character. Remove it."
            return Reject(line, reason, string)
        except (ValueError, RecursionError) as error:
            return Reject(line, f"this is no JSON object in one line ({error}).", string)
        if not isinstance(value, dict):
            return Reject(line, f"a JSON {type(value).__name__}, not an object.", value)
        return to_row(value, self.text_field, line)


@dataclass(frozen=True)
class JsonFileReader(JsonReader):
    """JSON that must be read as a whole: an array of objects, or objects of several lines."""

    def split(self, lines: Iterable[bytes], size: int) -> Iterator[Part]:
        """Cut the input into parts of JSON lines. See `parts.Reader`.

        RAISES: CorpusError if it is not JSON, or anything but objects.
        """
        source = Source(self.path, b"".join(lines))
        strings = (json.dumps(value).encode() + b"\n" for _, value in source.objects)
        return _split(([string] for string in strings), size, True)


@dataclass(frozen=True)
class CsvReader:
    """CSV with a header.

    path (str | Path): The input.
    text_field (str): The column of the text.
    fields (list[str]): The columns.
    delimiter (str): What is between two fields.
    header (int): The number of lines of the header.
    keep (bool): Whether parts keep their content, because the input can only be read once.
    """

    path: str | Path
    text_field: str
    fields: list[str]
    delimiter: str
    header: int = 1
    keep: bool = False

    @classmethod
    def open(
        cls, path: str | Path, text_field: str, lines: Iterable[bytes], keep: bool
    ) -> tuple["CsvReader", list[bytes]]:
        """Read the header.

        path (str | Path): The input.
        text_field (str): The column of the text.
        lines (Iterable[bytes]): The lines of the input.
        keep (bool): Whether parts keep their content.
        RETURNS (tuple[CsvReader, list[bytes]]): The reader, and the lines that were read.
        RAISES: CorpusError if there is no such column, or one that is there twice.
        """
        lines = iter(lines)
        first = next(lines, b"")
        delimiter = max(",;\t", key=decode_text(first, path).count)
        taken: list[bytes] = []
        fields = next(_parse(chain([first], lines), delimiter, path, taken), [])
        if fields:
            fields[0] = fields[0].removeprefix(BYTE_ORDER_MARK)
        if text_field not in fields:
            raise CorpusError(
                f"there is no column {text_field!r}, only {', '.join(map(repr, fields))}. Name the "
                "column of the texts with --text-field; the first line must name the columns.",
                path,
                1,
            )
        twice = next((field for field in fields if fields.count(field) > 1), None)
        if twice is not None:
            raise CorpusError(f"the column {twice!r} is there twice. Rename one.", path, 1)
        return cls(path, text_field, fields, delimiter, len(taken), keep), taken

    def split(self, lines: Iterable[bytes], size: int) -> Iterator[Part]:
        """Cut the input into parts. See `parts.Reader`.

        RAISES: CorpusError for a quote that is not closed.
        """
        return _split(self._records(lines), size, self.keep, self.header)

    def rows(self, part: Part) -> Iterator[Row | Reject]:
        """Read the rows of a part. See `parts.Reader`."""
        taken: list[bytes] = []
        line = part.line
        lines = BytesIO(part.read(self.path))
        for values in _parse(lines, self.delimiter, self.path, taken):
            raw = b"".join(taken)
            string = _decode(raw, line)
            if isinstance(string, Reject):
                yield string
            elif len(values) == len(self.fields):
                yield to_row(dict(zip(self.fields, values)), self.text_field, line)
            elif values:
                reason = f"{len(values)} fields, but the header has {len(self.fields)}."
                yield Reject(line, reason, string)
            line += len(taken)
            taken.clear()

    def _records(self, lines: Iterable[bytes]) -> Iterator[list[bytes]]:
        """The lines of each record: several if a field has line breaks."""
        taken: list[bytes] = []
        for _ in _parse(lines, self.delimiter, self.path, taken):
            yield taken[:]
            taken.clear()


def to_row(fields: dict[str, Any], text_field: str, line: int) -> Row | Reject:
    """Find the text of a record.

    fields (dict[str, Any]): The fields of the record.
    text_field (str): The one with the text.
    line (int): The line of the record, or its number.
    RETURNS (Row | Reject): The record.
    """
    text = fields.get(text_field)
    if isinstance(text, str):
        return Row(line, text, fields)
    what = (
        f"{text_field!r} is not a string" if text_field in fields else f"there is no {text_field!r}"
    )
    return Reject.of_fields(line, f"{what}. --text-field names the field with the text.", fields)


def _split(
    records: Iterable[list[bytes]], size: int, keep: bool, header: int = 0
) -> Iterator[Part]:
    """Cut records into parts. The first `header` lines are not part of any."""
    records = iter(records)
    offset, number = 0, 1
    if header:
        offset, number = sum(map(len, next(records))), 1 + header
    for index in count():
        lines = [line for record in islice(records, size) for line in record]
        if not lines:
            return
        length = sum(map(len, lines))
        yield Part(index, number, offset, length, b"".join(lines) if keep else None)
        offset += length
        number += len(lines)


def _numbered(part: Part, path: str | Path) -> Iterator[tuple[int, bytes]]:
    # Like a file, and unlike splitlines(), it does not split at a lone \r.
    return enumerate(BytesIO(part.read(path)), part.line)


def _decode(data: bytes, line: int) -> str | Reject:
    """Decode a line, without its end and the byte order mark of the input."""
    if line == 1:
        data = data.removeprefix(_MARK)
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        reason = f"byte {data[error.start]:#04x} at position {error.start} is not UTF-8."
        return Reject(line, reason, data.decode(errors="backslashreplace"))


def _parse(
    lines: Iterable[bytes], delimiter: str, path: str | Path, taken: list[bytes]
) -> Iterator[list[str]]:
    """The fields of each record of CSV. The lines that were read for it are added to `taken`."""

    def decoded() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line.decode(errors="replace")

    csv.field_size_limit(_LONGEST_FIELD)
    records = csv.reader(decoded(), delimiter=delimiter)
    try:
        yield from records
    except csv.Error as error:
        raise CorpusError(
            f"this is not CSV ({error}). Is there a quote that is not closed?",
            path,
            records.line_num - len(taken) + 1,
        ) from None
