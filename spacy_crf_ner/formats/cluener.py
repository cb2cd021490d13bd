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
        spans = _read_spans(source.path, line, entry) if "label" in entry else None
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


def _read_spans(path: str | Path, number: int, entry: dict[str, Any]) -> list[Span]:
    try:
        mentions = [
            (label, mention, start, end)
            for label, by_mention in entry["label"].items()
            for mention, places in by_mention.items()
            for start, end in places
        ]
    except (AttributeError, TypeError, ValueError):
        raise CorpusError(
            f"'label' has the wrong shape. Expected {_SHAPE}.", path, number
        ) from None
    for label, mention, start, end in mentions:
        problem = _find_problem(entry["text"], label, mention, start, end)
        if problem:
            raise CorpusError(problem, path, number)
    return [(start, end + 1, label) for label, _, start, end in mentions]


def _find_problem(text: str, label: str, mention: str, start: Any, end: Any) -> str:
    if not label:
        return "an entity type is the empty string. Name it."
    if not (isinstance(start, int) and isinstance(end, int)):
        return (
            f"the offsets [{start!r}, {end!r}] of {mention!r} ({label}) are not whole numbers. "
            f"Expected {_SHAPE}."
        )
    inside = 0 <= start <= end < len(text)
    if inside and text[start : end + 1] == mention:
        return ""
    if inside:
        problem = (
            f"expected the mention {mention!r} ({label}) at [{start}, {end}], end included, but "
            f"the text there is {text[start : end + 1]!r}."
        )
    else:
        problem = (
            f"the offsets [{start}, {end}], end included, of {mention!r} ({label}) are out of "
            f"range: the text has {len(text)} characters."
        )
    if 0 <= start < end and text[start:end] == mention:
        return f"{problem} The offsets look end-exclusive: subtract 1 from each end."
    return f"{problem} Correct the offsets or the mention."


FORMAT = Format(
    name="cluener",
    about="CLUENER's JSON lines",
    suffix=".json",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, TOKENS}),
)
