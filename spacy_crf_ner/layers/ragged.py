"""Conversion of lists to ragged arrays whose lengths are on the CPU."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from thinc.api import Model, Ops
from thinc.types import Ints1d, Ragged

from .embeddings import Embeddings


def list2ragged() -> Model[list[Any], Ragged]:
    """The same as Thinc's `list2ragged.v1`, but the lengths stay on the CPU, where all layers read
    them. Reading them from a GPU would wait for it each time.

    RETURNS (Model[list[Any], Ragged]): Arrays of any type to their concatenated rows; and
        `Embeddings` to themselves, as they are concatenated already.
    """
    return Model("list2ragged", _forward)


def unflatten(ops: Ops, X: Any, lengths: Sequence[int] | np.ndarray | Ints1d) -> list[Any]:
    """The same as `Ops.unflatten`, whose annotations only accept a Thinc array of lengths.

    ops (Ops): The ops of the device.
    X (Floats2d | Ints2d): The concatenated rows.
    lengths (Sequence[int] | np.ndarray | Ints1d): The number of rows in each array, on the CPU.
    RETURNS (list[Floats2d | Ints2d]): One array for each length.
    """
    return ops.unflatten(X, cast(Ints1d, lengths))


def _forward(
    model: Model[list[Any], Ragged], Xs: list[Any], is_train: bool
) -> tuple[Ragged, Callable[[Ragged], list[Any]]]:
    def backprop(dY: Ragged) -> list[Any]:
        return unflatten(model.ops, dY.dataXd, dY.lengths)

    if isinstance(Xs, Embeddings):
        return cast(Any, Xs), backprop
    lengths = np.array([len(X) for X in Xs], dtype="i")
    return Ragged(model.ops.flatten(Xs), cast(Ints1d, lengths)), backprop
