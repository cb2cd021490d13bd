"""Entities with their probabilities, and the loss of what is known of them, by enumeration."""

import math
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from enumeration import make_potentials

from spacy_crf_ner.crf import best_tags
from spacy_crf_ner.pipeline.constraints import constrain
from spacy_crf_ner.pipeline.decoding import (
    Entity,
    add_confidences,
    best_entities,
    probable_spans,
    split_tags,
)
from spacy_crf_ner.pipeline.gold import IncorrectSpan
from spacy_crf_ner.pipeline.loss import negative_log_likelihood
from spacy_crf_ner.tags import MISSING, TagSet

LENGTHS = [4, 0, 1, 3]
TAG_SETS = [TagSet(("A",), "BIOES"), TagSet(("A", "B"), "BIO")]


def enumerate_entities(potentials, tag_set):
    """For each sequence {(tags, spans): probability} of all legal tag sequences."""
    first = 0
    for length in potentials.lengths.tolist():
        scores = {}
        for path in product(range(len(tag_set)), repeat=length):
            try:
                spans = tuple(tag_set.to_spans(path))
            except ValueError:
                continue
            score = sum(potentials.emissions[first + i, t].item() for i, t in enumerate(path))
            score += sum(potentials.transitions[a, b].item() for a, b in pairwise(path))
            if path:
                score += (potentials.start[path[0]] + potentials.end[path[-1]]).item()
            scores[path, spans] = score
        total = math.log(sum(map(math.exp, scores.values())))
        yield {key: math.exp(score - total) for key, score in scores.items()}
        first += length


@pytest.fixture(params=TAG_SETS, ids=lambda tag_set: tag_set.scheme)
def case(request):
    potentials = make_potentials(len(request.param), LENGTHS)
    return potentials, request.param, list(enumerate_entities(potentials, request.param))


def probability_of(span, tag_sequences):
    return sum(p for (_, spans), p in tag_sequences.items() if span in spans)


def test_confidences_of_the_best_tag_sequence(case):
    potentials, tag_set, tag_sequences = case
    legal = constrain(potentials, tag_set)
    tags = best_tags(legal)
    spans = split_tags(tags, legal.lengths, tag_set)
    assert any(spans)
    found = add_confidences(legal, tags, spans, tag_set)
    for entities, some in zip(found, tag_sequences):
        for entity in entities:
            expected = probability_of(tuple(entity[:3]), some)
            assert entity.confidence == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("threshold", [0.01, 0.2, 1.0])
def test_probable_spans(case, threshold):
    potentials, tag_set, tag_sequences = case
    found = probable_spans(constrain(potentials, tag_set), tag_set, threshold)
    for entities, some in zip(found, tag_sequences):
        spans = {span for _, spans in some for span in spans}
        expected = {span: probability_of(span, some) for span in spans}
        expected = {span: p for span, p in expected.items() if p >= threshold}
        assert [tuple(entity[:3]) for entity in entities] == sorted(expected)
        for entity in entities:
            assert entity.confidence == pytest.approx(expected[tuple(entity[:3])], abs=1e-9)


def test_probable_spans_need_a_threshold(case):
    potentials, tag_set, _ = case
    for threshold in (0, 1.5):
        with pytest.raises(ValueError, match="threshold must be greater than 0"):
            probable_spans(constrain(potentials, tag_set), tag_set, threshold)


def possible(known, tag_set):
    """The tags that each token may have."""
    return (known[:, None] == np.arange(len(tag_set))) | (known == MISSING)[:, None]


def test_loss_of_partial_annotation(case):
    """The probability of all tag sequences that agree with the known tags."""
    potentials, tag_set, tag_sequences = case
    known = np.full(sum(LENGTHS), MISSING)
    known[1] = 0
    known[4] = tag_set.from_spans([(0, 1, "A")], 1)[0]
    expected = 0.0
    for first, some in zip((0, 4, 4, 5), tag_sequences):
        agree = [
            p
            for (path, _), p in some.items()
            if all(known[first + i] in (MISSING, tag) for i, tag in enumerate(path))
        ]
        expected -= math.log(sum(agree))
    loss = negative_log_likelihood(potentials, possible(known, tag_set), tag_set)
    assert loss.sum().item() == pytest.approx(expected, abs=1e-9)


def test_loss_of_spans_that_are_no_entities(case):
    potentials, tag_set, tag_sequences = case
    known = np.full(sum(LENGTHS), MISSING)
    spans = [(0, (1, 3, "A")), (0, (0, 1, "A")), (2, (0, 1, "A")), (3, (2, 3, "A"))]
    incorrect = [IncorrectSpan(b, *span) for b, span in spans]
    expected = -sum(math.log(1 - probability_of(span, tag_sequences[b])) for b, span in spans)
    loss = negative_log_likelihood(potentials, possible(known, tag_set), tag_set, incorrect)
    assert loss.sum().item() == pytest.approx(expected, abs=1e-9)


def test_gradient_of_all_that_may_be_known(case):
    potentials, tag_set, _ = case
    known = np.array([MISSING, 0, MISSING, 0, 0, MISSING, 0, MISSING])
    incorrect = [IncorrectSpan(0, 2, 3, "A"), IncorrectSpan(3, 0, 1, "A")]

    def loss(emissions, start, transitions, end):
        p = type(potentials)(emissions, potentials.lengths, start, transitions, end)
        return negative_log_likelihood(p, possible(known, tag_set), tag_set, incorrect)

    p = potentials.map(lambda scores: scores.requires_grad_())
    assert torch.autograd.gradcheck(loss, (p.emissions, p.start, p.transitions, p.end))


def test_a_span_that_is_certain_and_wrong_has_a_finite_loss():
    tag_set = TagSet(("A",))
    p = make_potentials(len(tag_set), [1]).map(torch.zeros_like)
    p.emissions[0, tag_set.ids["S-A"]] = 60.0
    p = p.map(lambda scores: scores.requires_grad_())
    incorrect = [IncorrectSpan(0, 0, 1, "A")]
    loss = negative_log_likelihood(p, np.ones((1, len(tag_set)), dtype=bool), tag_set, incorrect)
    assert 10 < loss.sum().item() < 100


def test_entities_are_plain_tuples():
    assert Entity(0, 1, "A") == (0, 1, "A", None)


@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.2, 0.4, 0.6])
def test_best_entities(case, threshold):
    """Of all sets of spans without overlaps that with the most probability above the threshold."""
    potentials, tag_set, tag_sequences = case
    found = best_entities(constrain(potentials, tag_set), tag_set, threshold)

    def worth(spans, some):
        return sum(probability_of(span, some) - threshold for span in spans)

    for entities, some in zip(found, tag_sequences):
        best = max({spans for _, spans in some}, key=lambda spans: worth(spans, some))
        assert [tuple(entity[:3]) for entity in entities] == list(best)
        for entity in entities:
            assert entity.confidence == pytest.approx(probability_of(entity[:3], some), abs=1e-9)
    if threshold == 0.1:
        assert max(map(len, found)) > 1


def test_best_entities_are_not_those_of_the_best_tag_sequence():
    """What is probable in many tag sequences may be in none of the most probable one."""
    tag_set = TagSet(("A", "B"), "BIOES")
    names = ["O", "S-A", "S-B"]
    emissions = torch.full((1, len(tag_set)), -50.0)
    for name, probability in zip(names, (0.4, 0.35, 0.25)):
        emissions[0, tag_set.tags.index(name)] = math.log(probability)
    potentials = make_potentials(len(tag_set), [1])
    potentials = replace(potentials.map(torch.zeros_like), emissions=emissions)
    legal = constrain(potentials, tag_set)
    assert not tag_set.to_spans(best_tags(legal).numpy())
    (entities,) = best_entities(legal, tag_set, 0.3)
    assert [tuple(entity[:3]) for entity in entities] == [(0, 1, "A")]
