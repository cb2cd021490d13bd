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
        return self._to_device(torch.repeat_interleave(self.lengths))

    @cached_property
    def firsts(self) -> Tensor:
        """The first token of each sequence that is not empty."""
        return self._to_device(self._starts)

    @cached_property
    def lasts(self) -> Tensor:
        """The last token of each sequence that is not empty."""
        return self._to_device((self.lengths.cumsum(0) - 1)[self.lengths > 0])

    @cached_property
    def follows(self) -> Tensor:
        """(N,) bool: whether each token follows another one in its sequence."""
        return self._to_device(self._follows)

    @cached_property
    def seconds(self) -> Tensor:
        """The tokens that follow another one in their sequence: the second of each pair."""
        return self._to_device(self._follows.nonzero()[:, 0])

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

    def cpu(self) -> "Potentials":
        """The scores on the CPU.

        RETURNS (Potentials): The same scores, in as few copies from a device as there can be.
        """
        n_tags = len(self.start)
        rows = torch.cat([self.emissions, self.start[None], self.transitions, self.end[None]]).cpu()
        emissions, start, transitions, end = rows.split([len(self.emissions), 1, n_tags, 1])
        return Potentials(emissions, self.lengths, start[0], transitions, end[0])

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


    @property
    def _starts(self) -> Tensor:
        return (self.lengths.cumsum(0) - self.lengths)[self.lengths > 0]

    @property
    def _follows(self) -> Tensor:
        follows = torch.ones(len(self.emissions), dtype=torch.bool)
        follows[self._starts] = False
        return follows

    def _to_device(self, indices: Tensor) -> Tensor:
        # Not blocking: a GPU is told what to copy, and not waited for.
        return indices.to(self.emissions.device, non_blocking=True)


def _bar(scores: Tensor, legal: Tensor) -> Tensor:
    return torch.where(legal, scores, IMPOSSIBLE)
