"""Outputs of annotation: what is kept of each document, how a part is written, and how parts are
joined to one file."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import Any, Protocol

from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from wasabi import color

from ..formats.docbin import FORMAT as DOCBIN
from ..formats.format import Format, Predictions
from .parquet import join_files, write_rows
from .parts import Row

Confidence = Callable[[Span], float | None]
# Digits of confidences.
_DIGITS = 6


class Output(Protocol):
    """An output format.

    suffix (str): The extension of the file of a part.
    has_confidences (bool): Whether it holds confidences.
    """

    @property
    def suffix(self) -> str: ...
    @property
    def has_confidences(self) -> bool: ...

    def take(self, row: Row, doc: Doc, confidence: Confidence) -> Any:
        """What to keep of a document.

        row (Row): The record.
        doc (Doc): Its document, annotated. What is kept must not refer to it, except for `Docs`.
        confidence (Confidence): The confidence of an entity, if it has one.
        RETURNS (Any): What to write.
        """
        ...

    def write(self, path: Path, results: list[Any]) -> None:
        """Write a part.

        path (Path): The file.
        results (list[Any]): What was kept of each document, in order.
        """
        ...

    def join(self, path: Path, parts: Sequence[Path], predictions: Predictions) -> None:
        """Join parts.

        path (Path): The file to write.
        parts (Sequence[Path]): The files of the parts, in order; at least one.
        predictions (Predictions): Where the entities come from.
        """
        ...


class _Lines:
    """What outputs have in common that have a line for each document."""

    def write(self, path: Path, results: list[str]) -> None:
        """Write a part. See `Output`."""
        path.write_bytes("".join(f"{line}\n" for line in results).encode())

    def join(self, path: Path, parts: Sequence[Path], predictions: Predictions) -> None:
        """Join parts. See `Output`."""
        _concatenate(path, parts)


@dataclass(frozen=True)
class Text(_Lines):
    """One text per line, with its entities marked. Line breaks in texts become \\\\n.

    colored (bool): Whether to colour the entities, for a terminal.
    """

    colored: bool = False
    suffix = ".txt"
    has_confidences = False

    def take(self, row: Row, doc: Doc, confidence: Confidence) -> str:
        """The marked text. See `Output`."""
        return mark_entities(doc, colored=self.colored).replace("\r", "\\r").replace("\n", "\\n")


@dataclass(frozen=True)
class JsonLines(_Lines):
    """The records as JSON lines, with their entities.

    entities (str): The key of the entities.
    """

    entities: str
    suffix = ".jsonl"
    has_confidences = True

    def take(self, row: Row, doc: Doc, confidence: Confidence) -> str:
        """The record with its entities. See `Output`.

        RAISES: TypeError for a value that JSON cannot hold, ValueError if there is such a key.
        """
        return _to_json(_with_entities(row, self.entities, doc, confidence))


@dataclass(frozen=True)
class Csv:
    """The records as CSV, with their entities as JSON in a column.

    entities (str): The column of the entities.
    fields (tuple[str, ...]): The other columns.
    delimiter (str): What is between two fields.
    """

    entities: str
    fields: tuple[str, ...]
    delimiter: str = ","
    suffix = ".csv"
    has_confidences = True

    def take(self, row: Row, doc: Doc, confidence: Confidence) -> list[str]:
        """The fields of the record, and its entities. See `Output`.

        RAISES: ValueError if the record has a field without a column.
        """
        other = next((name for name in row.fields if name not in self.fields), None)
        if other is not None:
            raise ValueError(
                f"the first record has no field {other!r}, so there is no column for it. Write "
                "JSON lines."
            )
        values = [row.fields.get(name) for name in self.fields]
        return [*map(_to_cell, values), _to_json(to_dicts(doc, confidence))]

    def write(self, path: Path, results: list[list[str]]) -> None:
        """Write a part, with a header. See `Output`."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=self.delimiter, lineterminator="\n")
            writer.writerows([[*self.fields, self.entities], *results])

    def join(self, path: Path, parts: Sequence[Path], predictions: Predictions) -> None:
        """Join parts. See `Output`."""
        self.write(path, [])
        _concatenate(path, parts, skip=path.stat().st_size)


@dataclass(frozen=True)
class Parquet:
    """The records as Parquet, with a column of entities.

    entities (str): The column of the entities.
    schema (Any): The pyarrow.Schema of the other columns; None to infer it.
    """

    entities: str
    schema: Any = None
    suffix = ".parquet"
    has_confidences = True

    def take(self, row: Row, doc: Doc, confidence: Confidence) -> dict[str, Any]:
        """The record with its entities. See `Output`.

        RAISES: ValueError if there is such a column.
        """
        return _with_entities(row, self.entities, doc, confidence)

    def write(self, path: Path, results: list[dict[str, Any]]) -> None:
        """Write a part. See `Output`."""
        write_rows(path, results, self.entities, self.schema)

    def join(self, path: Path, parts: Sequence[Path], predictions: Predictions) -> None:
        """Join parts. See `Output`."""
        join_files(path, parts)


@dataclass(frozen=True)
class Docs:
    """Documents in spaCy's binary format. Other fields of the records are not kept.

    format (Format): The corpus format that parts are joined to.
    """

    format: Format
    suffix = ".spacy"

    @property
    def has_confidences(self) -> bool:
        """Whether the corpus format holds confidences."""
        return self.format.has_confidences or self.format is DOCBIN

    def take(self, row: Row, doc: Doc, confidence: Confidence) -> Doc:
        """The document itself. See `Output`."""
        return doc

    def write(self, path: Path, results: list[Doc]) -> None:
        """Write a part. See `Output`."""
        DocBin(docs=results, store_user_data=True).to_disk(path)

    def join(self, path: Path, parts: Sequence[Path], predictions: Predictions) -> None:
        """Join parts. See `Output`."""
        if self.format is not DOCBIN:
            self.format.write(path, _read_docs(parts), predictions)
            return
        joined = DocBin(store_user_data=True)
        for part in parts:
            joined.merge(DocBin(store_user_data=True).from_disk(part))
        joined.to_disk(path)


def mark_entities(doc: Doc, *, colored: bool = False) -> str:
    """Write a doc's text with its entities marked, e.g. "[北京市|LOCATION]很大".

    doc (Doc): The doc.
    colored (bool): Whether to colour the entities, for a terminal.
    RETURNS (str): The text.
    """
    parts = []
    end = 0
    for ent in doc.ents:
        marked = f"[{ent.text}|{ent.label_}]"
        parts += [
            doc.text[end : ent.start_char],
            color(marked, fg="green", bold=True) if colored else marked,
        ]
        end = ent.end_char
    return "".join([*parts, doc.text[end:]])


def to_dicts(doc: Doc, confidence: Confidence) -> list[dict[str, Any]]:
    """The entities of a document as JSON.

    doc (Doc): The document.
    confidence (Confidence): The confidence of an entity, if it has one.
    RETURNS (list[dict[str, Any]]): Offsets in characters, the end exclusive; label, text and
        confidence.
    """
    ents = []
    for ent in doc.ents:
        probability = confidence(ent)
        ents.append(
            {
                "start": ent.start_char,
                "end": ent.end_char,
                "label": ent.label_,
                "text": ent.text,
                "confidence": None if probability is None else round(probability, _DIGITS),
            }
        )
    return ents


def _with_entities(row: Row, name: str, doc: Doc, confidence: Confidence) -> dict[str, Any]:
    if name in row.fields:
        raise ValueError(f"there is a field {name!r} already. Use another --entities-field.")
    return {**row.fields, name: to_dicts(doc, confidence)}


def _to_cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _to_json(value)


def _to_json(value: Any) -> str:
    # What Parquet has and JSON hasn't: dates, times and decimal numbers.
    return json.dumps(value, ensure_ascii=False, default=_to_string)


def _to_string(value: Any) -> str:
    if isinstance(value, bytes):
        raise TypeError("bytes cannot be written as JSON. Write Parquet.")
    return str(value)


def _concatenate(path: Path, parts: Sequence[Path], skip: int = 0) -> None:
    """Add files to the end of a file, each without its first `skip` bytes."""
    with path.open("ab") as file:
        for part in parts:
            with part.open("rb") as source:
                source.seek(skip)
                copyfileobj(source, file)


def _read_docs(parts: Sequence[Path]) -> Iterator[Doc]:
    for part in parts:
        # With a vocab for each part, memory does not grow.
        yield from DocBin(store_user_data=True).from_disk(part).get_docs(Vocab())
