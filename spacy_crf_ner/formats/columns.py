"""Column files: one token per line, with the token first and the tag last. A blank line ends a
sentence, and a `-DOCSTART-` line starts a document. The tag scheme is detected from the tags.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..tags import OUTSIDE, Span
from ..util import CorpusError
from .record import BLANK_TOKEN, ILLEGAL_TAGS, Record

# The tags' letters for the first, an inner, the last and the only token of an entity. A corpus has
# the first scheme that has all of its letters.
SCHEMES: dict[str, str] = {"BIO": "BIIB", "BIOES": "BIES", "BMES": "BMES", "BILUO": "BILU"}
# IOB1 has BIO's letters, but B only if an entity directly follows another of the same label.
IOB1 = "IOB1"
_ALWAYS_OPENS = "BSU"
_CLOSES = "ESLU"

DOCSTART = "-DOCSTART-"
# Not str.split(), which would split at an ideographic space, although that is a token.
_SEPARATOR = re.compile(r" *\t *| +")


@dataclass
class Sentence:
    """Tokens and their tags as in a file: one per line, starting at `line`."""

    path: str | Path
    line: int
    tokens: list[str]
    tags: list[str]


def count_docstarts(lines: Iterable[str]) -> int:
    """Count the lines that mark the start of a document.

    lines (Iterable[str]): The lines of a file.
    RETURNS (int): The number of `-DOCSTART-` lines.
    """
    return sum(line.startswith(DOCSTART) for line in lines)


def read_sentences(path: str | Path, lines: list[str]) -> Iterator[Sentence]:
    """Read the sentences of a column file.

    path (str | Path): The file, for errors and notes.
    lines (list[str]): Its lines.
    YIELDS (Sentence): The sentences. White space as a token in the file is an empty token here.
    RAISES: CorpusError if a line has fewer than two columns, or not as many as the first.
    """
    width = 0
    sentence = Sentence(path, 1, [], [])
    for number, line in enumerate(lines, 1):
        line = line.rstrip(" \t")
        if not line or line.startswith(DOCSTART):
            if sentence.tokens:
                yield sentence
            sentence = Sentence(path, number + 1, [], [])
            continue
        columns = _SEPARATOR.split(line)
        width = width or len(columns)
        if len(columns) < 2:
            raise CorpusError(
                f"expected at least 2 columns, the token first and the tag last, got {line!r}. Add "
                "the missing column, or use `spacy crf annotate` for text without tags.",
                path,
                number,
            )
        if len(columns) != width:
            raise CorpusError(
                f"expected {width} columns as in the first line of data, got {len(columns)}: "
                f"{line!r}. Add or remove columns, so that all lines have the same number.",
                path,
                number,
            )
        sentence.tokens.append(columns[0])
        sentence.tags.append(columns[-1])
    if sentence.tokens:
        yield sentence


def find_scheme(sentences: list[Sentence]) -> str:
    """Detect the tag scheme of a corpus.

    sentences (list[Sentence]): All sentences of the corpus.
    RETURNS (str): "BIO", "IOB1", "BIOES", "BMES" or "BILUO".
    RAISES: CorpusError if no scheme fits all tags.
    """
    counts = Counter(tag for sentence in sentences for tag in sentence.tags)
    fitting = {
        scheme: {tag for tag in counts if _fits(tag, letters)}
        for scheme, letters in SCHEMES.items()
    }
    scheme = max(fitting, key=lambda scheme: sum(counts[tag] for tag in fitting[scheme]))
    for sentence in sentences:
        for i, tag in enumerate(sentence.tags):
            if tag not in fitting[scheme]:
                letters = " ".join(f"{letter}-" for letter in dict.fromkeys(SCHEMES[scheme]))
                raise CorpusError(
                    f"the tag {tag!r} belongs to no known tag scheme; the closest is {scheme} "
                    f"({letters} O). Known: BIO (IOB2), IOB1, BIOES (IOBES), BMES, BILUO. Correct "
                    "the tag, and check that the tag is the last column.",
                    sentence.path,
                    sentence.line + i,
                )
    return IOB1 if scheme == "BIO" and _is_iob1(sentences) else scheme


def to_record(sentence: Sentence, scheme: str) -> Record:
    """Read the spans of a sentence from its tags.

    Entities are read as conlleval does (Tjong Kim Sang and Buchholz 2000): each tag except O is
    part of an entity, whatever precedes it. Entities with tags that the scheme does not allow are
    noted.

    sentence (Sentence): The sentence.
    scheme (str): Its tag scheme.
    RETURNS (Record): The record.
    """
    tokens = [token or " " for token in sentence.tokens]
    spans = _read_spans(sentence.tags)
    record = Record(tokens, spans, sentence.path, sentence.line)
    for i, token in enumerate(sentence.tokens):
        if not token:
            record.note(BLANK_TOKEN, f"tagged {sentence.tags[i]}", i)
    if scheme != IOB1:
        for start, end, label in spans:
            tags = sentence.tags[start:end]
            if tags != _write_tags(label, end - start, scheme):
                entity = record.show((start, end, label))
                record.note(ILLEGAL_TAGS, f"{' '.join(tags)} read as {entity}", start)
    return record


def _fits(tag: str, letters: str) -> bool:
    letter, label = _split(tag)
    return tag == OUTSIDE or (len(letter) == 1 and letter in letters and label != "")


def _split(tag: str) -> tuple[str, str]:
    # Only at the first hyphen: labels may contain more of them.
    letter, _, label = tag.partition("-")
    return letter, label


def _is_iob1(sentences: list[Sentence]) -> bool:
    return all(
        i > 0 and _split(sentence.tags[i - 1])[1] == _split(tag)[1]
        for sentence in sentences
        for i, tag in enumerate(sentence.tags)
        if tag.startswith("B-")
    ) and any(tag != OUTSIDE for sentence in sentences for tag in sentence.tags)


def _read_spans(tags: list[str]) -> list[Span]:
    spans: list[Span] = []
    open_label = ""
    for i, tag in enumerate(tags):
        letter, label = _split(tag)
        if label and label == open_label and letter not in _ALWAYS_OPENS:
            spans[-1] = (spans[-1][0], i + 1, label)
        elif label:
            spans.append((i, i + 1, label))
        open_label = "" if letter in _CLOSES else label
    return spans


def _write_tags(label: str, length: int, scheme: str) -> list[str]:
    first, inner, last, only = tuple(SCHEMES[scheme])
    letters = only if length == 1 else first + inner * (length - 2) + last
    return [f"{letter}-{label}" for letter in letters]
