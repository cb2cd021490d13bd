"""Lists to ragged arrays, with lengths that a CPU can read."""

from typing import Callable, List, Tuple

import numpy as np
from thinc.api import Model
from thinc.types import Floats2d, Ragged


def list2ragged() -> Model[List[Floats2d], Ragged]:
    """The same as Thinc's `list2ragged.v1`, but the lengths stay on the CPU, where all that reads
    them needs them: each time, a GPU would have to be waited for.

    RETURNS (Model[List[Floats2d], Ragged]): Arrays to their rows, one after another.
    """
    return Model("list2ragged", _forward)


def _forward(
    model: Model[List[Floats2d], Ragged], Xs: List[Floats2d], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Floats2d]]]:
    def backprop(dY: Ragged) -> List[Floats2d]:
        return model.ops.unflatten(dY.dataXd, dY.lengths)

    lengths = np.array([len(X) for X in Xs], dtype="i")
    return Ragged(model.ops.flatten(Xs), lengths), backprop
