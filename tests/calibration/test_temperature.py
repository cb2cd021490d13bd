"""The temperature against its formula, and which spans it is fitted to."""

from itertools import pairwise

import numpy as np
import pytest
from single_tokens import TAG_SET, make_batch
from util import make_examples, make_trained

from spacy_crf_ner.calibration.gold import judge, read_batches
from spacy_crf_ner.calibration.temperature import (
    LOWEST,
    NEAR_LIKELIHOOD,
    NEAR_ONE,
    fit_temperature,
    most_likely_temperature,
    split_overlaps,
)
from spacy_crf_ner.pipeline.decoding import Entity
from spacy_crf_ner.pipeline.partial import keep_annotated_labels


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def draw(n, temperature, seed=0):
    """Scores, and entities that are as frequent as the scores say at a temperature."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(0.0, 4.0, n)
    return scores, generator.random(n) < sigmoid(scores / temperature)


def test_it_is_the_best_of_all():
    scores, is_gold = draw(300, 1.7)

    def log_loss(temperature, which):
        p = sigmoid(scores / temperature)[which]
        return -np.log(np.where(is_gold[which], p, 1 - p)).sum()

    def unlikelihood(temperature):
        # Of documents with one token, all of which count.
        return log_loss(temperature, slice(None)) + NEAR_ONE * np.log(temperature) ** 2

    def loss(temperature):
        distance = np.log(temperature / likely)
        return log_loss(temperature, sigmoid(scores) >= LOWEST) + NEAR_LIKELIHOOD * distance**2

    batches = [make_batch(scores[:100], is_gold[:100]), make_batch(scores[100:], is_gold[100:])]
    likely = min(np.arange(0.5, 4.0, 0.005), key=unlikelihood)
    assert most_likely_temperature(batches, TAG_SET) == pytest.approx(likely, rel=0.01)
    expected = min(np.arange(0.5, 4.0, 0.005), key=loss)
    assert fit_temperature(batches, TAG_SET) == pytest.approx(expected, rel=0.01)


def test_a_known_temperature_is_found():
    for temperature in (0.8, 2.0):
        batch = make_batch(*draw(5000, temperature))
        assert fit_temperature([batch], TAG_SET) == pytest.approx(temperature, rel=0.1)


def test_a_few_errors_do_not_lead_to_an_extreme_one():
    few = fit_temperature([make_batch([6.0, 6.0], [True, False])], TAG_SET)
    many = fit_temperature([make_batch([6.0, 6.0] * 100, [True, False] * 100)], TAG_SET)
    assert 1 < few < 3 < many


def test_without_probable_spans_it_is_the_most_likely_one():
    batch = make_batch([-9.0] * 3, [True, False, False])
    likely = most_likely_temperature([batch], TAG_SET)
    assert likely > 1.1
    assert fit_temperature([batch], TAG_SET) == pytest.approx(likely, rel=0.01)


def test_groups_have_no_overlaps():
    spans = [(0, 3, "A"), (0, 1, "A"), (1, 2, "B"), (2, 4, "A"), (4, 5, "A")]
    groups = split_overlaps(spans)
    assert sorted(span for group in groups for span in group) == sorted(spans)
    assert len(groups) == 2
    for group in groups:
        assert all(one[1] <= other[0] for one, other in pairwise(group))
    assert split_overlaps([]) == []


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_what_is_not_annotated_is_neither_right_nor_wrong(scheme):
    nlp = make_trained(1, tag_scheme=scheme)
    pipe = nlp.get_pipe("crf_ner")
    # "王明" is a PER. Nothing is known about "在北京", and "工作" is outside.
    (eg,) = make_examples(nlp, [("王明在北京工作", [(0, 2, "PER")])])
    eg.reference.set_ents(list(eg.reference.ents), missing=[eg.reference[2:5]], default="outside")
    spans = {
        (0, 2, "PER"): True,
        (0, 1, "PER"): False,
        (0, 2, "LOC"): False,
        (0, 3, "PER"): False,
        (3, 5, "LOC"): None,
        (4, 6, "LOC"): False,
        (5, 7, "LOC"): False,
    }
    (batch,) = read_batches(pipe, [[eg]])
    assert batch.gold == [{(0, 2, "PER")}]
    found = judge(batch, [[Entity(*span) for span in spans]], pipe.tag_set)
    assert dict(zip(spans, found[0])) == spans


def test_labels_that_are_not_annotated():
    nlp = make_trained(1)
    pipe = nlp.get_pipe("crf_ner")
    (eg,) = make_examples(nlp, [("王明在北京工作", [(0, 2, "PER")])])
    keep_annotated_labels(eg.reference, ["PER"])
    (batch,) = read_batches(pipe, [[eg]])
    spans = [Entity(3, 5, "LOC"), Entity(3, 5, "PER"), Entity(0, 2, "LOC")]
    assert judge(batch, [spans], pipe.tag_set) == [[None, False, False]]
