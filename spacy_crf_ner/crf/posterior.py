"""The exact posterior of a linear-chain CRF: marginals, segment probabilities, expectations."""

from copy import copy
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from .potentials import Potentials
from .recursions import ForwardBackward


class Expectations(NamedTuple):
    """The expected counts of tags and of pairs of tags in B sequences of N tokens, under any
    distribution over their tag sequences. A linear-chain CRF needs to know nothing else about it.

    tags (Tensor): (N, C), the marginals: the probability of each tag of each token.
    pairs (Tensor): (B, C, C); [b, i, j] is the expected number of times that tag j directly follows
        tag i in sequence b.
    """

    tags: Tensor
    pairs: Tensor


@torch.no_grad()
def expectations(potentials: Potentials) -> Expectations:
    """The expectations of the CRF itself, by forward-backward.

    potentials (Potentials): The scores.
    RETURNS (Expectations): In float64 on the CPU, elsewhere in float32 or better.
    """
    return Expectations(*ForwardBackward(potentials.precise()).expectations())


class Posterior:
    """The distribution over the tag sequences of a batch, given its scores.

    It is a Markov chain from the first token of a sequence to the last (Lafferty et al. 2001), so
    everything follows from the probabilities of the first tag and of each tag given the one before.
    These are computed token by token, which loses no precision in long sequences.

    log_z (Tensor): (B,) float64 log-partitions.
    """

    def __init__(self, potentials: Potentials) -> None:
        """Run the forward pass; the rest is computed when it is first used.

        potentials (Potentials): The scores.
        """
        self._p = potentials.precise()
        self._passes = ForwardBackward(self._p)
        self.log_z = self._passes.log_z

    def cpu(self) -> "Posterior":
        """Copy the posterior to the CPU, for a search in many small steps. On a GPU, each step
        would have to wait for its result.

        RETURNS (Posterior): The posterior on the CPU.
        """
        if self._p.emissions.device.type == "cpu":
            return self
        other = copy(self)
        other.marginals, other._following = torch.stack([self.marginals, self._following]).cpu()
        other._p, other.log_z = self._p.cpu(), self.log_z.cpu()
        return other

    @cached_property
    def marginals(self) -> Tensor:
        """(N, C): the probability of each tag of each token. Each row sums to 1."""
        ones = self._p.emissions.new_ones(len(self._p.emissions))
        return self._passes.posteriors(ones)[0]

    @cached_property
    def _following(self) -> Tensor:
        """(N, C): the log-sum over all tag sequences from each token on, up to a constant for each
        token."""
        return self._p.emissions + self._passes.backward()

    def log_probabilities(self, tags: Tensor) -> Tensor:
        """The log-probability of each sequence's tags.

        tags (Tensor): (N,) int64.
        RETURNS (Tensor): (B,) float64.
        """
        return self._p.path_scores(tags) - self.log_z

    def segments(self, starts: Tensor, ends: Tensor, tags: Tensor, goes_on: Tensor) -> Tensor:
        """The probability that exactly these tokens are a segment: that they have the given tags,
        and that the next token does not continue the segment. It is summed over all tag sequences
        of the other tokens, and is not a product of token probabilities.

        starts (Tensor): (M,) int64, the first token of each segment, as an index into the N tokens.
        ends (Tensor): (M,) int64, one past the last token.
        tags (Tensor): (N,) int64; tags outside the segments do not matter.
        goes_on (Tensor): (C,) bool: the tags that continue a segment.
        RETURNS (Tensor): (M,) probabilities.
        """
        first = self.marginals[starts, tags[starts]].log()
        # All but the first token of each segment, each given the tag before it.
        lengths = ends - starts - 1
        segment = torch.repeat_interleave(torch.arange(len(starts), device=starts.device), lengths)
        offset = torch.arange(len(segment), device=starts.device)
        offset = offset - (lengths.cumsum(0) - lengths)[segment]
        inner = starts[segment] + 1 + offset
        steps = self.given(inner, tags[inner - 1]).gather(1, tags[inner, None])[:, 0]
        logs = first.index_add(0, segment, steps)
        # The token after each segment, if the sequence has one.
        has_next = (ends < len(tags)) & ~torch.isin(ends, self._p.firsts)
        after = self.given(ends[has_next], tags[ends[has_next] - 1])
        logs[has_next] += torch.where(goes_on, -torch.inf, after).logsumexp(1)
        return logs.exp()

    def given(self, tokens: Tensor, tags_before: Tensor) -> Tensor:
        """The log-probabilities of the tags of tokens, given the tag of the token before.

        tokens (Tensor): (M,) int64 indices into the N tokens. None may be the first of a sequence.
        tags_before (Tensor): (M,) int64, the tag of the token before each.
        RETURNS (Tensor): (M, C).
        """
        scores = self._p.transitions[tags_before] + self._following[tokens]
        return torch.log_softmax(scores, dim=1)
