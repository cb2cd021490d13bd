"""What every corpus format is read into, and what may be wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

from ..tags import Span

# Kinds of notes: each names what was done, so that a summary can count by kind.
ILLEGAL_TAGS = "repaired: illegal tag sequence"
BLANK_TOKEN = "repaired: token that is white space"
BLANK_RIM = "repaired: mention with white space at its rim"
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

    text (str | list[str]): A text yet to be tokenized, or the tokens.
    spans (list[Span] | None): The entities, as offsets into `text` (so of characters or of
        tokens), end exclusive; None if the document isn't annotated.
    path (str | Path): The file it was read from.
    line (int): Its line in the file, from 1; of tokens, which have a line each, that of the first.
    notes (list[Note]): What was repaired or skipped in it.
    sentences (dict[int, int]): Where each sentence starts, and its line in the file; a text is one.
    """

    text: str | list[str]
    spans: list[Span] | None
    path: str | Path
    line: int
    notes: list[Note] = field(default_factory=list)
    sentences: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.sentences = {0: self.line}

    def line_of(self, offset: int) -> int:
        """The line in the file of a token, or of the text.

        offset (int): An offset into `text`.
        RETURNS (int): The line, from 1.
        """
        if isinstance(self.text, str):
            return self.line
        start = max(start for start in self.sentences if start <= offset)
        return self.sentences[start] + offset - start

    def note(self, kind: str, detail: str, offset: int = 0) -> None:
        """Add a note.

        kind (str): What was done.
        detail (str): To what.
        offset (int): Where in `text`.
        """
        self.notes.append(Note(kind, self.path, self.line_of(offset), detail))

    def append(self, other: "Record") -> None:
        """Add the sentences of another record of tokens, and what was noted of them.

        other (Record): The record, of the same file.
        """
        n = len(self.text)
        # Those of tokens are annotated, and their text is a list.
        cast(list[str], self.text).extend(other.text)
        spans, more = cast(list[Span], self.spans), cast(list[Span], other.spans)
        spans += [(start + n, end + n, label) for start, end, label in more]
        self.sentences.update((start + n, line) for start, line in other.sentences.items())
        self.notes += other.notes

    def show(self, span: Span) -> str:
        """Write a span for a reader, e.g. "'北京' [0, 2) LOC"."""
        start, end, label = span
        mention = self.text[start:end]
        mention = mention if isinstance(mention, str) else " ".join(mention)
        return f"{mention!r} [{start}, {end}) {label}"


def clean_spans(record: Record) -> None:
    """Trim white space off the spans of a record and drop those that overlap: the longest stays,
    and of equally long ones the first. What changes is noted in the record.

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
