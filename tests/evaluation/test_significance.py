"""Differences between two models against all permutations, and a naive loop."""

import itertools

import numpy as np
import pytest

from spacy_crf_ner.evaluation.intervals import Counts, f1_intervals, macro_f1, micro_f1
from spacy_crf_ner.evaluation.significance import compare


def two_models(n_docs=40, better=0.0, seed=0):
    """Counts of two models in the same documents. The first finds this share more."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(1, 4, size=(n_docs, 2))
    for share in (0.5 + better, 0.5):
        correct = rng.binomial(gold, share)
        values = np.stack([correct, correct + rng.integers(2, size=gold.shape), gold], axis=-1)
        yield Counts(["LOC", "PER"], values.astype(float))


def difference(first, second, score):
    return score(sum(first)) - score(sum(second))


def test_the_better_model_is_found():
    first, second = two_models(better=0.3)
    micro, macro = compare(first, second)
    assert micro.value == pytest.approx(difference(first.values, second.values, micro_f1))
    assert macro.value == pytest.approx(difference(first.values, second.values, macro_f1))
    for each in (micro, macro):
        low, high = each.interval
        assert 0 < low < each.value < high
        assert each.p_value < 0.01


def test_the_other_way_round_it_is_as_far_below():
    first, second = two_models(better=0.3)
    micro, turned = compare(first, second).micro, compare(second, first).micro
    assert turned.value == -micro.value
    assert turned.interval == pytest.approx((-micro.interval[1], -micro.interval[0]))
    assert turned.p_value == pytest.approx(micro.p_value, abs=0.01)


def test_a_model_does_not_differ_from_itself():
    first, _ = two_models()
    assert compare(first, first) == ((0, (0, 0), 1), (0, (0, 0), 1))


def test_p_is_the_share_of_permutations_with_such_a_difference():
    first, second = two_models(10, better=0.1, seed=3)
    found = compare(first, second)
    for each, score in ((found.micro, micro_f1), (found.macro, macro_f1)):
        values = []
        for swaps in itertools.product((False, True), repeat=10):
            swap = np.array(swaps)[:, None, None]
            permuted = [np.where(swap, *pair) for pair in _both_ways(first.values, second.values)]
            values.append(abs(difference(*permuted, score)))
        share = np.mean(np.array(values) >= abs(each.value) - 1e-12)
        assert 0.1 < share < 0.9
        assert each.p_value == pytest.approx(share, abs=0.02)


def _both_ways(first, second):
    return (second, first), (first, second)


def test_the_interval_is_of_the_same_documents_for_both():
    first, second = two_models(12)
    rng = np.random.default_rng(7)
    values = []
    for _ in range(50):
        draw = rng.integers(12, size=12)
        values.append(difference(first.values[draw], second.values[draw], micro_f1))
    found = compare(first, second, n_samples=50, level=0.8, seed=7).micro
    assert found.interval == pytest.approx(np.percentile(values, [10, 90]))
    # A model that differs in one document: far more certain than its own score.
    changed = Counts(first.labels, first.values.copy())
    changed.values[0, 0, 1] += 1
    low, high = compare(first, changed).micro.interval
    own_low, own_high = f1_intervals(first).micro
    assert high - low < (own_high - own_low) / 5


def test_the_same_seed_gives_the_same():
    first, second = two_models()
    assert compare(first, second) == compare(first, second)
    assert compare(first, second) != compare(first, second, seed=1)


def test_models_may_find_other_labels():
    first, second = two_models()
    more = np.concatenate([np.zeros((40, 1, 3)), second.values], axis=1)
    more[0, 0] = 0, 1, 0
    other = Counts(["BOOK", *second.labels], more)
    found = compare(first, other)
    # A label that only the second predicts is in its mean, with F1 0, and not in that of the first.
    expected = macro_f1(first.values.sum(axis=0)) - macro_f1(second.values.sum(axis=0)) * 2 / 3
    assert found.macro.value == pytest.approx(expected)


def test_what_cannot_be_compared():
    first, second = two_models()
    for other in (Counts(first.labels, first.values[1:]), next(two_models(seed=1))):
        with pytest.raises(ValueError, match="same documents"):
            compare(second, other)
    empty = Counts([], np.zeros((2, 0, 3)))
    with pytest.raises(ValueError, match="nothing to compare"):
        compare(empty, empty)
