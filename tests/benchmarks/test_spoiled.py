"""Errors that the benchmark of `crf audit` puts into annotation, and how many of them are found."""

import random

from spacy.tokens import Doc
from spacy.vocab import Vocab

from benchmarks.audit import recall, spoil


def make_doc():
    ents = ["B-A", "I-A", "O", "B-B", "I-B", "O", "B-A", "O", "O"]
    return Doc(Vocab(), words=list("abcdefghi"), ents=ents)


def spans_of(doc):
    return {(ent.start, ent.end, ent.label_) for ent in doc.ents}


def test_all_or_nothing():
    docs = [make_doc() for _ in range(50)]
    same, errors = spoil(docs, 0.0, random.Random(0))
    assert errors == []
    assert [spans_of(doc) for doc in same] == [spans_of(doc) for doc in docs]
    spoiled, errors = spoil(docs, 1.0, random.Random(0))
    assert all(spans_of(doc) != spans_of(make_doc()) for doc in spoiled)
    assert all(spans_of(doc) == spans_of(make_doc()) for doc in docs)
    kinds = set()
    for number, doc in enumerate(spoiled):
        for start, end, label in spans_of(make_doc()) - spans_of(doc):
            assert any(n == number and a <= start and end <= b for n, a, b in errors)
            now = [span for span in spans_of(doc) if span[0] < end + 1 and start - 1 < span[1]]
            kinds.add(
                "label"
                if any(span[:2] == (start, end) for span in now)
                else "shifted"
                if any(span[2] == label for span in now)
                else "dropped"
            )
    assert kinds == {"label", "shifted", "dropped"}


def test_recall():
    errors = [(0, 2, 4), (0, 7, 8), (1, 0, 3)]
    assert recall(errors, []) == 0
    assert recall(errors, [(0, 3, 6), (1, 3, 5)]) == 1 / 3
    assert recall(errors, [(0, 0, 9), (1, 2, 3)]) == 1
    assert recall([], [(0, 0, 9)]) == 0
