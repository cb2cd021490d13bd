"""spaCy's JSON: a doc as `Doc.to_json` writes it and `Doc.from_json` reads it (spacy.io/api/doc),
one for each line or in an array, and what spaCy 2 was trained on (see `spacy_v2`).

If the tokens of a doc make up its text, they are kept. A doc without "ents" is unannotated.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..tags import Span
from ..util import CorpusError
from . import spacy_v2
from .format import MISSING, Format, Predictions
from .json_lines import write_json_lines
from .mentions import Mention, check_mentions, leave_out
from .record import Record
from .source import Source

_SHAPE = '{"text": "...", "ents": [{"start": START, "end": END, "label": "LABEL"}]}'
# Layers that are no entities.
_LEFT_OUT = {"cats": "document classes", "spans": "span groups"}


def recognizes(source: Source) -> bool:
    """Whether a file has docs, or training data of version 2."""
    return source.is_json and any(
        _is_doc(value) or spacy_v2.recognizes(value) for _, value in source.entries
    )


def read(source: Source) -> Iterator[Record]:
    """Read docs, and documents of version 2.

    source (Source): The file.
    YIELDS (Record): One record per doc.
    RAISES: CorpusError if a doc has another structure, or offsets are out of range.
    """
    for line, value in source.entries:
        if spacy_v2.recognizes(value):
            yield from spacy_v2.read(source, line, value)
        elif isinstance(value, dict):
            yield _read_doc(source, line, value)
        else:
            raise CorpusError(
                f"a JSON {type(value).__name__}. Expected {_SHAPE} or {spacy_v2.SHAPE}.",
                source.path,
                line,
            )


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write docs with `Doc.to_json`, one for each line.

    path (Path): The file.
    docs (Iterable[Doc]): The docs.
    predictions (Predictions | None): Not used: there is no place for confidences.
    """
    write_json_lines(path, (doc.to_json() for doc in docs))


def _is_doc(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("text"), str)
        and (isinstance(value.get("ents"), list) or _offsets(value) is not None)
    )


def _read_doc(source: Source, line: int, entry: dict[str, Any]) -> Record:
    text = source.text_of(entry, "text", line, _SHAPE)
    leave_out(source, entry, _LEFT_OUT)
    spans = _read_spans(source, line, text, entry["ents"]) if "ents" in entry else None
    return _with_tokens(Record(text, spans, source.path, line), _offsets(entry) or [])


def _read_spans(source: Source, line: int, text: str, ents: Any) -> list[Span]:
    try:
        mentions = [Mention(ent["start"], ent["end"], ent["label"]) for ent in ents]
    except (KeyError, TypeError):
        raise CorpusError(
            f"'ents' has the wrong shape. Expected {_SHAPE}.", source.path, line
        ) from None
    return check_mentions(source, line, text, mentions, _SHAPE)


def _offsets(entry: dict[str, Any]) -> list[tuple[int, int]] | None:
    """The offsets of a doc's tokens, if they are of the kind that spaCy writes."""
    tokens = entry.get("tokens")
    # Prodigy's tokens have a text.
    if not isinstance(tokens, list) or not all(
        isinstance(token, dict)
        and "text" not in token
        and isinstance(token.get("start"), int)
        and isinstance(token.get("end"), int)
        for token in tokens
    ):
        return None
    return [(token["start"], token["end"]) for token in tokens]


def _with_tokens(record: Record, offsets: list[tuple[int, int]]) -> Record:
    """The record in tokens, if they make up the text and no mention begins or ends within one."""
    text = str(record.text)
    starts = {start: i for i, (start, _) in enumerate(offsets)}
    ends = {end: i + 1 for i, (_, end) in enumerate(offsets)}
    tokens = [text[start:end] for start, end in offsets]
    spaces = [end not in starts and text[end : end + 1] == " " for end in ends]
    is_whole = "".join(token + " " * space for token, space in zip(tokens, spaces)) == text
    if not is_whole or "" in tokens or len(ends) < len(tokens):
        return record
    spans = record.spans
    if spans is not None:
        if not all(start in starts and end in ends for start, end, _ in spans):
            return record
        spans = [(starts[start], ends[end], label) for start, end, label in spans]
    return Record(tokens, spans, record.path, record.line, spaces=spaces)


FORMAT = Format(
    name="spacy-json",
    about="spaCy's JSON",
    suffix=".jsonl",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING}),
)
