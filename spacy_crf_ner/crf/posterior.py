"""What a linear-chain CRF believes: exact probabilities of tags, of segments and of taggings."""

from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Tuple

import torch
from torch import Tensor

from . import recursions
from .inference import path_scores
from .potentials import IMPOSSIBLE, Potentials


class Posterior:
    """The distribution over the taggings of a batch, given its scores.

    It is a Markov chain from the first token of a sequence to the last (Lafferty et al. 2001), so
    all follows from the probabilities of the first tag and of each tag after each. These are taken
    token by token, which loses no precision in long sequences.

    log_z (Tensor): (B,) float64 log-partitions.
    """

    def __init__(self, potentials: Potentials) -> None:
        """Take the scores; what is asked for is computed when it is.

        potentials (Potentials): The scores.
        """
        self._p = potentials.precise()
        self._sums = recursions.Sums(self._p)
        self.log_z = self._sums.log_z

    def cpu(self) -> "Posterior":
        """The same on the CPU, for a search that asks for a little at a time: on a GPU each answer
        would have to be waited for.

        RETURNS (Posterior): The posterior.
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
        return self._sums.posteriors(ones)[0]

    @cached_property
    def _following(self) -> Tensor:
        """(N, C): the log-sum over all taggings from each token on, up to a constant a token."""
        return self._p.emissions + self._sums.backward()

    def log_probabilities(self, tags: Tensor) -> Tensor:
        """The log-probability of a tagging of each sequence.

        tags (Tensor): (N,) int64.
        RETURNS (Tensor): (B,) float64.
        """
        return path_scores(self._p, tags) - self.log_z

    def segments(self, starts: Tensor, ends: Tensor, tags: Tensor, goes_on: Tensor) -> Tensor:
        """The probability that just these tokens are a segment: that each has the tag it has in a
        tagging, and that the token after does not go on with it. Summed over all taggings of the
        rest of the sequence; not a product of token probabilities.

        starts (Tensor): (M,) int64, the first token of each segment, counted through the batch.
        ends (Tensor): (M,) int64, one past the last.
        tags (Tensor): (N,) int64; those outside of the segments do not matter.
        goes_on (Tensor): (C,) bool: the tags that a token has which goes on with a segment.
        RETURNS (Tensor): (M,) probabilities.
        """
        first = self.marginals[starts, tags[starts]].log()
        # All tokens of the segments but the first: each given the tag before it.
        lengths = ends - starts - 1
        segment = torch.repeat_interleave(torch.arange(len(starts), device=starts.device), lengths)
        offset = torch.arange(len(segment), device=starts.device)
        offset = offset - (lengths.cumsum(0) - lengths)[segment]
        inner = starts[segment] + 1 + offset
        steps = self.given(inner, tags[inner - 1]).gather(1, tags[inner, None])[:, 0]
        logs = first.index_add(0, segment, steps)
        # The token after, if the sequence has one.
        has_next = (ends < len(tags)) & ~torch.isin(ends, self._p.firsts)
        after = self.given(ends[has_next], tags[ends[has_next] - 1])
        logs[has_next] += torch.where(goes_on, -torch.inf, after).logsumexp(1)
        return logs.exp()

    def given(self, tokens: Tensor, tags_before: Tensor) -> Tensor:
        """The log-probabilities of the tags of tokens, given the tag of the token before.

        tokens (Tensor): (M,) int64, none the first of its sequence, counted through the batch.
        tags_before (Tensor): (M,) int64.
        RETURNS (Tensor): (M, C).
        """
        scores = self._p.transitions[tags_before] + self._following[tokens]
        return torch.log_softmax(scores, dim=1)


@torch.no_grad()
def k_best_tags(potentials: Potentials, k: int) -> Tuple[Tensor, Tensor]:
    """The k most probable taggings of each sequence.

    potentials (Potentials): The scores.
    k (int): How many, at least 1.
    RETURNS (Tuple[Tensor, Tensor]): (N, k) int64 tag ids, the best first; and (B, k) float64
        probabilities, 0 where a sequence has fewer possible taggings.
    """
    p = potentials.precise()
    tags, scores = recursions.k_best(p.cpu(), k)
    log_z = recursions.Sums(p).log_z
    return tags.to(log_z.device), (scores.to(log_z.device) - log_z[:, None]).exp()


@torch.no_grad()
def minimum_risk_tags(potentials: Potentials) -> Tensor:
    """The possible tagging with the highest expected number of right tags (minimum Bayes risk under
    Hamming loss; Stoyanov and Eisner 2012).

    potentials (Potentials): The scores; what they bar stays barred.
    RETURNS (Tensor): (N,) int64 tag ids.
    """
    only_possible = potentials.precise().map(_only_possible)
    emissions = only_possible.emissions + Posterior(potentials).marginals
    gains = replace(only_possible, emissions=emissions)
    return recursions.viterbi(gains)


def _only_possible(scores: Tensor) -> Tensor:
    return torch.where(scores > IMPOSSIBLE / 2, 0.0, IMPOSSIBLE).to(scores.dtype)
