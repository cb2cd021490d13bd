"""The CRF of a tagger, in NumPy, decodes as the pipeline's does."""

import numpy as np
import pytest
import torch
from exported import assert_same

from spacy_crf_ner.crf import Potentials
from spacy_crf_ner.export.decoding import Decoder, Layout
from spacy_crf_ner.pipeline.constraints import constrain
from spacy_crf_ner.pipeline.decoding import find_entities
from spacy_crf_ner.tags import TagSet

LENGTHS = np.array([17, 9, 9, 4, 2, 1, 1])


def make_decoder(legal, tag_set, decoding, threshold):
    settings = {"tags": tag_set.tags, "decoding": decoding, "threshold": threshold}
    arrays = {
        "start": legal.start.numpy(),
        "transitions": legal.transitions.numpy(),
        "end": legal.end.numpy(),
        "opens": tag_set.opens,
        "continues": tag_set.continues,
        "closes": tag_set.legal_ends,
    }
    return Decoder(settings, arrays)


# The last scores are so far apart that float64 cannot hold their probabilities.
@pytest.mark.parametrize("scale", [1.0, 5.0, 600.0])
@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@pytest.mark.parametrize(
    ("decoding", "threshold"), [("viterbi", 0.0), ("entities", 0.0), ("entities", 0.3)]
)
def test_entities_are_those_of_the_pipeline(scale, scheme, decoding, threshold):
    tag_set = TagSet(("A", "B"), scheme)
    generator = torch.Generator().manual_seed(0)
    n_tokens, n_tags = LENGTHS.sum(), len(tag_set)
    shapes = (n_tokens, n_tags), (n_tags,), (n_tags, n_tags), (n_tags,)
    emissions, start, transitions, end = (
        torch.randn(shape, generator=generator) * scale for shape in shapes
    )
    is_space = np.random.default_rng(0).random(n_tokens) < 0.2
    raw = Potentials(emissions, torch.from_numpy(LENGTHS), start, transitions, end)
    inner = ~tag_set.opens & ~(tag_set.continues & tag_set.legal_ends)
    allowed = ~is_space[:, None] | inner
    legal = constrain(raw, tag_set, allowed)
    expected = find_entities(legal, tag_set, decoding, threshold, with_confidence=True)
    decoder = make_decoder(legal, tag_set, decoding, threshold)
    found = decoder(emissions.numpy(), is_space, Layout(LENGTHS))
    assert sum(map(len, expected)) >= 5
    assert_same(found, expected, 1e-9)


def test_layout():
    layout = Layout(np.array([3, 2, 2]))
    assert layout.steps == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert layout.order["forward"].tolist() == [0, 3, 5, 1, 4, 6, 2]
    assert layout.order["backward"].tolist() == [2, 4, 6, 1, 3, 5, 0]
    assert layout.is_last.tolist() == [False, False, True, False, True, False, True]
