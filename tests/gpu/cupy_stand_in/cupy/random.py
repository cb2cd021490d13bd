"""Random numbers."""

import numpy as np

from ._array import functions_of

__getattr__ = functions_of(np.random)
