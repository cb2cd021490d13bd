"""Likely annotation errors that `crf audit` found, in context."""

from pathlib import Path
from typing import Any, NamedTuple

from ...util import CorpusError
from .json_lines import read_objects

N_SHOWN = 200
CONTEXT = 60
_KEYS: dict[str, type | tuple[type, ...]] = {
    "document": int,
    "text": str,
    "start": int,
    "end": int,
    "label": str,
    "kind": str,
    "probability": (int, float),
    "suggestion": (str, type(None)),
}
_PLACE = ("suggested_start", "suggested_end")


class Suggestion(NamedTuple):
    """An annotation that is likely to be wrong.

    document (int): The number of the document, from 0.
    before (str): The text before the mention.
    mention (str): The mention.
    after (str): The text after it.
    label (str): Its label.
    kind (str): What is likely to be wrong.
    probability (float): The probability of the annotation.
    suggestion (str | None): The label that is more probable, after the mention if that is another
        one.
    """

    document: int
    before: str
    mention: str
    after: str
    label: str
    kind: str
    probability: float
    suggestion: str | None


def read_suggestions(path: Path) -> list[Suggestion]:
    """Read the output of `crf audit`.

    path (Path): The file, with one JSON object a line.
    RETURNS (list[Suggestion]): The suggestions, in order.
    RAISES: CorpusError naming the line of what is none.
    """
    suggestions = []
    for number, found in read_objects(path, _KEYS, "`spacy crf audit`"):
        text, start, end = found["text"], found["start"], found["end"]
        if not 0 <= start < end <= len(text):
            raise CorpusError(f"characters {start} to {end} are not in 'text'.", path, number)
        suggestions.append(
            Suggestion(
                found["document"],
                text[max(0, start - CONTEXT) : start],
                text[start:end],
                text[end : end + CONTEXT],
                found["label"],
                found["kind"],
                found["probability"],
                _suggested(found),
            )
        )
    return suggestions


def _suggested(found: dict[str, Any]) -> str | None:
    """The label; with the mention, if that is another one."""
    label, start, end = (found.get(key) for key in ("suggestion", *_PLACE))
    if found["kind"] != "boundary" or not isinstance(start, int) or not isinstance(end, int):
        return label
    return f"{found['text'][start:end]} {label}"
