"""What a corpus is like: the balance of its labels, ambiguous mentions, duplicates and leakage."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from spacy.tokens import Doc

# What is annotated in a document: the first character, the one after the last, and the label.
_Annotation = tuple[tuple[int, int, str], ...]


class Size(NamedTuple):
    """How large a corpus is.

    documents (int): The number of documents.
    tokens (int): The number of tokens.
    entities (int): The number of entities.
    duplicates (int): The documents whose text an earlier one has too.
    """

    documents: int
    tokens: int
    entities: int
    duplicates: int


class Leakage(NamedTuple):
    """Documents that are in the training corpus as well.

    documents (int): The documents whose text is there.
    contradictions (int): Those of them that are annotated otherwise there.
    """

    documents: int
    contradictions: int


class Ambiguity(NamedTuple):
    """Mentions that have more than one label.

    texts (int): The number of different texts with an annotation.
    ambiguous (list[tuple[str, list[tuple[str, int]]]]): Those with several labels, each with its
        labels and how often it has them. The most ambiguous is first: the one that has other labels
        than its most frequent one most often.
    """

    texts: int
    ambiguous: list[tuple[str, list[tuple[str, int]]]]


def measure(docs: Sequence[Doc]) -> Size:
    """Measure a corpus.

    docs (Sequence[Doc]): Its documents.
    RETURNS (Size): How large it is.
    """
    texts = [doc.text for doc in docs]
    return Size(
        len(docs),
        sum(map(len, docs)),
        sum(len(doc.ents) for doc in docs),
        len(texts) - len(set(texts)),
    )


def count_labels(docs: Iterable[Doc]) -> Counter[str]:
    """Count the labels of a corpus.

    docs (Iterable[Doc]): Its documents.
    RETURNS (Counter[str]): How many entities have each label.
    """
    return Counter(ent.label_ for doc in docs for ent in doc.ents)


def find_ambiguity(docs: Iterable[Doc]) -> Ambiguity:
    """Find the mentions that have more than one label.

    docs (Iterable[Doc]): The documents.
    RETURNS (Ambiguity): The mentions.
    """
    labels: dict[str, Counter[str]] = {}
    for doc in docs:
        for ent in doc.ents:
            labels.setdefault(ent.text, Counter())[ent.label_] += 1
    several = {
        text: sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        for text, counts in labels.items()
        if len(counts) > 1
    }
    return Ambiguity(
        len(labels),
        sorted(several.items(), key=lambda item: (-sum(n for _, n in item[1][1:]), item[0])),
    )


def find_leakage(train: Iterable[Doc], test: Iterable[Doc]) -> Leakage:
    """Find documents that are in the training corpus as well.

    train (Iterable[Doc]): The training corpus.
    test (Iterable[Doc]): The other corpus.
    RETURNS (Leakage): How many there are.
    """
    known: dict[str, set[_Annotation]] = {}
    for doc in train:
        known.setdefault(doc.text, set()).add(_annotation(doc))
    leaked = [doc for doc in test if doc.text in known]
    return Leakage(len(leaked), sum(_annotation(doc) not in known[doc.text] for doc in leaked))


def _annotation(doc: Doc) -> _Annotation:
    return tuple((ent.start_char, ent.end_char, ent.label_) for ent in doc.ents)
