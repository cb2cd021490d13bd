"""Forward, backward and Viterbi recursions: one interface, the fastest that is right for a batch.

`reference` is in torch and always right, `cpu` is compiled by numba, `gpu` in Triton.
"""

from importlib.util import find_spec
from types import ModuleType
from typing import Tuple

import torch
from torch import Tensor

from ..potentials import Potentials
from . import cpu, reference
from .kbest import k_best

__all__ = ["Sums", "k_best", "viterbi"]


class Sums:
    """The sums over all taggings of a batch: the forward pass, and from it what else is asked for.

    potentials (Potentials): The scores.
    log_z (Tensor): (B,) float64 log-sums of exp(score), 0 for an empty sequence.
    """

    def __init__(self, potentials: Potentials) -> None:
        """Run the forward pass.

        potentials (Potentials): The scores, in float32 or better.
        """
        self.potentials = potentials
        self._module = _module_for(potentials)
        if self._module is cpu and not cpu.applies(potentials):
            self._module = reference
        self._state, self.log_z = self._module.forward(potentials)
        if not torch.isfinite(self.log_z).all():
            self._fall_back()

    def posteriors(self, weights: Tensor) -> Tuple[Tensor, Tensor]:
        """See `reference.posteriors`.

        weights (Tensor): (N,) how much each token counts.
        RETURNS (Tuple[Tensor, Tensor]): (N, C) of tags and (C, C) of pairs of tags.
        """
        tags, pairs = self._module.posteriors(self.potentials, self._state, weights)
        if not torch.isfinite(tags.sum()):
            self._fall_back()
            return reference.posteriors(self.potentials, self._state, weights)
        return tags, pairs

    def backward(self) -> Tensor:
        """See `reference.backward`.

        RETURNS (Tensor): (N, C) log-sums over what follows each token, up to a constant for each.
        """
        betas = self._module.backward(self.potentials)
        return reference.backward(self.potentials) if betas.isnan().any() else betas

    def _fall_back(self) -> None:
        """A tag that float64 could not hold was needed in the end."""
        self._module = reference
        self._state, self.log_z = reference.forward(self.potentials)


def viterbi(p: Potentials) -> Tensor:
    """See `reference.viterbi`.

    p (Potentials): The scores.
    RETURNS (Tensor): (N,) int64 tag ids of the best taggings.
    """
    return _module_for(p).viterbi(p)


def _module_for(p: Potentials) -> ModuleType:
    device = p.emissions.device.type
    if device == "cuda" and find_spec("triton"):
        from . import gpu  # imported here, since Triton comes only with torch for GPUs

        return gpu
    return cpu if device == "cpu" else reference
