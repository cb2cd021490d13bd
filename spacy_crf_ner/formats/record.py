"""Records, which all corpus formats are read into, and notes on what was wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..tags import Span

# Kinds of notes. Each says what was done, so that a summary can count by kind.
ILLEGAL_TAGS = "repaired: illegal tag sequence"
BLANK_TOKEN = "repaired: token that is white space"
BLANK_RIM = "repaired: mention that begins or ends with white space"
BLANK_MENTION = "skipped: mention that is all white space"
OVERLAP = "skipped: mention that overlaps a longer or earlier one"
MISALIGNED = "skipped: mention that does not align with the tokens"
EMPTY_TEXT = "skipped: document with an empty text"


class Note(NamedTuple):
    """A repair or a skip, and where it was made."""

    kind: str
    path: str | Path
    line: int
    detail: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.kind}: {self.detail}"


@dataclass
class Record:
    """One document of a corpus.

    text (str | list[str]): The text if it isn't tokenized yet, otherwise the tokens.
    spans (list[Span] | None): The entities, as offsets into `text` (in characters or in tokens),
        end exclusive; None if the document isn't annotated.
    path (str | Path): The file it was read from.
    line (int): Its line in the file, from 1. Tokens have a line each; this is the first one's.
    notes (list[Note]): The repairs and skips.
    """

    text: str | list[str]
    spans: list[Span] | None
    path: str | Path
    line: int
    notes: list[Note] = field(default_factory=list)

    def line_of(self, offset: int) -> int:
        """The line in the file of a token, or of the text.

        offset (int): An offset into `text`.
        RETURNS (int): The line, from 1.
        """
        return self.line if isinstance(self.text, str) else self.line + offset

    def note(self, kind: str, detail: str, offset: int = 0) -> None:
        """Add a note.

        kind (str): What was done.
        detail (str): What it was done to.
        offset (int): The position in `text`.
        """
        self.notes.append(Note(kind, self.path, self.line_of(offset), detail))

    def show(self, span: Span) -> str:
        """Write a span for a reader, e.g. "'北京' [0, 2) LOC"."""
        start, end, label = span
        mention = self.text[start:end]
        mention = mention if isinstance(mention, str) else " ".join(mention)
        return f"{mention!r} [{start}, {end}) {label}"


def clean_spans(record: Record) -> None:
    """Trim white space from the spans of a record, and drop overlapping spans.

    The longest of them stays, or the first of the longest. Changes are noted in the record.

    record (Record): The record, changed in place.
    """
    if record.spans is None:
        return
    trimmed = []
    for span in record.spans:
        start, end = _trim(record.text, span[0], span[1])
        if start == end:
            record.note(BLANK_MENTION, record.show(span), span[0])
            continue
        if (start, end) != span[:2]:
            record.note(BLANK_RIM, record.show(span), span[0])
        trimmed.append((start, end, span[2]))
    kept: list[Span] = []
    owners: list[Span | None] = [None] * len(record.text)
    for span in sorted(trimmed, key=lambda span: (span[0] - span[1], span[0])):
        start, end, _ = span
        rival = next(filter(None, owners[start:end]), None)
        if rival is None:
            kept.append(span)
            owners[start:end] = [span] * (end - start)
        else:
            record.note(OVERLAP, f"{record.show(span)} and {record.show(rival)}", start)
    record.spans = sorted(kept)


def _trim(text: Sequence[str], start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
