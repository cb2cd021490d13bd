"""Thinc's `Linear`, computed by torch."""

from collections.abc import Callable
from functools import partial
from typing import Any

from thinc.api import Model, zero_init
from thinc.layers.linear import init
from thinc.types import Floats2d
from torch import Tensor
from torch.nn.functional import linear

from .torch_function import apply_torch


def Linear(nO: int | None = None, nI: int | None = None) -> Model[Floats2d, Floats2d]:
    """An affine layer whose weights start at 0, with the name and the parameters of Thinc's.

    Thinc's own matrix product reaches a small part of the speed of torch's.

    nO (int | None): The output width; None to set it before initialization.
    nI (int | None): The input width; None to infer it.
    RETURNS (Model[Floats2d, Floats2d]): (N, nI) to (N, nO).
    """
    return Model(
        "linear",
        _forward,
        init=partial(init, zero_init, zero_init),
        dims={"nO": nO, "nI": nI},
        params={"W": None, "b": None},
    )


def _forward(
    model: Model[Floats2d, Floats2d], X: Any, is_train: bool
) -> tuple[Any, Callable[[Any], Any]]:
    return apply_torch(model, _linear, X, is_train)


def _linear(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return linear(X, W, b)
