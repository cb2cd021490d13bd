"""Forward-backward, by whichever implementation suits the batch."""

from dataclasses import replace

import torch
from torch import Tensor

from ..potentials import Potentials
from . import backend, cpu, reference


class ForwardBackward:
    """The forward-backward algorithm (Rabiner 1989) over a batch. The forward pass runs at once,
    the backward pass when it is needed.

    log_z (Tensor): (B,) float64 log-sums of exp(score), 0 for an empty sequence.
    """

    def __init__(self, potentials: Potentials) -> None:
        """Run the forward pass.

        potentials (Potentials): The scores, in any precision.
        """
        self._raw = potentials
        self._backend = backend.backend_for(potentials)
        # The compiled functions read any precision, and sum in float64.
        self._potentials = potentials if self._backend is cpu else potentials.precise()
        self._state, self.log_z = self._backend.forward(self._potentials)
        if self._is_limited and not torch.isfinite(self.log_z).all():
            self._fall_back()

    def posteriors(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """See `reference.posteriors`.

        weights (Tensor): (N,) the weight of each token.
        RETURNS (tuple[Tensor, Tensor]): (N, C) for tags and (C, C) for pairs of tags.
        """
        tags, pairs = self._posteriors(weights)
        # If the backward pass leaves float64's range, the first tokens or the pairs are not finite.
        if self._is_limited and not torch.isfinite(
            tags[self._potentials.firsts].sum() + pairs.sum()
        ):
            self._fall_back()
            return self._posteriors(weights)
        return tags, pairs

    def expectations(self) -> tuple[Tensor, Tensor]:
        """The expected counts of tags and of pairs of tags in each sequence.

        RETURNS (tuple[Tensor, Tensor]): (N, C) probabilities of each token's tags, and (B, C, C)
            expected counts of each pair of neighbouring tags.
        """
        p = self._potentials
        if not self._is_limited:
            betas = self.backward()
            tags = torch.softmax(self._state + betas, dim=1)
            return tags, reference.pairs_of_sequences(p, self._state, betas)
        # One sequence at a time, since the CPU implementation sums the pairs of all sequences.
        found = []
        for length, emissions in zip(p.lengths, p.emissions.split(p.lengths.tolist())):
            passes = ForwardBackward(replace(p, emissions=emissions, lengths=length[None]))
            found.append(passes.posteriors(emissions.new_ones(len(emissions))))
        all_tags, all_pairs = zip(*found)
        return torch.cat(all_tags), torch.stack(all_pairs)

    def backward(self) -> Tensor:
        """See `reference.backward`.

        RETURNS (Tensor): (N, C) log-sums over what follows each token, up to a constant per token.
        """
        betas = self._backend.backward(self._potentials)
        if self._is_limited and betas.isnan().any():
            return reference.backward(self._raw.precise())
        return betas

    @property
    def _is_limited(self) -> bool:
        """Whether scores may be too far apart. Only the CPU implementation does not sum in log
        space. The others are not checked, since a check would wait for the GPU."""
        return self._backend is cpu

    def _posteriors(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        weights = weights.to(self._potentials.start.dtype)
        return self._backend.posteriors(self._potentials, self._state, weights)

    def _fall_back(self) -> None:
        """Use the reference instead: a probability that matters was too small for float64."""
        self._backend, self._potentials = reference, self._raw.precise()
        self._state, self.log_z = reference.forward(self._potentials)
