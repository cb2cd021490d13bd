"""Adam in one pass does what Thinc's does."""

import numpy as np
import pytest
from thinc.api import SGD, Adam, RAdam

from spacy_crf_ner.pipeline.adam import adam

KEY = (1, "E")
STATE = ("mom1", "mom2", "averages")
# As in spaCy's default config, and in ours.
SPACYS = {"L2": 0.01, "use_averages": False}


def run(call, optimizer, *, steps=4, lr_scale=1.0, dtype="f"):
    """The weights, moments and averages after some steps."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(30, 7)).astype(dtype)
    for step in range(steps):
        # From gradients that are clipped to some that are not. Half of the rows have none.
        gradient = (rng.normal(size=weights.shape) * 10.0**-step).astype(dtype)
        gradient[::2] = 0
        weights, gradient = call(optimizer, KEY, weights, gradient, lr_scale=lr_scale)
        assert not gradient.any()
    kept = [getattr(optimizer, kind) or {} for kind in STATE]
    assert optimizer.nr_update[KEY] == steps
    return [weights, *(values[KEY] for values in kept if KEY in values)]


def thincs(optimizer, *args, **kwargs):
    return optimizer(*args, **kwargs)


@pytest.mark.parametrize(
    "settings",
    [{}, SPACYS, {"L2": 0.1, "L2_is_weight_decay": False}, {"grad_clip": 0.0, "beta1": 0.5}],
)
@pytest.mark.parametrize("lr_scale", [1.0, 0.3])
def test_it_is_thincs(settings, lr_scale):
    ours, expected = (
        run(call, Adam(0.01, **settings), lr_scale=lr_scale) for call in (adam, thincs)
    )
    assert len(ours) == len(expected) == (3 if settings == SPACYS else 4)
    for x, y in zip(ours, expected):
        assert x.shape == y.shape
        # Some CPUs add products without rounding in between.
        assert x == pytest.approx(y, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("optimizer", [lambda: RAdam(0.01), lambda: SGD(0.01)])
def test_other_optimizers_are_called(optimizer):
    ours, expected = (run(call, optimizer()) for call in (adam, thincs))
    assert all(np.array_equal(x, y) for x, y in zip(ours, expected))


def test_weights_of_other_types_are_left_to_thinc():
    """Not contiguous ones, for which `reshape` would make a copy."""
    optimizer, gradient = Adam(0.01), np.ones((3, 4), dtype="f")
    weights = np.ones((4, 3), dtype="f").T
    for _ in range(2):
        weights, _ = adam(optimizer, KEY, weights, gradient.copy())
    assert optimizer.nr_update[KEY] == 2
    assert (weights < 1).all()
