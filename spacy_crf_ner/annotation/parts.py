"""The parts that a large input is cut into, and their records."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Part(NamedTuple):
    """Consecutive records of an input.

    number (int): Its number among the parts, from 0.
    line (int): The line of its first record, from 1; or the record's number, as in Parquet.
    offset (int): Where it begins in the file, in bytes; in Parquet, in records.
    length (int): Its length, likewise.
    data (bytes | None): Its content, if it cannot be read from the file again.
    """

    number: int
    line: int
    offset: int
    length: int
    data: bytes | None = None

    def read(self, path: str | Path) -> bytes:
        """Its content.

        path (str | Path): The file.
        RETURNS (bytes): The content.
        """
        if self.data is not None:
            return self.data
        with Path(path).open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


class Row(NamedTuple):
    """A record with a text.

    line (int): Its line in the input, or its number.
    text (str): The text.
    fields (dict[str, Any]): All its fields, the text among them.
    """

    line: int
    text: str
    fields: dict[str, Any]


class Reject(NamedTuple):
    """A record that was not annotated.

    line (int): Its line in the input, or its number.
    reason (str): Why, and what to do about it.
    record (Any): Its fields; or what was read, as a string, if it has none. It is JSON.
    """

    line: int
    reason: str
    record: Any

    @classmethod
    def of_fields(cls, line: int, reason: str, fields: dict[str, Any]) -> "Reject":
        """Reject a record with fields.

        line (int): Its line in the input, or its number.
        reason (str): Why, and what to do about it.
        fields (dict[str, Any]): Its fields. What is not JSON, such as a date, becomes a string.
        RETURNS (Reject): The rejected record.
        """
        return cls(line, reason, json.loads(json.dumps(fields, default=str)))


class Reader(Protocol):
    """An input format. It knows where the input is, but keeps nothing open, so that it can be sent
    to other processes.

    path (str | Path): The input. Errors name it.
    fields (list[str]): The names of the fields, as far as they are known beforehand.
    """

    @property
    def path(self) -> str | Path: ...

    @property
    def fields(self) -> list[str]: ...

    def split(self, lines: Iterable[bytes], size: int) -> Iterator[Part]:
        """Cut the input into parts.

        lines (Iterable[bytes]): The lines of the input, from its beginning.
        size (int): The number of records in a part.
        YIELDS (Part): The parts, in order.
        """
        ...

    def rows(self, part: Part) -> Iterator[Row | Reject]:
        """Read the records of a part.

        part (Part): The part.
        YIELDS (Row | Reject): The records, in order.
        """
        ...
