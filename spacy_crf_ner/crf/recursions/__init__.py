"""Forward, backward and Viterbi recursions: one interface, the fastest that is right for a batch.

`reference` is in torch and always right, `cpu` is compiled by numba, `gpu` in Triton.
"""

from dataclasses import replace
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

    log_z (Tensor): (B,) float64 log-sums of exp(score), 0 for an empty sequence.
    """

    def __init__(self, potentials: Potentials) -> None:
        """Run the forward pass.

        potentials (Potentials): The scores, in any precision.
        """
        self._raw = potentials
        self._module = _module_for(potentials)
        # The compiled ones read any precision, and sum in float64.
        self._potentials = potentials if self._module is cpu else potentials.precise()
        self._state, self.log_z = self._module.forward(self._potentials)
        if self._is_limited and not torch.isfinite(self.log_z).all():
            self._fall_back()

    def posteriors(self, weights: Tensor) -> Tuple[Tensor, Tensor]:
        """See `reference.posteriors`.

        weights (Tensor): (N,) how much each token counts.
        RETURNS (Tuple[Tensor, Tensor]): (N, C) of tags and (C, C) of pairs of tags.
        """
        tags, pairs = self._posteriors(weights)
        # What float64 cannot hold on the way back shows at the first tokens, or in their pairs.
        if self._is_limited and not torch.isfinite(
            tags[self._potentials.firsts].sum() + pairs.sum()
        ):
            self._fall_back()
            return self._posteriors(weights)
        return tags, pairs

    def expectations(self) -> Tuple[Tensor, Tensor]:
        """How often tags and pairs of tags are to be expected, sequence by sequence.

        RETURNS (Tuple[Tensor, Tensor]): (N, C) probabilities of each token's tags and (B, C, C)
            expected numbers of each pair of neighbouring tags.
        """
        p = self._potentials
        if not self._is_limited:
            betas = self.backward()
            tags = torch.softmax(self._state + betas, dim=1)
            return tags, reference.pairs_of_sequences(p, self._state, betas)
        # One by one, since what is fast on a CPU adds up the pairs of all sequences.
        found = []
        for length, emissions in zip(p.lengths, p.emissions.split(p.lengths.tolist())):
            sums = Sums(replace(p, emissions=emissions, lengths=length[None]))
            found.append(sums.posteriors(emissions.new_ones(len(emissions))))
        all_tags, all_pairs = zip(*found)
        return torch.cat(all_tags), torch.stack(all_pairs)

    def backward(self) -> Tensor:
        """See `reference.backward`.

        RETURNS (Tensor): (N, C) log-sums over what follows each token, up to a constant for each.
        """
        betas = self._module.backward(self._potentials)
        if self._is_limited and betas.isnan().any():
            return reference.backward(self._raw.precise())
        return betas

    @property
    def _is_limited(self) -> bool:
        """Whether scores may be too far apart. Only the CPU's sums are not taken over logarithms;
        of others it is not asked, since a GPU would have to be waited for."""
        return self._module is cpu

    def _posteriors(self, weights: Tensor) -> Tuple[Tensor, Tensor]:
        weights = weights.to(self._potentials.start.dtype)
        return self._module.posteriors(self._potentials, self._state, weights)

    def _fall_back(self) -> None:
        """A tag that float64 could not hold was needed in the end."""
        self._module, self._potentials = reference, self._raw.precise()
        self._state, self.log_z = reference.forward(self._potentials)


def viterbi(p: Potentials) -> Tensor:
    """See `reference.viterbi`.

    p (Potentials): The scores, in any precision.
    RETURNS (Tensor): (N,) int64 tag ids of the best taggings.
    """
    module = _module_for(p)
    return module.viterbi(p if module is cpu else p.precise())


def _module_for(p: Potentials) -> ModuleType:
    device = p.emissions.device.type
    if device == "cuda" and find_spec("triton"):
        from . import gpu  # imported here, since Triton comes only with torch for GPUs

        return gpu
    return cpu if device == "cpu" else reference
