"""Random corpora with gold and predicted entities, for tests of scores."""

from itertools import pairwise

import spacy
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

LABELS = ("BOOK", "LOC", "PER")
VOCAB = spacy.blank("zh").vocab


@st.composite
def entities(draw, length):
    """Entities in so many tokens, none of which overlap."""
    cuts = sorted(draw(st.sets(st.integers(0, length), max_size=6)))
    labels = st.sampled_from((*LABELS, None))
    spans = [(start, end, draw(labels)) for start, end in pairwise(cuts)]
    return [span for span in spans if span[2]]


@st.composite
def documents(draw):
    """The number of tokens, the gold and the predicted entities. Both are often the same."""
    length = draw(st.integers(1, 9))
    gold = draw(entities(length))
    return length, gold, draw(st.one_of(st.just(gold), entities(length)))


CORPORA = st.lists(documents(), min_size=1, max_size=8)


def make_example(length, gold, found):
    """An example, from spans (start, end, label) of its tokens."""
    docs = [Doc(VOCAB, words=["字"] * length, spaces=[False] * length) for _ in range(2)]
    for doc, spans in zip(docs, (found, gold)):
        doc.set_ents([Span(doc, *span) for span in spans])
    return Example(*docs)
