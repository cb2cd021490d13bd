"""Forward, backward and Viterbi recursions, each run by the fastest implementation for a batch.

`reference` is written in torch and works for any batch, `cpu` is compiled by numba, and `gpu` is
written in Triton.
"""

from torch import Tensor

from ..potentials import Potentials
from . import backend, cpu
from .forward_backward import ForwardBackward
from .kbest import k_best

__all__ = ["ForwardBackward", "k_best", "viterbi"]


def viterbi(p: Potentials) -> Tensor:
    """See `reference.viterbi`.

    p (Potentials): The scores, in any precision.
    RETURNS (Tensor): (N,) int64 tag ids of the best tag sequences.
    """
    chosen = backend.backend_for(p)
    return chosen.viterbi(p if chosen is cpu else p.precise())
