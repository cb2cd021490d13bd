"""Where the output goes, and in which format."""

from pathlib import Path
from typing import NamedTuple

from ..formats.catalogue import FORMATS, get_format
from ..formats.docbin import FORMAT as DOCBIN
from .inputs import Input
from .lines import CsvReader
from .outputs import Csv, Docs, JsonLines, Output, Parquet, Text
from .parquet import ParquetReader

# With the fields of the records. Others are those of a corpus.
RECORD_FORMATS = ("text", "jsonl", "csv", "parquet")
OUTPUT_FORMATS = (*RECORD_FORMATS, *FORMATS)
_SUFFIXES = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "cluener",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".spacy": "spacy",
}


class Target(NamedTuple):
    """An output.

    path (Path | None): The file, or the folder; None for stdout.
    format (str): One of `OUTPUT_FORMATS`.
    output (Output): Writes it.
    folder (Path | None): The folder of the parts: the path itself if parts stay there; None for
        stdout.
    """

    path: Path | None
    format: str
    output: Output
    folder: Path | None


def find_target(
    path: str | None, to: str | None, input: Input, entities: str, *, colored: bool = False
) -> Target:
    """Find out where to write, and how.

    path (str | None): The file; or a folder for parts, which ends with a slash; None for stdout.
    to (str | None): One of `OUTPUT_FORMATS`; None to tell it by the path.
    input (Input): The input.
    entities (str): The field for the entities.
    colored (bool): Whether stdout shows colours.
    RETURNS (Target): The output.
    RAISES: ValueError if it cannot be written like this.
    """
    if path is None:
        to = to or "text"
        if to not in ("text", "jsonl"):
            raise ValueError(f"--to {to} is the format of a file: give --output.")
        output = Text(colored) if to == "text" else _make_output(to, Path(), input, entities)
        return Target(None, to, output, None)
    target = Path(path)
    if to is None:
        to = input.format if _is_folder(path) else _SUFFIXES.get(target.suffix.lower())
    if to is None:
        raise ValueError(
            f"{path}: unknown format. The extension must be {', '.join(_SUFFIXES)}; for other "
            "formats, give --to. A folder for a file of each part ends with a slash."
        )
    output = _make_output(to, target, input, entities)
    if isinstance(output, Docs) and not output.format.suffix:
        # The format is a folder itself.
        return Target(target, to, output, _beside(target))
    if not _is_folder(path):
        if target.is_dir():
            raise ValueError(f"{path}: this is a folder. Name a file in it, or add a slash.")
        return Target(target, to, output, _beside(target))
    if isinstance(output, Docs) and output.format is not DOCBIN:
        raise ValueError(f"{path}: {to} is written to one file. Name a file, without a slash.")
    return Target(target, to, output, target)


def _is_folder(path: str) -> bool:
    return path.endswith(("/", "\\"))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.parts")


def _make_output(to: str, path: Path, input: Input, entities: str) -> Output:
    reader = input.reader
    if to not in RECORD_FORMATS:
        return Docs(get_format(to))
    if to == "text":
        return Text()
    if entities in reader.fields:
        raise ValueError(
            f"{reader.path}: there is a field {entities!r} already. Name another one with "
            "--entities-field."
        )
    if to == "csv":
        delimiter = reader.delimiter if isinstance(reader, CsvReader) else ","
        delimiter = "\t" if path.suffix.lower() == ".tsv" else delimiter
        return Csv(entities, tuple(reader.fields), delimiter)
    if to == "parquet":
        return Parquet(entities, reader.schema if isinstance(reader, ParquetReader) else None)
    return JsonLines(entities)
