"""Dropout with masks that are cheap to draw."""

from collections.abc import Callable
from typing import cast

import numpy as np
from thinc.api import CupyOps, Model, Ops
from thinc.types import Floats2d

# The number of values that a random number of 16 bits has.
N_VALUES = 2**16


def Dropout(rate: float = 0.0) -> Model[Floats2d, Floats2d]:
    """Set random numbers to 0 in training, and scale up the others (Srivastava et al. 2014).

    The same as Thinc's `Dropout`, also in its name and attributes, but for arrays only. Thinc draws
    a float64 for each number, which takes three times as long as the 16 bits here.

    rate (float): The share of numbers to set to 0, exact to 1/65536.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    """
    return Model("dropout", _forward, attrs={"dropout_rate": rate, "is_enabled": True})


def check_rate(setting: str, rate: float) -> None:
    """Check how often something is dropped in training.

    setting (str): The layer and the name of its setting.
    rate (float): The value.
    RAISES: ValueError if it is outside [0, 1).
    """
    if not 0 <= rate < 1:
        raise ValueError(f"{setting} must be at least 0 and below 1, got {rate}.")


def _forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    rate = model.attrs["dropout_rate"]
    if not (rate and is_train and model.attrs["is_enabled"]):
        return X, lambda dY: dY
    mask = _draw_mask(model.ops, X.shape, rate)
    return X * mask, lambda dY: dY * mask


def _draw_mask(ops: Ops, shape: tuple[int, ...], rate: float) -> Floats2d:
    if isinstance(ops, CupyOps):
        return cast(Floats2d, ops.get_dropout_mask(shape, rate))
    # From numpy's global generator, like Thinc's: the seed of the config decides.
    kept = np.random.randint(N_VALUES, size=shape, dtype="u2") >= round(rate * N_VALUES)
    # If the rate is 1, none is kept, and nothing is divided by 0.
    return cast(Floats2d, kept * np.float32(1 / max(1 - rate, 1 / N_VALUES)))
