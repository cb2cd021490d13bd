"""Forward, backward and Viterbi recursions: one interface, the fastest that is right for a batch.

`reference` is in torch and always right, `cpu` is compiled by numba, `gpu` in Triton.
"""

from torch import Tensor

from ..potentials import Potentials
from . import cpu
from .backend import backend_for
from .forward_backward import ForwardBackward
from .kbest import k_best

__all__ = ["ForwardBackward", "k_best", "viterbi"]


def viterbi(p: Potentials) -> Tensor:
    """See `reference.viterbi`.

    p (Potentials): The scores, in any precision.
    RETURNS (Tensor): (N,) int64 tag ids of the best tag sequences.
    """
    backend = backend_for(p)
    return backend.viterbi(p if backend is cpu else p.precise())
