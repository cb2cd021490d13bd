"""Thinc's Adam in a single pass over the weights."""

from typing import Any, cast

import numpy as np
from thinc.api import Optimizer
from thinc.optimizers import KeyT
from thinc.types import FloatsXd

from ..jit import jit_exact as _jit_exact

# For an optimizer without averages.
NONE = np.zeros(0, dtype="f")


def adam(
    optimizer: Optimizer,
    key: KeyT,
    weights: FloatsXd,
    gradient: FloatsXd,
    *,
    lr_scale: float = 1.0,
) -> tuple[FloatsXd, FloatsXd]:
    """Call an optimizer, but do it in one pass if it is Adam and the weights are on the CPU.

    The result is the same. Thinc passes over the arrays a dozen times, with weight decay and the
    average, and they are too large for the CPU's caches: it takes four times as long.

    optimizer (Optimizer): The optimizer, whose moments and averages are updated.
    key (KeyT): The key of the weights.
    weights (FloatsXd): The weights, changed in place.
    gradient (FloatsXd): Their gradient, set to 0.
    lr_scale (float): A factor of the learning rate.
    RETURNS (tuple[FloatsXd, FloatsXd]): The weights and the gradient.
    """
    # Thinc makes the moments in the first step.
    if key not in optimizer.mom1 or not _is_plain(optimizer, weights, gradient):
        return optimizer(key, weights, gradient, lr_scale=lr_scale)
    optimizer.nr_update[key] += 1
    n_updates, averages = optimizer.nr_update[key], optimizer.averages
    norm = np.linalg.norm(cast(np.ndarray, gradient))
    is_clipped = optimizer.grad_clip and norm >= optimizer.grad_clip
    fix1, fix2 = 1 - optimizer.b1**n_updates, 1 - optimizer.b2**n_updates
    _step(
        weights.reshape((-1,)),
        gradient.reshape((-1,)),
        optimizer.mom1[key],
        optimizer.mom2[key],
        NONE if averages is None else averages[key].reshape((-1,)),
        np.float32(optimizer.grad_clip / norm if is_clipped else 1),
        np.float32(optimizer.b1),
        np.float32(optimizer.b2),
        np.float32(optimizer.eps),
        np.float32(optimizer.learn_rate * fix2**0.5 / fix1 * lr_scale),
        np.float32(lr_scale * optimizer.learn_rate * optimizer.L2),
        # As in Thinc's `update_averages`.
        np.float32(1 - min((1 + n_updates) / (10 + n_updates), 0.9999)),
    )
    return weights, gradient


def _is_plain(optimizer: Optimizer, *arrays: Any) -> bool:
    """Whether it is Adam, without RAdam or L2 in the gradient, and the arrays are numpy's."""
    return (
        type(optimizer) is Optimizer
        and not optimizer.use_radam
        and min(optimizer.b1, optimizer.b2) > 0
        and (optimizer.L2 == 0 or optimizer.L2_is_weight_decay)
        and all(
            isinstance(array, np.ndarray) and array.dtype == "f" and array.flags.c_contiguous
            for array in arrays
        )
    )


@_jit_exact
def _step(
    weights: np.ndarray,
    gradient: np.ndarray,
    mom1: np.ndarray,
    mom2: np.ndarray,
    average: np.ndarray,
    clip: np.float32,
    b1: np.float32,
    b2: np.float32,
    eps: np.float32,
    rate: np.float32,
    decay: np.float32,
    new: np.float32,
) -> None:
    one = np.float32(1)
    for i in range(weights.size):
        g = gradient[i] * clip
        mom1[i] = mom1[i] * b1 + (one - b1) * g
        mom2[i] = mom2[i] * b2 + (one - b2) * (g * g)
        weight = weights[i] - rate * (mom1[i] / (np.sqrt(mom2[i]) + eps))
        weights[i] = weight - decay * weight
        gradient[i] = 0
        if average.size:
            average[i] -= new * (average[i] - weights[i])
