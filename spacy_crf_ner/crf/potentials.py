"""The scores that define a linear-chain CRF over a batch of sequences."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Callable, Optional

import torch
from torch import Tensor

# The score of what must not be. Finite, so that no difference of two of them is NaN, and so far
# below any score that exp() of the distance is exactly 0. The best path to a tag adds at most a few
# of them up, far from float32's end at 3.4e38.
IMPOSSIBLE = -1e30


@dataclass(frozen=True)
class Potentials:
    """The scores of N tokens in B sequences under C tags, concatenated without padding.

    The score of a tagging is that of its first tag in `start`, of each tag in `emissions`, of each
    pair of neighbours in `transitions` and of its last tag in `end`.

    emissions (Tensor): (N, C) float. Row i scores each tag for token i, sequence after sequence.
    lengths (Tensor): (B,) int64 on the CPU: tokens in each sequence, 0 allowed. Their sum is N.
    start (Tensor): (C,) float.
    transitions (Tensor): (C, C) float; [i, j] scores tag j directly after tag i.
    end (Tensor): (C,) float.
    """

    emissions: Tensor
    lengths: Tensor
    start: Tensor
    transitions: Tensor
    end: Tensor

    @cached_property
    def sequences(self) -> Tensor:
        """(N,) int64: the sequence of each token."""
        # Told its size, torch need not ask the device for it.
        lengths, n_tokens = self.lengths.to(self.emissions.device), len(self.emissions)
        indices = torch.arange(len(lengths), device=lengths.device)
        return torch.repeat_interleave(indices, lengths, output_size=n_tokens)

    @cached_property
    def firsts(self) -> Tensor:
        """The first token of each sequence that is not empty."""
        starts = self.lengths.cumsum(0) - self.lengths
        return starts[self.lengths > 0].to(self.emissions.device)

    @cached_property
    def lasts(self) -> Tensor:
        """The last token of each sequence that is not empty."""
        ends = self.lengths.cumsum(0)
        return ends[self.lengths > 0].to(self.emissions.device) - 1

    @cached_property
    def follows(self) -> Tensor:
        """(N,) bool: whether each token follows another one in its sequence."""
        is_first = torch.zeros(len(self.emissions), dtype=torch.bool)
        starts = self.lengths.cumsum(0) - self.lengths
        is_first[starts[self.lengths > 0]] = True
        return (~is_first).to(self.emissions.device)

    def constrained(
        self,
        legal_starts: Tensor,
        legal_transitions: Tensor,
        legal_ends: Tensor,
        allowed: Optional[Tensor] = None,
    ) -> "Potentials":
        """Make taggings impossible: none of those left out has a probability or can be decoded.

        legal_starts (Tensor): (C,) bool. False bars the tag from a sequence's first token.
        legal_transitions (Tensor): (C, C) bool. [i, j] False bars tag j directly after tag i.
        legal_ends (Tensor): (C,) bool. False bars the tag from a sequence's last token.
        allowed (Optional[Tensor]): (N, C) bool. [i, j] False bars tag j from token i.
        RETURNS (Potentials): The same scores with those of the barred set to IMPOSSIBLE.
        """
        return replace(
            self,
            emissions=self.emissions if allowed is None else _bar(self.emissions, allowed),
            start=_bar(self.start, legal_starts),
            transitions=_bar(self.transitions, legal_transitions),
            end=_bar(self.end, legal_ends),
        )

    def precise(self) -> "Potentials":
        """The scores in the precision that sums are taken in, and without their gradients.

        RETURNS (Potentials): In float64 on the CPU, elsewhere in float32 or better.
        """
        dtype = torch.float64 if self.emissions.device.type == "cpu" else torch.float32
        for scores in (self.emissions, self.transitions):
            dtype = torch.promote_types(dtype, scores.dtype)
        return self.map(lambda scores: scores.detach().to(dtype))

    def map(self, function: Callable[[Tensor], Tensor]) -> "Potentials":
        """Apply a function to each part of the scores.

        function (Callable[[Tensor], Tensor]): Keeps the shape.
        RETURNS (Potentials): The new scores.
        """
        return Potentials(
            function(self.emissions),
            self.lengths,
            function(self.start),
            function(self.transitions),
            function(self.end),
        )


def _bar(scores: Tensor, legal: Tensor) -> Tensor:
    return torch.where(legal, scores, IMPOSSIBLE)
