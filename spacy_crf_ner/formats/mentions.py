"""What JSON formats with texts and character offsets share: the check of mentions against the text,
and the count of other annotation.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..tags import Span
from ..util import CorpusError
from .source import Source


class Mention(NamedTuple):
    """A mention as it stands in a file.

    start (Any): The offset of its first character.
    end (Any): The offset after its last character, or of its last character.
    label (Any): Its label.
    text (Any): The mention itself; None if the file does not have it.
    """

    start: Any
    end: Any
    label: Any
    text: Any = None


def check_mentions(
    source: Source,
    line: int,
    text: str,
    mentions: Iterable[Mention],
    shape: str,
    *,
    inclusive: bool = False,
) -> list[Span]:
    """Check mentions, and make them spans.

    source (Source): The file.
    line (int): The line of the document.
    text (str): Its text.
    mentions (Iterable[Mention]): Its mentions.
    shape (str): What the document should look like, for errors.
    inclusive (bool): Whether the end is the offset of the last character.
    RETURNS (list[Span]): The spans, end exclusive.
    RAISES: CorpusError if offsets are out of range, or if a mention differs from the text there.
    """
    spans: list[Span] = []
    for mention in mentions:
        problem = _find_problem(text, mention, shape, inclusive)
        if problem:
            raise CorpusError(problem, source.path, line)
        start, end, label, _ = mention
        spans.append((start, end + inclusive, label))
    return spans


def leave_out(source: Source, entry: dict[str, Any], layers: dict[str, str]) -> None:
    """Count annotation that is not used.

    source (Source): The file.
    entry (dict[str, Any]): The JSON object of the document.
    layers (dict[str, str]): The keys of lists or objects, and what these contain.
    """
    for key, what in layers.items():
        values = entry.get(key)
        if isinstance(values, (list, dict)) and values:
            source.left_out[f"{what} left out"] += len(values)


def from_utf16(text: str, offset: int) -> int:
    """Convert an offset in UTF-16 units, as JavaScript and Java count, to one in characters.

    text (str): The text.
    offset (int): The offset in UTF-16 units.
    RETURNS (int): The offset in characters.
    """
    if offset < 0:
        return offset  # which is an error, wherever it counts from
    # A character has a unit at least, so no more characters are needed.
    return len(text[:offset].encode("utf-16-le")[: 2 * offset].decode("utf-16-le", "ignore"))


def _find_problem(text: str, mention: Mention, shape: str, inclusive: bool) -> str:
    start, end, label, own = mention
    if label == "":
        return "a label is the empty string. Name it."
    if not isinstance(label, str):
        return f"the label {label!r} is not a string. Expected {shape}."
    what = label if own is None else f"{own!r} ({label})"
    where = f"[{start!r}, {end!r}]" + (", end included," if inclusive else "")
    if not (isinstance(start, int) and isinstance(end, int)):
        return f"the offsets {where} of {what} are not whole numbers. Expected {shape}."
    found = _cut(text, start, end + inclusive)
    if found and own in (None, found):
        return ""
    if found:
        problem = f"expected the mention {what} at {where} but the text there is {found!r}."
    elif start == end and not inclusive:
        problem = f"the offsets {where} of {what} are those of an empty string."
    else:
        problem = (
            f"the offsets {where} of {what} are out of range: the text has {len(text)} characters."
        )
    return f"{problem} {_find_remedy(text, start, end, own, inclusive)}"


def _find_remedy(text: str, start: int, end: int, own: Any, inclusive: bool) -> str:
    """What to do about wrong offsets. They may be right if they are counted in another way."""
    stop = end + inclusive
    readings = {
        "end-exclusive: subtract 1 from each end": _cut(text, start, end) if inclusive else "",
        "end-inclusive: add 1 to each end": "" if inclusive else _cut(text, start, end + 1),
        "counted in UTF-16: count characters": _cut_encoded(text, start, stop, "utf-16-le", 2),
        "counted in bytes: count characters": _cut_encoded(text, start, stop, "utf-8", 1),
    }
    for reading, found in readings.items():
        if found and own in (None, found):
            return f"The offsets look {reading}."
    return "Correct the offsets." if own is None else "Correct the offsets or the mention."


def _cut(text: str, start: int, end: int) -> str:
    """A part of a text, or "" if the offsets are out of range."""
    return text[start:end] if 0 <= start < end <= len(text) else ""


def _cut_encoded(text: str, start: int, end: int, encoding: str, width: int) -> str:
    """The same, with offsets that count the code units of an encoding."""
    units = text.encode(encoding)
    inside = 0 <= start < end <= len(units) // width
    return units[width * start : width * end].decode(encoding, "ignore") if inside else ""
