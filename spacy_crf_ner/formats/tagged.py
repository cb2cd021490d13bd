"""Sentences with a tag for each token, and the tag schemes of corpora, detected from the tags."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spacy.tokens import Doc, Token

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
_TAG = re.compile(f"{OUTSIDE}|[{''.join(SCHEMES.values())}]-.+")


@dataclass
class Tagged:
    """Tokens and their tags as in a file. The tag scheme is that of the corpus, so these become
    records when all files are read.

    path (str | Path): The file.
    line (int): The line that they start in.
    tokens (list[str]): The tokens; white space is an empty token.
    tags (list[str]): Their tags.
    lines (Sequence[int] | None): The line of each token, if each has its own.
    spaces (list[bool] | None): Whether a space follows each token; None if that is not known.
    """

    path: str | Path
    line: int
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: Sequence[int] | None = None
    spaces: list[bool] | None = None


def find_scheme(sentences: list[Tagged]) -> str:
    """Detect the tag scheme of a corpus.

    sentences (list[Tagged]): All sentences of the corpus.
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
                    "the tag.",
                    sentence.path,
                    sentence.line if sentence.lines is None else sentence.lines[i],
                )
    return IOB1 if scheme == "BIO" and _is_iob1(sentences) else scheme


def to_record(sentence: Tagged, scheme: str) -> Record:
    """Read the spans of a sentence from its tags.

    Entities are read as conlleval does (Tjong Kim Sang and Buchholz 2000): each tag except O is
    part of an entity, whatever precedes it. Entities with tags that the scheme does not allow are
    noted.

    sentence (Tagged): The sentence.
    scheme (str): Its tag scheme.
    RETURNS (Record): The record.
    """
    tokens = [token or " " for token in sentence.tokens]
    spans = _read_spans(sentence.tags)
    record = Record(
        tokens,
        spans,
        sentence.path,
        sentence.line,
        lines=sentence.lines,
        spaces=sentence.spaces,
    )
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


def is_tag(value: str) -> bool:
    """Whether a value may be a tag of some scheme.

    value (str): The value.
    RETURNS (bool): Whether it is O, or a letter of a scheme, a hyphen and a label.
    """
    return bool(_TAG.fullmatch(value))


def tags_of(doc: Doc) -> list[str]:
    """The BIO tags of a doc, to be written.

    doc (Doc): The doc.
    RETURNS (list[str]): A tag for each token. Tokens without annotation are O.
    """
    tags = [OUTSIDE] * len(doc)
    for ent in doc.ents:
        tags[ent.start : ent.end] = _write_tags(ent.label_, len(ent), "BIO")
    return tags


def rows_of(doc: Doc) -> list[tuple[Token, str]]:
    """What files with a line per token have of a doc: such lines cannot hold white space.

    doc (Doc): The doc.
    RETURNS (list[tuple[Token, str]]): The tokens that are not white space, and their BIO tags.
        White space in labels becomes "_". Tokens without annotation are O.
    """
    tags = [OUTSIDE] * len(doc)
    for ent in doc.ents:
        tokens = [token.i for token in ent if not token.is_space]
        label = "_".join(ent.label_.split())
        for i, tag in zip(tokens, _write_tags(label, len(tokens), "BIO")):
            tags[i] = tag
    return [(token, tag) for token, tag in zip(doc, tags) if not token.is_space]


def _fits(tag: str, letters: str) -> bool:
    letter, label = _split(tag)
    return tag == OUTSIDE or (len(letter) == 1 and letter in letters and label != "")


def _split(tag: str) -> tuple[str, str]:
    # Only at the first hyphen: labels may contain more of them.
    letter, _, label = tag.partition("-")
    return letter, label


def _is_iob1(sentences: list[Tagged]) -> bool:
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
