"""Removing annotation, for the experiment with partial annotation."""

import random

from spacy.tokens import Doc
from spacy.vocab import Vocab

from benchmarks.partial import remove_entities

ENTS = ["B-A", "I-A", "O", "B-A", "O", "B-A"]


def iob_after(share, *, missing, seed=0):
    doc = Doc(Vocab(), words=list("abcdef"), ents=ENTS)
    remove_entities(doc, share, random.Random(seed), missing=missing)
    return [token.ent_iob_ for token in doc]


def test_all_or_nothing():
    assert iob_after(0.0, missing=True) == ["B", "I", "O", "B", "O", "B"]
    assert iob_after(1.0, missing=True) == ["", "", "O", "", "O", ""]
    assert iob_after(1.0, missing=False) == ["O"] * 6


def test_the_same_entities_are_removed_either_way():
    for seed in range(10):
        missing, outside = (iob_after(0.5, missing=m, seed=seed) for m in (True, False))
        assert [tag or "O" for tag in missing] == outside
    assert len({tuple(iob_after(0.5, missing=True, seed=seed)) for seed in range(10)}) > 2
