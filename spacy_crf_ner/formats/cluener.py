"""CLUENER's JSON lines: `{"text": ..., "label": {type: {mention: [[start, end], ...]}}}`, offsets
in characters, the end inclusive (Xu et al. 2020, "CLUENER2020"). A document without "label" is
unannotated: its entities are unknown, which is different from having none.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..tags import Span
from ..util import CorpusError, replacing
from .record import Record

_SHAPE = '{"text": "...", "label": {"TYPE": {"MENTION": [[START, END], ...]}}}'


def read_cluener(path: str | Path, lines: list[str]) -> Iterator[Record]:
    """Read JSON lines.

    path (str | Path): The file, for errors and notes.
    lines (list[str]): Its lines. Blank ones are skipped.
    YIELDS (Record): One record per line.
    RAISES: CorpusError if a line isn't JSON, doesn't have CLUENER's structure, or has a mention
        that differs from the text at its offsets.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            entry = parse_line(path, number, line)
            spans = _read_spans(path, number, entry) if "label" in entry else None
            yield Record(entry["text"], spans, path, number)


def parse_line(path: str | Path, number: int, line: str) -> dict[str, Any]:
    """Read a JSON line, and check its "text" but not its "label".

    path (str | Path): The file, for errors.
    number (int): The line's number in it.
    line (str): The line.
    RETURNS (dict[str, Any]): The JSON object.
    RAISES: CorpusError if it isn't a JSON object with a "text".
    """
    try:
        entry = json.loads(line, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        raise CorpusError(
            f"not a JSON object ({error.msg} at column {error.colno}). Write each document on a "
            "line of its own, e.g. with `jq -c`.",
            path,
            number,
        ) from None
    except ValueError as error:
        raise CorpusError(f"{error} Merge the two.", path, number) from None
    if not isinstance(entry, dict):
        raise CorpusError(
            f"a JSON {type(entry).__name__}, not an object. Write each document on a line of its "
            "own, e.g. with `jq -c '.[]'`.",
            path,
            number,
        )
    text = entry.get("text")
    if not isinstance(text, str):
        what = "'text' is not a string" if "text" in entry else "there is no 'text'"
        raise CorpusError(f"{what}. Expected {_SHAPE}.", path, number)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise CorpusError(
            "'text' contains half of a surrogate pair, which is not a character. Remove it.",
            path,
            number,
        )
    return entry


def to_cluener(doc: Doc) -> dict[str, Any]:
    """Convert a doc to CLUENER's format.

    doc (Doc): The doc.
    RETURNS (dict[str, Any]): The JSON object.
    """
    label: dict[str, dict[str, list[list[int]]]] = {}
    for ent in doc.ents:
        places = label.setdefault(ent.label_, {}).setdefault(ent.text, [])
        places.append([ent.start_char, ent.end_char - 1])
    return {"text": doc.text, "label": label}


def write_cluener(path: Path, docs: Iterable[Doc]) -> None:
    """Write docs as JSON lines. On failure, no file is written.

    path (Path): The file.
    docs (Iterable[Doc]): The docs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for doc in docs:
            # Not srsly, which would escape characters that aren't ASCII.
            file.write(json.dumps(to_cluener(doc), ensure_ascii=False) + "\n")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; json itself would silently keep only the last of two equal keys."""
    built = dict(pairs)
    if len(built) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} occurs twice in one JSON object.")
    return built


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
