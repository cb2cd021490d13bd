"""What CuPy has beyond NumPy."""

from typing import Any

import numpy as np
from cupy._array import ndarray, to_index, unwrap


def scatter_add(a: ndarray, index: Any, values: ndarray) -> None:
    """Add values at an index, any of its places several times."""
    np.add.at(unwrap(a), to_index(index), unwrap(values))
