"""Thinc's CUDA kernels, as its `NumpyOps` computes them.

Thinc's functions around them run as they are, with all their checks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._array import ndarray, unwrap, wrap

# How many of its first arguments a kernel writes, and how many it then reads; the others are sizes.
REDUCTIONS = {
    "gather_add": (1, 2),
    "reduce_sum": (1, 2),
    "backprop_reduce_sum": (1, 2),
    "backprop_reduce_mean": (1, 2),
    "reduce_max": (2, 2),
    "backprop_reduce_max": (1, 3),
}


class RawKernel:
    """A kernel. It reads memory from the first number of an array on, whatever its strides."""

    def __init__(self, code: str, name: str) -> None:
        self.name = name.split("<")[0]

    def __call__(self, grid: tuple, block: tuple, args: Sequence[Any]) -> None:
        from thinc.api import NumpyOps

        args = unwrap(args)
        for arg in args:
            if isinstance(arg, np.ndarray) and not arg.flags.c_contiguous:
                raise ValueError(f"{self.name}: an array is not contiguous")
        ops = NumpyOps()
        if self.name == "hash_data":
            out, ids, *_, seed = args
            out[:] = ops.hash(ids, seed)
        elif self.name in ("seq2col", "backprop_seq2col"):
            out, X, lengths, window, *_ = args
            out[:] = getattr(ops, self.name)(X, window, lengths=lengths)
        else:
            written, read = REDUCTIONS[self.name]
            results = getattr(ops, self.name)(*args[written : written + read])
            for out, result in zip(args, results if written > 1 else (results,)):
                out[:] = result


class RawModule:
    """The kernels of a source file."""

    def __init__(self, code: str, options: tuple, name_expressions: Sequence[str]) -> None:
        pass

    def get_function(self, name: str) -> RawKernel:
        return RawKernel("", name)


class ElementwiseKernel:
    """The step of Adam, the only one of its kind."""

    def __init__(self, inputs: str, outputs: str, code: str, name: str) -> None:
        assert name == "adam"

    def __call__(self, gradient: ndarray, *args: Any) -> None:
        learn_rate, one_minus_beta1, one_minus_beta2, eps, *outputs = unwrap(args)
        gradient, (weights, mom1, mom2) = unwrap(gradient), outputs
        if not gradient.dtype == weights.dtype == mom1.dtype == mom2.dtype:
            raise TypeError("adam: arrays of several types")
        mom1 += one_minus_beta1 * (gradient - mom1)
        mom2 += one_minus_beta2 * (gradient * gradient - mom2)
        weights -= learn_rate * mom1 / (np.sqrt(mom2) + eps)


class ReductionKernel:
    """Whether all numbers are within a range, the only one of its kind."""

    def __init__(self, *code: str) -> None:
        assert code[-1] == "within_range"

    def __call__(self, X: ndarray, lower: int, upper: int) -> ndarray:
        return wrap(((unwrap(X) >= lower) & (unwrap(X) < upper)).all())
