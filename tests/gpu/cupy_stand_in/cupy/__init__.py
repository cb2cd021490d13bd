"""A stand-in for CuPy over NumPy, for machines without a GPU.

It is as strict as CuPy: its arrays refuse the company of NumPy's. Only what Thinc and spaCy ask for
is here by itself; all other functions are NumPy's, with a check of what they are given. What would
wait for a GPU, or copy something there, is logged.
"""

from types import SimpleNamespace

import numpy as _np

from . import cublas, cuda, random
from ._array import (
    array,
    asarray,
    from_dlpack,
    functions_of,
    get_array_module,
    load,
    ndarray,
    save,
    split,
)
from ._kernels import ElementwiseKernel, RawKernel, RawModule, ReductionKernel

__version__ = "14.0.0"
__all__ = [
    "ElementwiseKernel",
    "RawKernel",
    "RawModule",
    "ReductionKernel",
    "array",
    "asarray",
    "cublas",
    "cuda",
    "from_dlpack",
    "get_array_module",
    "get_default_memory_pool",
    "load",
    "ndarray",
    "random",
    "save",
    "split",
]

__getattr__ = functions_of(_np)


def get_default_memory_pool():
    """A pool without memory."""
    return SimpleNamespace(free_all_blocks=lambda: None)
