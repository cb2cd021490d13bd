"""The scores that define a linear-chain CRF over a batch of sequences."""

from dataclasses import dataclass, replace
from typing import Optional

import torch
from torch import Tensor

# The score of what must not be. Finite, so that no difference of two of them is NaN, and so far
# below any score that exp() of the distance is exactly 0 in float32. The best path to a tag adds at
# most a few of them up, far from float32's end at 3.4e38.
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
        emissions = self.emissions
        return replace(
            self,
            emissions=emissions if allowed is None else _bar(emissions, allowed),
            start=_bar(self.start, legal_starts),
            transitions=_bar(self.transitions, legal_transitions),
            end=_bar(self.end, legal_ends),
        )


def _bar(scores: Tensor, legal: Tensor) -> Tensor:
    return torch.where(legal, scores, IMPOSSIBLE)
