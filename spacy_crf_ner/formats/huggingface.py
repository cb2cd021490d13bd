"""Data sets for token classification of Hugging Face's `datasets` (huggingface.co/docs/datasets):
`{"tokens": [...], "ner_tags": [...]}` as JSON lines, as Parquet, or in a folder that `save_to_disk`
wrote. Tags are strings, or numbers with names in the features (`ClassLabel`). A row without tags is
unannotated.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..util import CorpusError
from .arrow import Table, features_beside, is_table, read_table
from .format import MISSING, SPACES, Format, Predictions, is_annotated
from .json_lines import write_json_lines
from .record import BLANK_TOKEN, Record
from .source import Source
from .tagged import Tagged, tags_of

COLUMNS = "columns left out"
# In the order in which they are looked for.
_TOKENS = ("tokens", "words")
_TAGS = ("ner_tags", "ner", "tags", "labels")
_SHAPE = '{"tokens": ["...", ...], "ner_tags": ["O", ...]}'


def recognizes(source: Source) -> bool:
    """Whether a file is a table of Parquet or Arrow, or JSON with tokens and a tag for each."""
    if is_table(source):
        return True
    return source.is_json and any(_is_row(value) for _, value in source.entries)


def read(source: Source) -> Iterator[Record | Tagged]:
    """Read the rows of a data set.

    source (Source): The file or the folder.
    YIELDS (Record | Tagged): The rows: a record if it has no tags.
    RAISES: CorpusError if there are no tokens, not a tag for each, or only a number for a tag.
    """
    table = read_table(source, _TOKENS + _TAGS) if is_table(source) else _read_json(source)
    column = next((name for name in _TOKENS if name in table.columns), "")
    tag_column = next((name for name in _TAGS if name in table.columns), "")
    if not column:
        raise CorpusError(
            f"there are no tokens: expected {_SHAPE}, got the columns {', '.join(table.columns)}. "
            "Rename the column of tokens.",
            source.path,
        )
    source.left_out[COLUMNS] += len(set(table.columns) - {"id", column, tag_column})
    names = _names_in(table.features.get(tag_column))
    for line, row in table.rows:
        tokens, tags = row.get(column), row.get(tag_column)
        if not (isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)):
            raise CorpusError(
                f"'{column}' is no list of strings. Expected {_SHAPE}.", source.path, line
            )
        if tags is None:
            yield _untagged(source, line, tokens)
            continue
        if not (isinstance(tags, list) and len(tags) == len(tokens)):
            raise CorpusError(
                f"'{tag_column}' does not have a tag for each of the {len(tokens)} tokens. "
                f"Expected {_SHAPE}.",
                source.path,
                line,
            )
        named = [_name(source, line, tag_column, tag, names) for tag in tags]
        yield Tagged(source.path, line, tokens, named)


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write docs as JSON lines, with BIO tags as strings.

    path (Path): The file.
    docs (Iterable[Doc]): The docs. Those without annotation have no tags.
    predictions (Predictions | None): Not used: there is no place for confidences.
    """
    write_json_lines(path, (_to_row(str(i), doc) for i, doc in enumerate(docs)))


def _to_row(id: str, doc: Doc) -> dict[str, Any]:
    tags = tags_of(doc) if is_annotated(doc) else None
    return {"id": id, "tokens": [token.text for token in doc], "ner_tags": tags}


def _is_row(value: Any) -> bool:
    """Whether a JSON value has strings, and as many strings or numbers, under the known names."""
    if not isinstance(value, dict):
        return False
    tokens, tags = (
        next((value[name] for name in names if value.get(name)), None) for names in (_TOKENS, _TAGS)
    )
    if not (isinstance(tokens, list) and isinstance(tags, list) and len(tokens) == len(tags)):
        return False
    return all(isinstance(x, str) and isinstance(y, str | int) for x, y in zip(tokens, tags))


def _read_json(source: Source) -> Table:
    rows = source.objects
    columns = dict.fromkeys(key for _, row in rows for key in row)
    return Table(list(columns), rows, features_beside(source))


def _names_in(feature: Any) -> list[str]:
    """The names of a `ClassLabel`, which may be within `Sequence`, `List` or a list."""
    if isinstance(feature, list) and feature:
        return _names_in(feature[0])
    if not isinstance(feature, dict):
        return []
    names = feature.get("names")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    return _names_in(feature.get("feature"))


def _untagged(source: Source, line: int, tokens: list[str]) -> Record:
    record = Record([token or " " for token in tokens], None, source.path, line)
    for i, token in enumerate(tokens):
        if not token:
            record.note(BLANK_TOKEN, "without a tag", i)
    return record


def _name(source: Source, line: int, column: str, tag: Any, names: list[str]) -> str:
    if isinstance(tag, str):
        return tag
    if isinstance(tag, int) and 0 <= tag < len(names):
        return names[tag]
    if names:
        problem = f"the tag {tag!r} is none of the {len(names)} that the features name. Correct it"
    else:
        problem = (
            f"the tag {tag!r} has no name. Write tags as strings, or name them in the data set "
            f'before it is saved: `ds.cast_column("{column}", Sequence(ClassLabel(names=[...])))`'
        )
    raise CorpusError(f"{problem}.", source.path, line)


FORMAT = Format(
    name="huggingface",
    about="a data set of Hugging Face's datasets",
    suffix=".jsonl",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, SPACES}),
)
