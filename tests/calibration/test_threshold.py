"""The threshold against all sets of spans."""

from itertools import combinations

import numpy as np
import pytest
from single_tokens import TAG_SET, make_batch

from spacy_crf_ner.calibration.temperature import LOWEST
from spacy_crf_ner.calibration.threshold import (
    N_EQUAL,
    choose,
    fit_threshold,
    maximize_expected_f1,
)
from spacy_crf_ner.pipeline.decoding import Entity


def expected_f1(spans, n_expected):
    return 2 * sum(span.confidence for span in spans) / (len(spans) + n_expected)


def subsets(spans):
    """All sets of spans that do not overlap."""
    for n in range(len(spans) + 1):
        for chosen in combinations(spans, n):
            if all(a.end <= b.start or b.end <= a.start for a, b in combinations(chosen, 2)):
                yield chosen


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decoding", ["entities", "viterbi"])
def test_no_set_has_a_higher_expected_f1(seed, decoding):
    generator = np.random.default_rng(seed)
    length = 1 if decoding == "viterbi" else 2
    spans = [
        Entity(i, i + length, "A", float(p) / length)
        for i, p in enumerate(generator.uniform(0.1, 1.0, 9))
    ]
    n_expected = sum(span.confidence for span in spans) + 0.5
    best = max(expected_f1(chosen, n_expected) for chosen in subsets(spans))
    threshold, f1 = maximize_expected_f1([spans], n_expected, decoding)
    assert f1 == pytest.approx(best, abs=1e-3)
    assert threshold == max(f1 / 2, LOWEST)
    chosen = choose(spans, threshold, decoding)
    assert expected_f1(chosen, n_expected) == pytest.approx(best, abs=1e-3)


def test_nothing_is_found():
    assert maximize_expected_f1([[], []], 0.0, "entities") == (LOWEST, 0.0)
    assert maximize_expected_f1([], 2.0, "entities") == (LOWEST, 0.0)


def fit(n):
    """A corpus where half of the entities found are wrong, which the probabilities do not say."""
    batch = make_batch([3.0] * n + [3.0] * n + [-9.0] * n, [True] * n + [False] * n + [True] * n)
    return fit_threshold([batch], TAG_SET, "entities", 1.0)


def test_real_f1_counts_more_with_more_entities():
    for n in (1, 20, 2000):
        fitted = fit(n)
        assert fitted.f1 == pytest.approx(0.5)
        assert fitted.expected_f1 > 0.9
        weight = 2 * n / (2 * n + N_EQUAL)
        mean = weight * fitted.f1 + (1 - weight) * fitted.expected_f1
        assert fitted.threshold == pytest.approx(mean / 2)
    assert fit(1).threshold > 0.45
    assert fit(2000).threshold < 0.27


def test_unknown_spans_do_not_count():
    batch = make_batch([3.0, 3.0], [True, False])
    assert fit_threshold([batch], TAG_SET, "entities", 1.0).f1 == pytest.approx(2 / 3)
    batch.possible[1][:] = True
    assert fit_threshold([batch], TAG_SET, "entities", 1.0).f1 == 1.0
