"""Parquet, in and out. pyarrow is an optional package."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from ..util import CorpusError
from .lines import to_row
from .parts import Part, Reject, Row

# Rows that are read at once where a row group is joined to others.
_ROWS = 10_000


@dataclass(frozen=True)
class ParquetReader:
    """A Parquet file. A row group is read at once, so memory depends on their size.

    path (Path): The file.
    text_field (str): The column of the text.
    schema (Any): The pyarrow.Schema of the file.
    """

    path: Path
    text_field: str
    schema: Any

    @classmethod
    def open(cls, path: Path, text_field: str) -> "ParquetReader":
        """Read the schema.

        path (Path): The file.
        text_field (str): The column of the text.
        RETURNS (ParquetReader): The reader.
        RAISES: CorpusError if the file is damaged, or has no such column.
        """
        schema = _open(path).schema_arrow
        if text_field not in schema.names:
            raise CorpusError(
                f"there is no column {text_field!r}, only {', '.join(map(repr, schema.names))}. "
                "Name the column of the texts with --text-field.",
                path,
            )
        return cls(path, text_field, schema)

    @property
    def fields(self) -> list[str]:
        """The columns."""
        return list(self.schema.names)

    def count(self) -> int:
        """The number of rows."""
        return int(_open(self.path).metadata.num_rows)

    def split(self, lines: Iterable[bytes], size: int) -> Iterator[Part]:
        """Cut the rows into parts, none of which is in two row groups. See `parts.Reader`."""
        metadata = _open(self.path).metadata
        numbers = count()
        start = 0
        for group in range(metadata.num_row_groups):
            end = start + metadata.row_group(group).num_rows
            for offset in range(start, end, size):
                yield Part(next(numbers), offset + 1, offset, min(size, end - offset))
            start = end

    def rows(self, part: Part) -> Iterator[Row | Reject]:
        """Read the rows of a part. See `parts.Reader`."""
        metadata = _open(self.path).metadata
        start = group = 0
        while part.offset >= start + metadata.row_group(group).num_rows:
            start += metadata.row_group(group).num_rows
            group += 1
        rows = _read_group(self.path, group).slice(part.offset - start, part.length).to_pylist()
        for number, fields in enumerate(rows, part.line):
            yield to_row(fields, self.text_field, number)


def write_rows(
    path: Path, rows: Sequence[dict[str, Any]], entities: str, schema: Any = None
) -> None:
    """Write records with their entities.

    path (Path): The file.
    rows (Sequence[dict[str, Any]]): The records.
    entities (str): The column of the entities.
    schema (Any): The pyarrow.Schema of the other columns; None to infer it.
    RAISES: ValueError if a column has values of several types.
    """
    pyarrow, parquet = _pyarrow()
    names = (
        schema.names if schema is not None else dict.fromkeys(key for row in rows for key in row)
    )
    columns = {name: [row.get(name) for row in rows] for name in names if name != entities}
    try:
        table = pyarrow.table(columns, schema=schema)
    except pyarrow.ArrowException as error:
        raise ValueError(
            f"Parquet cannot hold these records ({error}): all values of a column have one type. "
            "Write JSON lines."
        ) from None
    found = pyarrow.array([row[entities] for row in rows], _entities_type())
    parquet.write_table(table.append_column(entities, found), path)


def join_files(path: Path, parts: Iterable[Path]) -> None:
    """Join files.

    path (Path): The file to write.
    parts (Iterable[Path]): The files, at least one.
    RAISES: ValueError if a column has values of several types.
    """
    pyarrow, parquet = _pyarrow()
    files = list(parts)
    try:
        schema = pyarrow.unify_schemas(
            [parquet.read_schema(file) for file in files], promote_options="permissive"
        )
        with parquet.ParquetWriter(path, schema) as writer:
            for file in files:
                for batch in parquet.ParquetFile(file).iter_batches(_ROWS):
                    writer.write_table(_with_schema(batch, schema))
    except pyarrow.ArrowException as error:
        raise ValueError(
            f"the parts cannot be joined to one Parquet file ({error}): a column has values of one "
            "type. Write JSON lines, or a folder."
        ) from None


def _entities_type() -> Any:
    pyarrow, _ = _pyarrow()
    entity = {
        "start": pyarrow.int64(),
        "end": pyarrow.int64(),
        "label": pyarrow.string(),
        "text": pyarrow.string(),
        "confidence": pyarrow.float64(),
    }
    return pyarrow.list_(pyarrow.struct(entity.items()))


def _with_schema(batch: Any, schema: Any) -> Any:
    pyarrow, _ = _pyarrow()
    columns = {
        field.name: batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pyarrow.nulls(len(batch), field.type)
        for field in schema
    }
    return pyarrow.table(columns, schema=schema)


def _open(path: Path) -> Any:
    pyarrow, parquet = _pyarrow()
    try:
        return parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise CorpusError(
            f"this is no Parquet file, or a damaged one ({error}). Save it again.", path
        ) from None


@lru_cache(maxsize=1)
def _read_group(path: Path, group: int) -> Any:
    pyarrow, _ = _pyarrow()
    try:
        return _open(path).read_row_group(group)
    except (pyarrow.ArrowException, OSError) as error:
        raise CorpusError(f"row group {group + 1} is damaged ({error}).", path) from None


def _pyarrow() -> Any:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError(
            "Parquet files need pyarrow: pip install 'spacy-crf-ner[parquet]'"
        ) from None
    return pyarrow, parquet
