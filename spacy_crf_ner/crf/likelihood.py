"""The log-likelihood, log-partition, entropy and cross-entropy of a linear-chain CRF.

All values are in nats. They are summed in float64 on the CPU and in float32 or better elsewhere,
in whatever precision the scores come. Gradients are analytic: the difference of expected counts of
tags and of pairs of tags (Lafferty et al. 2001).
"""

from typing import Any

import torch
from torch import Tensor

from .posterior import Expectations
from .potentials import Potentials
from .recursions import ForwardBackward


def log_likelihood(p: Potentials, tags: Tensor) -> Tensor:
    """The log-probability of each sequence's tags.

    p (Potentials): The scores.
    tags (Tensor): (N,) int64, a tag id for each token.
    RETURNS (Tensor): (B,) float64, 0 for an empty sequence.
    """
    return _LogLikelihood.apply(p.emissions, p.start, p.transitions, p.end, p.lengths, tags)


def log_partition(p: Potentials) -> Tensor:
    """The log-partition: the log of the sum of exp(score) over all tag sequences. Its gradient is
    the marginals of tags and of pairs of tags.

    p (Potentials): The scores.
    RETURNS (Tensor): (B,) float64, 0 for an empty sequence: its only tag sequence has score 0.
    """
    return _LogPartition.apply(p.emissions, p.start, p.transitions, p.end, p.lengths)


def cross_entropy(p: Potentials, expected: Expectations) -> Tensor:
    """The cross-entropy between another distribution over tag sequences and the CRF's: the expected
    negative log-probability of a tag sequence drawn from the other distribution.

    Wang et al. (2021), "Structural knowledge distillation: tractably distilling information for
    structured predictor". It is lowest where both distributions have the same expectations, since
    its gradient is the difference between them (Hinton et al. 2015, "Distilling the knowledge in a
    neural network").

    p (Potentials): The scores.
    expected (Expectations): The expectations of the other distribution. All of its tag sequences
        must be possible under the scores.
    RETURNS (Tensor): (B,) float64, 0 for an empty sequence.
    """
    return _CrossEntropy.apply(p.emissions, p.start, p.transitions, p.end, p.lengths, *expected)


@torch.no_grad()
def entropy(p: Potentials) -> Tensor:
    """The entropy of each sequence's distribution over tag sequences, by forward-backward.

    It is 0 if only one tag sequence is possible, and the log of their number if all are equally
    probable (Hernando et al. 2005, "Efficient computation of the hidden Markov model entropy for a
    given observation sequence"; Mann and McCallum 2007).

    p (Potentials): The scores.
    RETURNS (Tensor): (B,) float64, in nats.
    """
    p = p.precise()
    passes = ForwardBackward(p)
    expected = Expectations(*passes.expectations())
    # It is the log-partition less the expected score. Rounding may make it negative.
    return (passes.log_z - _expected_scores(p, expected)).clamp(min=0)


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *scores_and_lengths: Tensor) -> Tensor:
        ctx.potentials = _potentials(*scores_and_lengths)
        ctx.passes = ForwardBackward(ctx.potentials)
        return ctx.passes.log_z

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor | None, ...]:
        p: Potentials = ctx.potentials
        return (*_gradients(p, *ctx.passes.posteriors(weights[p.sequences])), None)


class _LogLikelihood(torch.autograd.Function):
    """One function. As a difference of two, each would have a full-size gradient of its own."""

    @staticmethod
    def forward(ctx: Any, *scores_and_lengths_and_tags: Tensor) -> Tensor:
        *scores_and_lengths, ctx.tags = scores_and_lengths_and_tags
        ctx.potentials = _potentials(*scores_and_lengths)
        ctx.passes = ForwardBackward(ctx.potentials)
        return ctx.potentials.path_scores(ctx.tags) - ctx.passes.log_z

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor | None, ...]:
        p: Potentials = ctx.potentials
        weights = weights[p.sequences]
        tags, pairs = ctx.passes.posteriors(-weights)
        tags.scatter_add_(1, ctx.tags[:, None], weights[:, None].to(tags.dtype))
        weights = weights[1:] * p.follows[1:]
        # Not bincount, which waits for the GPU to report the largest index.
        found = pairs.new_zeros(pairs.numel())
        found.index_add_(0, p.pairs_of(ctx.tags), weights.to(pairs.dtype))
        return (*_gradients(p, tags, pairs + found.view_as(pairs)), None, None)


class _CrossEntropy(torch.autograd.Function):
    """One function, for the same reason as the log-likelihood."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        *scores_and_lengths, tags, pairs = inputs
        ctx.potentials = _potentials(*scores_and_lengths)
        ctx.expected = Expectations(tags, pairs)
        ctx.passes = ForwardBackward(ctx.potentials)
        return ctx.passes.log_z - _expected_scores(ctx.potentials, ctx.expected)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor | None, ...]:
        p, expected = ctx.potentials, ctx.expected
        tags, pairs = ctx.passes.posteriors(weights[p.sequences])
        tags = tags - weights[p.sequences, None] * expected.tags
        pairs = pairs - torch.tensordot(weights.to(expected.pairs), expected.pairs, 1)
        return (*_gradients(p, tags, pairs), None, None, None)


def _expected_scores(p: Potentials, expected: Expectations) -> Tensor:
    """(B,) float64. Forbidden tags and transitions have scores too, but expected counts of 0."""
    tags = expected.tags.double()
    scores = (tags * p.emissions).sum(1)
    scores = scores.index_add(0, p.firsts, tags[p.firsts] @ p.start.double())
    scores = scores.index_add(0, p.lasts, tags[p.lasts] @ p.end.double())
    pairs = (expected.pairs.double() * p.transitions).sum((1, 2))
    return pairs.index_add(0, p.sequences, scores)


def _gradients(p: Potentials, tags: Tensor, pairs: Tensor) -> tuple[Tensor, ...]:
    """The gradients of emissions, start, transitions and end, each in its own precision, from those
    of each token's tags (N, C) and of pairs of tags (C, C)."""
    return (
        tags.to(p.emissions.dtype),
        tags[p.firsts].sum(0).to(p.start.dtype),
        pairs.to(p.transitions.dtype),
        tags[p.lasts].sum(0).to(p.end.dtype),
    )


def _potentials(
    emissions: Tensor, start: Tensor, transitions: Tensor, end: Tensor, lengths: Tensor
) -> Potentials:
    return Potentials(emissions, lengths, start, transitions, end)
