"""brat's standoff files (Stenetorp et al. 2012; https://brat.nlplab.org/standoff.html): a text in
`NAME.txt`, and its annotation beside it in `NAME.ann`, with a line for each mention:
`T1<TAB>Person 0 5<TAB>John S`. Offsets are characters of the text file, the end exclusive. A text
without annotation file is unannotated; one with an empty annotation file has no entities. A text
is one document, however long it is.

At line ends and tabs, brat itself divides a mention into pieces, `Person 0 4;5 10`. So pieces with
nothing but white space between them are one mention; other mentions in pieces are skipped. The
triggers of events look like mentions, and are read as such.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc

from ..tags import Span
from ..util import BYTE_ORDER_MARK, CorpusError, decode_text
from .format import MISSING, TOKENS, Format, Predictions, is_annotated
from .record import DISCONTINUOUS, Record
from .source import Source

TEXT, ANNOTATION = ".txt", ".ann"
_SHAPE = "T1<TAB>TYPE START END<TAB>MENTION"
_MENTION = re.compile(r"T\S*\t(\S+) (\d+ \d+(?:;\d+ \d+)*) *(?:\t(.*))?")
_OTHER = re.compile(r"([REAMN*#])\S*\t")
_LEFT_OUT = {
    "R": "relations left out",
    "E": "events left out",
    "A": "attributes left out",
    "M": "attributes left out",
    "N": "normalizations left out",
    "*": "equivalences left out",
    "#": "notes left out",
}
# What brat can have in one piece of a mention: words with nothing but blanks between them.
_PIECE = re.compile(r"\S+(?: +\S+)*")


class _Mention(NamedTuple):
    """A mention as it is written: its line, label and pieces, and its text if that is given."""

    line: int
    label: str
    pieces: list[tuple[int, int]]
    written: str


def recognizes(source: Source) -> bool:
    """Whether a file is one of brat's: an annotation file, or a text file in a folder of such."""
    path = Path(source.path)
    if source.suffix != TEXT:
        return source.suffix == ANNOTATION
    return path.with_suffix(ANNOTATION).is_file() or any(path.parent.glob(f"*{ANNOTATION}"))


def read(source: Source) -> Iterator[Record]:
    """Read a text and its annotation.

    source (Source): Either of the two files.
    YIELDS (Record): The text. Its path is that of the annotation, and mentions have their lines.
    RAISES: CorpusError if there is no text file, a line is none of brat's, or a mention differs
        from the text at its offsets.
    """
    text_path = ann_path = Path(source.path)
    if source.suffix == ANNOTATION:
        text_path = ann_path.with_suffix(TEXT)
    else:
        ann_path = text_path.with_suffix(ANNOTATION)
    if not text_path.is_file():
        raise CorpusError(
            f"its text {text_path.name} is missing. Put it beside this file, or remove this file.",
            source.path,
        )
    text = decode_text(text_path.read_bytes(), text_path)
    if not ann_path.is_file():
        yield Record(text.removeprefix(BYTE_ORDER_MARK), None, text_path, 1)
        return
    mentions = list(_read_mentions(ann_path, source))
    yield _make_record(_find_reading(text, mentions, ann_path), mentions, ann_path)


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write a folder with a text file for each doc, and an annotation file if it is annotated.

    path (Path): The folder.
    docs (Iterable[Doc]): The docs. The files are called by their number.
    predictions (Predictions | None): If given, mentions have notes with their confidences.
    RAISES: ValueError if a label has white space in it.
    """
    docs = list(docs)
    digits = max(4, len(str(len(docs))))
    path.mkdir()
    for number, doc in enumerate(docs, 1):
        files = path / f"{number:0{digits}}"
        # Line ends stay as they are: the offsets count them.
        files.with_suffix(TEXT).write_text(doc.text, encoding="utf-8", newline="")
        if is_annotated(doc):
            lines = "".join(f"{line}\n" for line in _write_lines(doc, predictions))
            files.with_suffix(ANNOTATION).write_text(lines, encoding="utf-8", newline="")


def _read_mentions(path: Path, source: Source) -> Iterator[_Mention]:
    lines = decode_text(path.read_bytes(), path).removeprefix(BYTE_ORDER_MARK).split("\n")
    for number, line in enumerate((line.removesuffix("\r") for line in lines), 1):
        if match := _MENTION.fullmatch(line):
            label, offsets, written = match.groups()
            starts_and_ends = (each.split() for each in offsets.split(";"))
            pieces = [(int(start), int(end)) for start, end in starts_and_ends]
            yield _Mention(number, label, pieces, written or "")
        elif match := _OTHER.match(line):
            source.left_out[_LEFT_OUT[match[1]]] += 1
        elif line.strip():
            problem = f"expected {_SHAPE} or another line of brat's, got {line!r}. Correct it."
            raise CorpusError(problem, path, number)


def _find_reading(text: str, mentions: list[_Mention], path: Path) -> str:
    """The text as the offsets count it. Tools differ in whether a byte order mark is a character,
    and a line end of Windows two."""
    without = text.removeprefix(BYTE_ORDER_MARK)
    readings = [text, without, text.replace("\r\n", "\n"), without.replace("\r\n", "\n")]
    for reading in readings:
        if not any(_find_problem(reading, mention) for mention in mentions):
            return reading
    wrong = next(mention for mention in mentions if _find_problem(text, mention))
    raise CorpusError(_find_problem(text, wrong), path, wrong.line)


def _find_problem(text: str, mention: _Mention) -> str:
    _, label, pieces, written = mention
    inside = all(start < end <= len(text) for start, end in pieces)
    there = " ".join(text[start:end] for start, end in pieces)
    if inside and (not written or _squeeze(there) == _squeeze(written)):
        return ""
    offsets = ";".join(f"{start} {end}" for start, end in pieces)
    found = f"the text there is {there!r}" if inside else f"the text has {len(text)} characters"
    remedy = _find_remedy(text, mention)
    return f"expected the mention {written!r} ({label}) at {offsets}, but {found}. {remedy}"


def _find_remedy(text: str, mention: _Mention) -> str:
    start, end, written = mention.pieces[0][0], mention.pieces[-1][1], mention.written
    if written and text[start : end + 1] == written:
        return "The offsets look end-inclusive: add 1 to each end."
    in_utf16 = text.encode("utf-16-le")[2 * start : 2 * end]
    if written and in_utf16 == written.encode("utf-16-le"):
        return "The offsets look counted in UTF-16: count characters."
    return "Correct the offsets or the mention."


def _squeeze(text: str) -> str:
    # Line ends are blanks in mentions, and there are blanks between pieces.
    return "".join(text.split())


def _make_record(text: str, mentions: list[_Mention], path: Path) -> Record:
    body = text.removeprefix(BYTE_ORDER_MARK)
    shift = len(text) - len(body)
    spans: list[Span] = []
    record = Record(body, spans, path, 1)
    for line, label, pieces, _ in mentions:
        pieces = sorted((max(start - shift, 0), end - shift) for start, end in pieces)
        span = (pieces[0][0], pieces[-1][1], label)
        record.span_lines[span] = line
        if any(body[one[1] : other[0]].strip() for one, other in pairwise(pieces)):
            record.note_span(DISCONTINUOUS, span)
            record.unknown += pieces
        else:
            spans.append(span)
    return record


def _write_lines(doc: Doc, predictions: Predictions | None) -> Iterator[str]:
    for number, ent in enumerate(doc.ents, 1):
        if len(ent.label_.split()) != 1:
            raise ValueError(f"brat's types have no white space, unlike {ent.label_!r}. Rename it.")
        pieces = list(_PIECE.finditer(doc.text, ent.start_char, ent.end_char))
        offsets = ";".join(f"{piece.start()} {piece.end()}" for piece in pieces)
        yield f"T{number}\t{ent.label_} {offsets}\t{' '.join(piece[0] for piece in pieces)}"
        confidence = predictions.confidence(ent) if predictions else None
        if predictions and confidence is not None:
            yield f"#{number}\tAnnotatorNotes T{number}\t{confidence:.4f} ({predictions.model})"


FORMAT = Format(
    name="brat",
    about="brat's standoff files",
    suffix="",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, TOKENS}),
    has_confidences=True,
)
