"""A sentence of a WebAnno TSV file: from the offsets of its tokens to a record."""

from dataclasses import dataclass, field
from typing import NamedTuple

from ..tags import Span
from ..util import CorpusError
from .record import Record
from .source import Source
from .webanno_text import unescape


class Token(NamedTuple):
    """A token as in the file.

    line (int): Its line.
    start (int): Its first UTF-16 unit.
    end (int): The one after its last.
    form (str): The token, maybe escaped.
    """

    line: int
    start: int
    end: int
    form: str


@dataclass
class Sentence:
    """A sentence as in the file.

    texts (list[str]): The lines of its text.
    tokens (list[Token]): Its tokens.
    """

    texts: list[str] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)


class Made(NamedTuple):
    """What a sentence is made into.

    record (Record): The record.
    positions (list[int]): The position in the record of each token of the file.
    spans (list[Span]): The spans of the record, still to be filled.
    """

    record: Record
    positions: list[int]
    spans: list[Span]


def to_record(source: Source, sentence: Sentence) -> Made:
    """Make a record of a sentence. White space between tokens is in its spaces or is a token.

    source (Source): The file.
    sentence (Sentence): The sentence, with at least one token.
    RETURNS (Made): The record, still without spans.
    RAISES: CorpusError if a token is not at its offsets.
    """
    text = "\n".join(sentence.texts)
    units = text.encode("utf-16-le")
    tokens: list[str] = []
    spaces: list[bool] = []
    lines: list[int] = []
    positions = []
    first = sentence.tokens[0].start
    done = 0
    for line, start, end, form in sentence.tokens:
        start, end = start - first, end - first
        token = _decode(units, start, end)
        if start < done or not token or token not in (form, unescape(form)):
            raise _wrong_offsets(source, line, form, token, text[start:end])
        gap = _decode(units, done, start)
        if gap.strip():
            raise CorpusError(
                f"{gap!r} before {form!r} is in no token. Add one.", source.path, line
            )
        # As spaCy does: one space belongs to the token before, and the rest is a token.
        if tokens and gap.startswith(" "):
            spaces[-1], gap = True, gap[1:]
        for each in filter(None, (gap, token)):
            tokens.append(each)
            spaces.append(False)
            lines.append(line)
        positions.append(len(tokens) - 1)
        done = end
    spaces[-1] = _decode(units, done, done + 1) == " "
    spans: list[Span] = []
    record = Record(tokens, spans, source.path, lines[0], lines=lines, spaces=spaces)
    return Made(record, positions, spans)


def _decode(units: bytes, start: int, end: int) -> str:
    return units[2 * start : 2 * end].decode("utf-16-le", "replace")


def _wrong_offsets(
    source: Source, line: int, form: str, found: str, by_characters: str
) -> CorpusError:
    hint = "Correct the offsets; those of the first token are where the sentence begins."
    if by_characters and by_characters in (form, unescape(form)):
        hint = "The offsets look counted in characters: count UTF-16 units."
    return CorpusError(
        f"expected {form!r} at its offsets, but the text there is {found!r}. {hint}",
        source.path,
        line,
    )
