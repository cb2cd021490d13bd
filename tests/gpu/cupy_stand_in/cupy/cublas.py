"""cuBLAS."""

import numpy as np

from ._array import device_function

nrm2 = device_function(np.linalg.norm)
