"""Records, which all corpus formats are read into, and notes on what was wrong with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..tags import Span

# Kinds of notes. Each says what was done, so that a summary can count by kind.
GLUED = "repaired: what files that were glued together have between them"
ILLEGAL_TAGS = "repaired: illegal tag sequence"
WORD_POSITIONS = "repaired: positions in words after characters"
BLANK_TOKEN = "repaired: token that is white space"
BLANK_RIM = "repaired: mention that begins or ends with white space"
UTF_16 = "repaired: offsets counted in UTF-16"
BLANK_MENTION = "skipped: mention that is all white space"
OVERLAP = "skipped: mention that overlaps a longer or earlier one"
MISALIGNED = "skipped: mention that does not align with the tokens"
CROSSING = "skipped: mention that crosses sentences"
DISCONTINUOUS = "skipped: mention in several pieces"
NO_LABEL = "skipped: mention without a label"
EMPTY_TEXT = "skipped: document with an empty text"
REJECTED = "skipped: document that the annotator rejected"
SECOND_ANNOTATION = "skipped: further annotation of the same document"
_SKIPPED = "skipped: "
# How much of a mention notes show, in characters or tokens.
SHOWN = 100


class Note(NamedTuple):
    """A repair or a skip, and where it was made.

    kind (str): What was done.
    path (str | Path): The file.
    line (int): The line in it.
    detail (str): What it was done to.
    text (str | list[str] | None): The text or the tokens of the document, for a skip.
    span (Span | None): The mention that was skipped, as offsets into `text`.
    """

    kind: str
    path: str | Path
    line: int
    detail: str
    text: str | list[str] | None = None
    span: Span | None = None

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.kind}: {self.detail}"

    @property
    def is_skip(self) -> bool:
        """Whether something was skipped, rather than repaired."""
        return self.kind.startswith(_SKIPPED)

    def to_reject(self) -> dict[str, Any]:
        """What was skipped, as JSON.

        RETURNS (dict[str, Any]): The reason and the place; the document, and the mention if only a
            mention was skipped. Offsets are those of the document's tokens if it has tokens.
        """
        reject = {
            "reason": self.kind.removeprefix(_SKIPPED),
            "file": str(self.path),
            "line": self.line,
            "detail": self.detail,
        }
        if self.text is not None:
            reject["text" if isinstance(self.text, str) else "tokens"] = self.text
        if self.span is not None:
            reject.update(zip(("start", "end", "label"), self.span))
        return reject


@dataclass
class Record:
    """One document of a corpus.

    text (str | list[str]): The text if it isn't tokenized yet, otherwise the tokens.
    spans (list[Span] | None): The entities, as offsets into `text` (in characters or in tokens),
        end exclusive; None if the document isn't annotated.
    path (str | Path): The file it was read from.
    line (int): Its line in the file, from 1.
    notes (list[Note]): The repairs and skips.
    lines (Sequence[int] | None): The line of each token, if each has its own.
    spaces (list[bool] | None): Whether a space follows each token; None if that is not known.
    unknown (list[tuple[int, int]]): Parts of `text` without annotation, as offsets, end exclusive.
    span_lines (dict[Span, int]): The lines of the mentions that have lines of their own.
    """

    text: str | list[str]
    spans: list[Span] | None
    path: str | Path
    line: int
    notes: list[Note] = field(default_factory=list)
    lines: Sequence[int] | None = None
    spaces: list[bool] | None = None
    unknown: list[tuple[int, int]] = field(default_factory=list)
    span_lines: dict[Span, int] = field(default_factory=dict)

    def line_of(self, offset: int) -> int:
        """The line in the file of a token, or of the text.

        offset (int): An offset into `text`.
        RETURNS (int): The line, from 1.
        """
        return self.line if self.lines is None else self.lines[offset]

    def line_of_span(self, span: Span) -> int:
        """The line in the file of a mention.

        span (Span): The mention.
        RETURNS (int): The line, from 1.
        """
        return self.span_lines.get(span) or self.line_of(span[0])

    def note(self, kind: str, detail: str, offset: int = 0) -> None:
        """Note what was done to a part of the text, or to all of it.

        kind (str): What was done.
        detail (str): What it was done to.
        offset (int): The position in `text`.
        """
        self.notes.append(Note(kind, self.path, self.line_of(offset), detail, self.text))

    def note_span(self, kind: str, span: Span, detail: str = "") -> None:
        """Note what was done to a mention.

        kind (str): What was done.
        span (Span): The mention.
        detail (str): What to add to the mention itself.
        """
        detail = f"{self.show(span)}{detail}"
        self.notes.append(Note(kind, self.path, self.line_of_span(span), detail, self.text, span))

    def show(self, span: Span) -> str:
        """Write a span for a reader, e.g. "'北京' [0, 2) LOC"."""
        start, end, label = span
        # A mention may be as long as the text, and there may be as many of them.
        mention = self.text[start : min(end, start + SHOWN)]
        mention = mention if isinstance(mention, str) else " ".join(mention)
        more = "…" if end > start + SHOWN else ""
        return f"{mention!r}{more} [{start}, {end}) {label}"


def clean_spans(record: Record) -> None:
    """Trim white space from the spans of a record. Changes are noted in the record.

    record (Record): The record, changed in place.
    """
    if record.spans is None:
        return
    trimmed = []
    for span in record.spans:
        start, end = _trim(record.text, span[0], span[1])
        if start == end:
            record.note_span(BLANK_MENTION, span)
            continue
        if (start, end) != span[:2]:
            record.note_span(BLANK_RIM, span)
            if span in record.span_lines:
                record.span_lines[start, end, span[2]] = record.span_lines[span]
        trimmed.append((start, end, span[2]))
    record.spans = sorted(trimmed)


def without_overlaps(record: Record) -> Iterator[Span]:
    """The spans of a record that do not overlap: of overlapping ones, the longest stays, or the
    first of the longest. The others are noted in the record.

    record (Record): The record, with annotation.
    YIELDS (Span): The spans, the longest first.
    """
    owners: list[Span | None] = [None] * len(record.text)
    for span in sorted(record.spans or [], key=lambda span: (span[0] - span[1], span[0])):
        start, end, _ = span
        # A rival is at least as long, so it has the first token or the last.
        rival = owners[start] or owners[end - 1]
        if rival is None:
            owners[start:end] = [span] * (end - start)
            yield span
        else:
            record.note_span(OVERLAP, span, f" and {record.show(rival)}")


def _trim(text: Sequence[str], start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
