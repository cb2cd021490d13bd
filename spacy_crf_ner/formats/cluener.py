"""CLUENER's JSON lines: `{"text": ..., "label": {type: {mention: [[start, end], ...]}}}`, offsets
in characters, the end inclusive (Xu et al. 2020, "CLUENER2020"). A document without "label" is
unannotated: its entities are unknown, which is different from having none.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..tags import Span
from ..util import CorpusError
from .format import MISSING, TOKENS, Format, Predictions, is_annotated
from .json_lines import write_json_lines
from .mentions import Mention, check_mentions
from .record import Record
from .source import Source

_SHAPE = '{"text": "...", "label": {"TYPE": {"MENTION": [[START, END], ...]}}}'


def recognizes(source: Source) -> bool:
    """Whether a file is in CLUENER's format: any JSON that no other format recognizes."""
    return source.is_json


def read(source: Source) -> Iterator[Record]:
    """Read JSON lines.

    source (Source): The file.
    YIELDS (Record): One record per line.
    RAISES: CorpusError if a line isn't JSON, doesn't have CLUENER's structure, or has a mention
        that differs from the text at its offsets.
    """
    for line, entry in source.objects:
        text = source.text_of(entry, "text", line, _SHAPE)
        spans = _read_spans(source, line, entry) if "label" in entry else None
        yield Record(text, spans, source.path, line)


def to_cluener(doc: Doc) -> dict[str, Any]:
    """Convert a doc to CLUENER's format.

    doc (Doc): The doc.
    RETURNS (dict[str, Any]): The JSON object.
    """
    if not is_annotated(doc):
        return {"text": doc.text}
    label: dict[str, dict[str, list[list[int]]]] = {}
    for ent in doc.ents:
        places = label.setdefault(ent.label_, {}).setdefault(ent.text, [])
        places.append([ent.start_char, ent.end_char - 1])
    return {"text": doc.text, "label": label}


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write docs as JSON lines.

    path (Path): The file.
    docs (Iterable[Doc]): The docs.
    predictions (Predictions | None): Not used: CLUENER has no confidences.
    """
    write_json_lines(path, map(to_cluener, docs))


def _read_spans(source: Source, line: int, entry: dict[str, Any]) -> list[Span]:
    try:
        mentions = [
            Mention(start, end, label, mention)
            for label, by_mention in entry["label"].items()
            for mention, places in by_mention.items()
            for start, end in places
        ]
    except (AttributeError, TypeError, ValueError):
        raise CorpusError(
            f"'label' has the wrong shape. Expected {_SHAPE}.", source.path, line
        ) from None
    return check_mentions(source, line, entry["text"], mentions, _SHAPE, inclusive=True)


FORMAT = Format(
    name="cluener",
    about="CLUENER's JSON lines",
    suffix=".json",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, TOKENS}),
)
