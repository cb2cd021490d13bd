"""Tag sets against what the schemes say, enumerated."""

from itertools import product

import numpy as np
import pytest

from spacy_crf_ner.tags import SCHEMES, TagSet


def test_tags_of_the_schemes():
    assert TagSet(("A", "B"), "BIO").tags == ("O", "B-A", "I-A", "B-B", "I-B")
    bioes = TagSet(("A", "B"), "BIOES")
    assert bioes.tags == ("O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B", "E-B", "S-B")
    assert [bioes.ids[tag] for tag in bioes.tags] == list(range(len(bioes))) == list(range(9))


def test_new_labels_keep_the_ids_of_the_old():
    for scheme in SCHEMES:
        small, large = TagSet(("A",), scheme), TagSet(("A", "B"), scheme)
        assert large.tags[: len(small)] == small.tags


def may_follow(scheme, first, second):
    """The rule, written out once more by hand. None stands for the rim of the text."""
    prefix = second[0] if second else None
    if first is None or first[0] in "OES" or (scheme == "BIO" and prefix not in ("I", "E")):
        return prefix not in ("I", "E")
    return prefix in ("I", "E") and first[2:] == second[2:]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_legal_transitions(scheme):
    tag_set = TagSet(("A", "B"), scheme)
    for i, first in enumerate(tag_set.tags):
        assert tag_set.legal_starts[i] == may_follow(scheme, None, first), first
        assert tag_set.legal_ends[i] == may_follow(scheme, first, None), first
        for j, second in enumerate(tag_set.tags):
            assert tag_set.legal_transitions[i, j] == may_follow(scheme, first, second), (
                first,
                second,
            )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_legal_tag_sequence_is_one_set_of_spans(scheme):
    tag_set = TagSet(("A-B", "C"), scheme)
    counts, spans_seen = {}, set()
    for length in range(5):
        for tags in product(range(len(tag_set)), repeat=length):
            try:
                spans = tag_set.to_spans(tags)
            except ValueError:
                continue
            assert tag_set.from_spans(spans, length) == list(tags)
            spans_seen.add((length, *spans))
            counts[length] = counts.get(length, 0) + 1
    # f(n) = f(n - 1) + 2 labels * sum of f(k) for k < n: a token is O or ends an entity.
    assert counts == {0: 1, 1: 3, 2: 11, 3: 41, 4: 153}
    assert len(spans_seen) == sum(counts.values())


def test_hyphens_in_labels():
    tag_set = TagSet(("B-cell", "I-"), "BIOES")
    tags = tag_set.from_spans([(0, 2, "B-cell"), (2, 3, "I-")], 3)
    assert [tag_set.tags[tag] for tag in tags] == ["B-B-cell", "E-B-cell", "S-I-"]
    assert tag_set.to_spans(tags) == [(0, 2, "B-cell"), (2, 3, "I-")]


@pytest.mark.parametrize("spans", [[(0, 0, "A")], [(1, 4, "A")], [(0, 2, "A"), (1, 3, "A")]])
def test_bad_spans_are_refused(spans):
    with pytest.raises(ValueError, match="empty, overlaps another or lies outside"):
        TagSet(("A",)).from_spans(spans, 3)


def test_bad_tag_sets_are_refused():
    with pytest.raises(ValueError, match="'BIOX': expected one of BIO, BIOES"):
        TagSet(("A",), "BIOX")
    for labels in (("A", "A"), ("",)):
        with pytest.raises(ValueError, match="non-empty and unique"):
            TagSet(labels)


def test_no_labels_leave_only_outside():
    tag_set = TagSet(())
    assert tag_set.tags == ("O",)
    assert tag_set.to_spans(np.zeros(3, dtype="i8")) == []
