"""The scores that define a linear-chain CRF over a batch of sequences."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

# The score of a forbidden tag or transition. It is finite, so that the difference of two is not
# NaN, and so far below any other score that exp() of the difference is exactly 0. The best path to
# a tag contains at most a few of them, so its score stays far from float32's limit of 3.4e38.
IMPOSSIBLE = -1e30


@dataclass(frozen=True)
class Potentials:
    """The scores of N tokens in B sequences under C tags, concatenated without padding.

    The score of a tag sequence is the sum of the scores of its first tag in `start`, of each tag in
    `emissions`, of each pair of neighbours in `transitions` and of its last tag in `end`.

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
        allowed: Tensor | None = None,
    ) -> "Potentials":
        """Forbid tags and transitions. Tag sequences that contain one have probability 0 and are
        never decoded.

        legal_starts (Tensor): (C,) bool. False forbids the tag for a sequence's first token.
        legal_transitions (Tensor): (C, C) bool. [i, j] False forbids tag j directly after tag i.
        legal_ends (Tensor): (C,) bool. False forbids the tag for a sequence's last token.
        allowed (Tensor | None): (N, C) bool. [i, j] False forbids tag j for token i.
        RETURNS (Potentials): The same scores, but IMPOSSIBLE for all that is forbidden.
        """
        return replace(
            self,
            emissions=self.emissions if allowed is None else _forbid(self.emissions, allowed),
            start=_forbid(self.start, legal_starts),
            transitions=_forbid(self.transitions, legal_transitions),
            end=_forbid(self.end, legal_ends),
        )

    def path_scores(self, tags: Tensor) -> Tensor:
        """The unnormalized score of each sequence's tags.

        tags (Tensor): (N,) int64, a tag id for each token.
        RETURNS (Tensor): (B,) float64, 0 for an empty sequence.
        """
        scores = self.emissions.gather(1, tags[:, None])[:, 0].double()
        scores = scores.index_add(0, self.firsts, self.start[tags[self.firsts]].double())
        scores = scores.index_add(0, self.lasts, self.end[tags[self.lasts]].double())
        pairs = self.transitions.flatten()[self.pairs_of(tags)] * self.follows[1:]
        scores = torch.cat([scores[:1], scores[1:] + pairs])
        return scores.new_zeros(len(self.lengths)).index_add(0, self.sequences, scores)

    def pairs_of(self, tags: Tensor) -> Tensor:
        """The index of each pair of neighbouring tags in the flattened transitions.

        tags (Tensor): (N,) int64, a tag id for each token.
        RETURNS (Tensor): (N - 1,) int64 indices; meaningless where the second token of a pair is
            the first of a sequence, see `follows`.
        """
        return tags[:-1] * len(self.start) + tags[1:]

    def precise(self) -> "Potentials":
        """The scores in the precision used for sums, detached from their gradients.

        RETURNS (Potentials): In float64 on the CPU, elsewhere in float32 or better.
        """
        dtype = torch.float64 if self.emissions.device.type == "cpu" else torch.float32
        for scores in (self.emissions, self.transitions):
            dtype = torch.promote_types(dtype, scores.dtype)
        return self.map(lambda scores: scores.detach().to(dtype))

    def cpu(self) -> "Potentials":
        """The scores on the CPU.

        RETURNS (Potentials): The same scores, copied from the device all at once.
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
        # Non-blocking, so that the CPU does not wait for the GPU.
        return indices.to(self.emissions.device, non_blocking=True)


def _forbid(scores: Tensor, legal: Tensor) -> Tensor:
    return torch.where(legal, scores, IMPOSSIBLE)
