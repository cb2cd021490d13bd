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

    Its gradient is not traced through the steps but known: how often each tag and pair of tags is
    there, less how often it was to be expected (Lafferty et al. 2001).

    p (Potentials): The scores.
    tags (Tensor): (N,) int64, a tag id for each token.
    RETURNS (Tensor): (B,) float64, 0 for an empty sequence.
    """
    return _LogLikelihood.apply(p.emissions, p.start, p.transitions, p.end, p.lengths, tags)


def path_scores(p: Potentials, tags: Tensor) -> Tensor:
    """The score of each sequence's tagging, not normalised.

    p (Potentials): The scores.
    tags (Tensor): (N,) int64, a tag id for each token.
    RETURNS (Tensor): (B,) float64, 0 for an empty sequence.
    """
    scores = p.emissions.gather(1, tags[:, None])[:, 0].double()
    scores = scores.index_add(0, p.firsts, p.start[tags[p.firsts]].double())
    scores = scores.index_add(0, p.lasts, p.end[tags[p.lasts]].double())
    pairs = p.transitions.flatten()[_pairs(p, tags)] * p.follows[1:]
    scores = torch.cat([scores[:1], scores[1:] + pairs])
    return scores.new_zeros(len(p.lengths)).index_add(0, p.sequences, scores)


def log_partition(p: Potentials) -> Tensor:
    """The log of the sum of exp(score) over all taggings of each sequence.

    Its gradient is the probabilities of tags and of pairs of tags.

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
    return recursions.viterbi(p)


def gradients(p: Potentials, tags: Tensor, pairs: Tensor) -> Tuple[Tensor, ...]:
    """The gradients of the parts of scores, from those of tags and of pairs of tags.

    p (Potentials): The scores.
    tags (Tensor): (N, C).
    pairs (Tensor): (C, C).
    RETURNS (Tuple[Tensor, ...]): Of emissions, start, transitions and end, in their precision.
    """
    return (
        tags.to(p.emissions.dtype),
        tags[p.firsts].sum(0).to(p.start.dtype),
        pairs.to(p.transitions.dtype),
        tags[p.lasts].sum(0).to(p.end.dtype),
    )


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *scores_and_lengths: Tensor) -> Tensor:
        ctx.potentials = _potentials(*scores_and_lengths)
        ctx.sums = recursions.Sums(ctx.potentials)
        return ctx.sums.log_z

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Tensor) -> Tuple[Optional[Tensor], ...]:
        p: Potentials = ctx.potentials
        return (*gradients(p, *ctx.sums.posteriors(weights[p.sequences])), None)


class _LogLikelihood(torch.autograd.Function):
    """In one, not as a difference of which each part would have a gradient as large as all."""

    @staticmethod
    def forward(ctx: Any, *scores_and_lengths_and_tags: Tensor) -> Tensor:
        *scores_and_lengths, ctx.tags = scores_and_lengths_and_tags
        ctx.potentials = _potentials(*scores_and_lengths)
        ctx.sums = recursions.Sums(ctx.potentials)
        return path_scores(ctx.potentials, ctx.tags) - ctx.sums.log_z

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Tensor) -> Tuple[Optional[Tensor], ...]:
        p: Potentials = ctx.potentials
        weights = weights[p.sequences]
        tags, pairs = ctx.sums.posteriors(-weights)
        tags.scatter_add_(1, ctx.tags[:, None], weights[:, None].to(tags.dtype))
        weights = weights[1:] * p.follows[1:]
        # Not bincount, which waits for a GPU to say which number is the highest.
        found = pairs.new_zeros(pairs.numel())
        found.index_add_(0, _pairs(p, ctx.tags), weights.to(pairs.dtype))
        return (*gradients(p, tags, pairs + found.view_as(pairs)), None, None)


def _pairs(p: Potentials, tags: Tensor) -> Tensor:
    """(N - 1,) where in the flattened transitions each token's tag and the next one's are; of no
    use where the next token is another sequence's first, see `Potentials.follows`."""
    return tags[:-1] * len(p.start) + tags[1:]


def _potentials(
    emissions: Tensor, start: Tensor, transitions: Tensor, end: Tensor, lengths: Tensor
) -> Potentials:
    return Potentials(emissions, lengths, start, transitions, end)
