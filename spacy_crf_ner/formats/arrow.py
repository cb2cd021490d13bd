"""Tables in Parquet, and in Arrow as Hugging Face's `datasets` saves them: a folder of `*.arrow`
files with `state.json` and `dataset_info.json`. pyarrow is an optional package.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..util import CorpusError
from .source import Entry, Source

INFO = "dataset_info.json"
_STATE = "state.json"
_PARQUET = b"PAR1"
_SUFFIXES = (".parquet", ".arrow")


class Table(NamedTuple):
    """The rows of a data set.

    columns (list[str]): The names of all columns.
    rows (list[Entry]): The rows by column, each with its number as the line.
    features (dict[str, Any]): The types of the columns, as `datasets` declares them.
    """

    columns: list[str]
    rows: list[Entry]
    features: dict[str, Any]


def is_dataset(path: Path) -> bool:
    """Whether a folder is one data set, rather than a folder of corpus files.

    path (Path): The file or folder.
    RETURNS (bool): Whether it has Arrow files and their description.
    """
    return (path / INFO).is_file() and any(path.glob("*.arrow"))


def is_table(source: Source) -> bool:
    """Whether a source is Parquet, Arrow or a folder of Arrow files.

    source (Source): The source.
    RETURNS (bool): Whether it is.
    """
    is_file = source.suffix in _SUFFIXES or source.data.startswith(_PARQUET)
    return is_file or is_dataset(Path(source.path))


def read_table(source: Source, wanted: Sequence[str]) -> Table:
    """Read a table.

    source (Source): The file or folder.
    wanted (Sequence[str]): The names of the columns to read.
    RETURNS (Table): The table, only with the wanted columns in its rows.
    RAISES: ImportError if pyarrow is not installed, CorpusError if the file is damaged.
    """
    try:
        import pyarrow
        from pyarrow import ipc, parquet
    except ImportError:
        raise ImportError(
            "Parquet and Arrow files need pyarrow: pip install 'spacy-crf-ner[parquet]'"
        ) from None
    files = _files_of(Path(source.path)) if source.is_folder else []
    try:
        if source.is_folder:
            streams = [ipc.open_stream(path.read_bytes()) for path in files]
            table = pyarrow.concat_tables(stream.read_all() for stream in streams)
        elif source.data.startswith(_PARQUET):
            table = parquet.read_table(pyarrow.BufferReader(source.data))
        else:
            table = ipc.open_stream(source.data).read_all()
        # Or else what is damaged would be read from anywhere in memory.
        table.validate(full=True)
        columns = table.column_names
        rows = table.select([name for name in columns if name in wanted]).to_pylist()
    # A ValueError for a name that is not UTF-8.
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CorpusError(
            f"this is no Parquet or Arrow file, or a damaged one ({error}). Save it again.",
            source.path,
        ) from None
    metadata = _parse((table.schema.metadata or {}).get(b"huggingface", b"{}"), source.path)
    info = metadata.get("info")
    features = _features_in(info if isinstance(info, dict) else {}) or features_beside(source)
    return Table(columns, [Entry(number, row) for number, row in enumerate(rows, 1)], features)


def features_beside(source: Source) -> dict[str, Any]:
    """The types of columns that `dataset_info.json` declares.

    source (Source): The folder that has such a file, or a file beside it.
    RETURNS (dict[str, Any]): The types by column; empty if there is no such file.
    RAISES: CorpusError if it is not JSON.
    """
    path = Path(source.path)
    info = (path if source.is_folder else path.parent) / INFO
    return _features_in(_read_json(info)) if info.is_file() else {}


def _files_of(folder: Path) -> list[Path]:
    """The files of a data set, in order."""
    if (folder / _STATE).is_file():
        listed = _read_json(folder / _STATE).get("_data_files")
        try:
            return [folder / Path(each["filename"]).name for each in listed or []]
        except (KeyError, TypeError):
            raise CorpusError(
                "it does not name the files. Save the data set again.", folder
            ) from None
    files = list(folder.glob("*.arrow"))
    if len(files) > 1:
        raise CorpusError(
            f"there is no {_STATE}, so whether the {len(files)} files belong together is not "
            "known. Save the data set with `save_to_disk`.",
            folder,
        )
    return files


def _features_in(info: dict[str, Any]) -> dict[str, Any]:
    features = info.get("features")
    return features if isinstance(features, dict) else {}


def _read_json(path: Path) -> dict[str, Any]:
    return _parse(path.read_bytes(), path)


def _parse(data: bytes, path: str | Path) -> dict[str, Any]:
    try:
        return dict(json.loads(data))
    except (RecursionError, TypeError, ValueError):
        raise CorpusError("this is no JSON object. Save the data set again.", path) from None
