"""doccano's JSON lines, as its source exports and imports them (doccano/doccano on GitHub,
backend/data_export/models.py and backend/data_import/pipeline). A document has
`"label": [[start, end, label], ...]`; in a project with relations, it has "entities" with
"start_offset" and "end_offset" instead. Some versions call the text "data", or the labels "labels".
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..tags import Span
from ..util import CorpusError
from .format import MISSING, TOKENS, Format, Predictions, is_annotated
from .json_lines import write_json_lines
from .mentions import Mention, check_mentions, leave_out
from .record import Record
from .source import Source

_SHAPE = '{"text": "...", "label": [[START, END, "LABEL"], ...]}'
# The keys of the mentions in the dialects; in the oldest, labels are numbers, which is an error.
_MENTIONS = ("label", "labels", "entities", "annotations")
# Other annotation, and what it is.
_LEFT_OUT = {"relations": "relations", "cats": "document classes", "Comments": "comments"}


def recognizes(source: Source) -> bool:
    """Whether a file has doccano's labels: triples, or objects with "start_offset"."""
    return source.is_json and any(
        isinstance(value, dict)
        and isinstance(value.get(_text_key(value)), str)
        and any(_are_mentions(value, key) for key in _MENTIONS)
        for _, value in source.entries
    )


def read(source: Source) -> Iterator[Record]:
    """Read JSON lines.

    source (Source): The file.
    YIELDS (Record): One record per document.
    RAISES: CorpusError if a document has another structure, or offsets are out of range.
    """
    for line, entry in source.objects:
        text = source.text_of(entry, _text_key(entry), line, _SHAPE)
        leave_out(source, entry, _LEFT_OUT)
        yield Record(text, _read_spans(source, line, text, entry), source.path, line)


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write docs as JSON lines.

    path (Path): The file.
    docs (Iterable[Doc]): The docs.
    predictions (Predictions | None): Not used: doccano has no confidences.
    """
    write_json_lines(path, map(_to_json, docs))


def _text_key(entry: dict[str, Any]) -> str:
    return "data" if "data" in entry and "text" not in entry else "text"


def _are_mentions(entry: dict[str, Any], key: str) -> bool:
    items = entry.get(key)
    if items == []:
        # Other formats may have "entities" or "annotations" that are empty.
        return key in ("label", "labels")
    return isinstance(items, list) and all(
        "start_offset" in item if isinstance(item, dict) else isinstance(item, list)
        for item in items
    )


def _read_spans(source: Source, line: int, text: str, entry: dict[str, Any]) -> list[Span] | None:
    key = next((key for key in _MENTIONS if key in entry), None)
    if key is None:
        return None
    try:
        mentions = [
            Mention(item["start_offset"], item["end_offset"], item["label"])
            if isinstance(item, dict)
            else Mention(*item)
            for item in entry[key]
        ]
    except (KeyError, TypeError):
        raise CorpusError(
            f"'{key}' has the wrong shape. Expected {_SHAPE}.", source.path, line
        ) from None
    return check_mentions(source, line, text, mentions, _SHAPE)


def _to_json(doc: Doc) -> dict[str, Any]:
    if not is_annotated(doc):
        return {"text": doc.text}
    return {
        "text": doc.text,
        "label": [[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents],
    }


FORMAT = Format(
    name="doccano",
    about="doccano's JSON lines",
    suffix=".jsonl",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, TOKENS}),
)
