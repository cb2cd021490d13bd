"""The sums over all tag sequences, by whichever implementation is right for the batch."""

from dataclasses import replace

import torch
from torch import Tensor

from ..potentials import Potentials
from . import cpu, reference
from .backend import backend_for


class ForwardBackward:
    """The forward-backward algorithm (Rabiner 1989) over a batch: the forward pass at once, the
    backward pass when it is asked for.

    log_z (Tensor): (B,) float64 log-sums of exp(score), 0 for an empty sequence.
    """

    def __init__(self, potentials: Potentials) -> None:
        """Run the forward pass.

        potentials (Potentials): The scores, in any precision.
        """
        self._raw = potentials
        self._backend = backend_for(potentials)
        # The compiled ones read any precision, and sum in float64.
        self._potentials = potentials if self._backend is cpu else potentials.precise()
        self._state, self.log_z = self._backend.forward(self._potentials)
        if self._is_limited and not torch.isfinite(self.log_z).all():
            self._fall_back()

    def posteriors(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """See `reference.posteriors`.

        weights (Tensor): (N,) how much each token counts.
        RETURNS (tuple[Tensor, Tensor]): (N, C) of tags and (C, C) of pairs of tags.
        """
        tags, pairs = self._posteriors(weights)
        # What float64 cannot hold on the way back shows at the first tokens, or in their pairs.
        if self._is_limited and not torch.isfinite(
            tags[self._potentials.firsts].sum() + pairs.sum()
        ):
            self._fall_back()
            return self._posteriors(weights)
        return tags, pairs

    def expectations(self) -> tuple[Tensor, Tensor]:
        """The expected counts of tags and of pairs of tags, sequence by sequence.

        RETURNS (tuple[Tensor, Tensor]): (N, C) probabilities of each token's tags and (B, C, C)
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
            passes = ForwardBackward(replace(p, emissions=emissions, lengths=length[None]))
            found.append(passes.posteriors(emissions.new_ones(len(emissions))))
        all_tags, all_pairs = zip(*found)
        return torch.cat(all_tags), torch.stack(all_pairs)

    def backward(self) -> Tensor:
        """See `reference.backward`.

        RETURNS (Tensor): (N, C) log-sums over what follows each token, up to a constant for each.
        """
        betas = self._backend.backward(self._potentials)
        if self._is_limited and betas.isnan().any():
            return reference.backward(self._raw.precise())
        return betas

    @property
    def _is_limited(self) -> bool:
        """Whether scores may be too far apart. Only the CPU's sums are not taken over logarithms;
        of others it is not asked, since a GPU would have to be waited for."""
        return self._backend is cpu

    def _posteriors(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        weights = weights.to(self._potentials.start.dtype)
        return self._backend.posteriors(self._potentials, self._state, weights)

    def _fall_back(self) -> None:
        """A tag that float64 could not hold was needed in the end."""
        self._backend, self._potentials = reference, self._raw.precise()
        self._state, self.log_z = reference.forward(self._potentials)
