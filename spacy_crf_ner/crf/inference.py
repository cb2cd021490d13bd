"""What a linear-chain CRF says of a batch: likelihoods, with their gradients, and best taggings.

Sums are taken in float64 on the CPU and in float32 or better elsewhere, whatever the scores are in.
"""

from typing import Any, Optional, Tuple

import torch
from torch import Tensor

from . import recursions
from .potentials import Potentials


def log_likelihood(p: Potentials, tags: Tensor) -> Tensor:
    """The log-probability of each sequence's tagging.

    p (Potentials): The scores.
    tags (Tensor): (N,) int64, a tag id for each token.
    RETURNS (Tensor): (B,) float64, 0 for an empty sequence.
    """
    return path_scores(p, tags) - log_partition(p)


def path_scores(p: Potentials, tags: Tensor) -> Tensor:
    """The score of each sequence's tagging, not normalised.

    p (Potentials): The scores.
    tags (Tensor): (N,) int64, a tag id for each token.
    RETURNS (Tensor): (B,) float64, 0 for an empty sequence.
    """
    scores = p.emissions.gather(1, tags[:, None])[:, 0].double()
    scores = scores.index_add(0, p.firsts, p.start[tags[p.firsts]].double())
    scores = scores.index_add(0, p.lasts, p.end[tags[p.lasts]].double())
    pairs = p.transitions[tags[p.followers - 1], tags[p.followers]].double()
    scores = scores.index_add(0, p.followers, pairs)
    return scores.new_zeros(len(p.lengths)).index_add(0, p.sequences, scores)


def log_partition(p: Potentials) -> Tensor:
    """The log of the sum of exp(score) over all taggings of each sequence.

    Its gradient is not traced through the steps but known: the probabilities of tags and of pairs
    of tags (Lafferty et al. 2001).

    p (Potentials): The scores.
    RETURNS (Tensor): (B,) float64, 0 for an empty sequence, which has one tagging of score 0.
    """
    return _LogPartition.apply(p.emissions, p.start, p.transitions, p.end, p.lengths)


@torch.no_grad()
def best_tags(p: Potentials) -> Tensor:
    """The tagging of the highest score of each sequence.

    p (Potentials): The scores.
    RETURNS (Tensor): (N,) int64 tag ids, on the device of the scores; of equal scores, any.
    """
    return recursions.viterbi(p.precise())


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        start: Tensor,
        transitions: Tensor,
        end: Tensor,
        lengths: Tensor,
    ) -> Tensor:
        p = Potentials(emissions, lengths, start, transitions, end).precise()
        ctx.sums = recursions.Sums(p)
        ctx.dtypes = [x.dtype for x in (emissions, start, transitions, end)]
        return ctx.sums.log_z

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Tensor) -> Tuple[Optional[Tensor], ...]:
        p: Potentials = ctx.sums.potentials
        tags, pairs = ctx.sums.posteriors(weights.to(p.emissions.dtype)[p.sequences])
        gradients = (tags, tags[p.firsts].sum(0), pairs, tags[p.lasts].sum(0))
        return (*(g.to(dtype) for g, dtype in zip(gradients, ctx.dtypes)), None)
