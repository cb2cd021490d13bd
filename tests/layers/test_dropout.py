"""Dropout: the share of zeros, gradients, and when it does nothing."""

import numpy as np
import pytest
from thinc.api import Dropout as ThincDropout
from thinc.api import fix_random_seed, set_dropout_rate

from spacy_crf_ner.layers.dropout import Dropout

X = np.ones((300, 100), dtype="f")


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_the_rate_is_the_share_of_zeros_and_the_mean_stays(rate):
    fix_random_seed(0)
    Y, _ = Dropout(rate)(X, is_train=True)
    assert Y.dtype == "f"
    assert (Y == 0).mean() == pytest.approx(rate, abs=0.01)
    assert Y[Y > 0] == pytest.approx(1 / (1 - rate))
    assert Y.mean() == pytest.approx(1, abs=0.05)


def test_gradients_go_where_numbers_went():
    Y, backprop = Dropout(0.5)(X, is_train=True)
    assert np.array_equal(backprop(X), Y)


def test_the_seed_decides():
    model = Dropout(0.5)
    masks = []
    for seed in (0, 0, 1):
        fix_random_seed(seed)
        masks.append(model(X, is_train=True)[0])
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_nothing_is_dropped_in_prediction_without_a_rate_or_if_disabled():
    model = Dropout(0.5)
    assert np.array_equal(model.predict(X), X)
    model.attrs["is_enabled"] = False
    assert np.array_equal(model(X, is_train=True)[0], X)
    Y, backprop = Dropout(0.0)(X, is_train=True)
    assert np.array_equal(Y, X)
    assert np.array_equal(backprop(X), X)


def test_a_rate_of_1_drops_everything():
    Y, _ = Dropout(1.0)(X, is_train=True)
    assert not Y.any()


def test_it_is_interchangeable_with_thincs():
    model, thincs = Dropout(0.3), ThincDropout(0.3)
    assert (model.name, model.attrs) == (thincs.name, thincs.attrs)
    assert model.from_bytes(ThincDropout(0.4).to_bytes()).attrs["dropout_rate"] == 0.4
    set_dropout_rate(model, 0.6)
    assert model.attrs["dropout_rate"] == 0.6
