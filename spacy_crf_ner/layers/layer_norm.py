"""Thinc's `LayerNorm`, computed by torch."""

from collections.abc import Callable
from typing import Any

from thinc.api import Model
from thinc.layers.layernorm import init
from thinc.types import Floats2d
from torch import Tensor
from torch.nn.functional import layer_norm

from .torch_function import apply_torch

# Added to the variance, as in Thinc.
EPSILON = 1e-8


def LayerNorm(width: int) -> Model[Floats2d, Floats2d]:
    """Layer normalization (Ba et al. 2016), with the name and the parameters of Thinc's.

    Thinc goes through memory a dozen times.

    width (int): The width of input and output.
    RETURNS (Model[Floats2d, Floats2d]): (N, width) to (N, width).
    """
    return Model(
        "layernorm",
        _forward,
        init=init,
        dims={"nI": width, "nO": width},
        params={"G": None, "b": None},
    )


def _forward(
    model: Model[Floats2d, Floats2d], X: Any, is_train: bool
) -> tuple[Any, Callable[[Any], Any]]:
    return apply_torch(model, _layer_norm, X, is_train)


def _layer_norm(X: Tensor, G: Tensor, b: Tensor) -> Tensor:
    return layer_norm(X, G.shape, G, b, EPSILON)
