"""Which tag sequences are left, by enumeration."""

from itertools import product

import numpy as np
import pytest

from spacy_crf_ner.pipeline.constraints import require_span
from spacy_crf_ner.tags import SCHEMES, TagSet


def possible(tag_set, allowed):
    """The spans of all legal tag sequences that are allowed."""
    for tags in product(range(len(tag_set)), repeat=len(allowed)):
        if allowed[range(len(allowed)), tags].all():
            try:
                yield tag_set.to_spans(tags)
            except ValueError:
                continue  # not legal


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("span", [(0, 1), (0, 2), (1, 3), (2, 4), (3, 4)])
def test_a_required_span_is_in_all_that_is_left(scheme, span):
    tag_set = TagSet(("A",), scheme)
    everything = list(possible(tag_set, np.ones((4, len(tag_set)), dtype=bool)))
    allowed = np.ones((4, len(tag_set)), dtype=bool)
    require_span(allowed, tag_set, *span, "A")
    left = list(possible(tag_set, allowed))
    assert left == [spans for spans in everything if (*span, "A") in spans]
    assert 0 < len(left) < len(everything)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_span_of_an_unknown_label_is_outside(scheme):
    tag_set = TagSet(("A",), scheme)
    allowed = np.ones((3, len(tag_set)), dtype=bool)
    require_span(allowed, tag_set, 0, 2, None)
    assert sorted(possible(tag_set, allowed)) == [[], [(2, 3, "A")]]
