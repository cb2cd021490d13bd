"""Learning from a distribution over taggings, such as another CRF's, in place of one tagging.

Wang et al. (2021), "Structural knowledge distillation: tractably distilling information for
structured predictor".
"""

from typing import Any, NamedTuple, Optional, Tuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from . import recursions
from .inference import gradients
from .potentials import Potentials


class Expectations(NamedTuple):
    """How often tags and pairs of tags are to be expected in B sequences of N tokens, under any
    distribution over their taggings. Nothing else of it matters to a linear-chain CRF.

    tags (Tensor): (N, C), the probability of each tag of each token.
    pairs (Tensor): (B, C, C); [b, i, j] is how often tag j is right after tag i in sequence b.
    """

    tags: Tensor
    pairs: Tensor

    def with_more_tags(self, n_tags: int) -> "Expectations":
        """The same of a distribution that has further tags, which are never there.

        n_tags (int): The number of tags, those that there are among them.
        RETURNS (Expectations): The same, with zeros.
        """
        more = n_tags - self.tags.shape[1]
        return Expectations(pad(self.tags, (0, more)), pad(self.pairs, (0, more, 0, more)))


@torch.no_grad()
def expectations(potentials: Potentials) -> Expectations:
    """What a CRF itself expects, by forward-backward.

    potentials (Potentials): The scores.
    RETURNS (Expectations): In float64 on the CPU, elsewhere in float32 or better.
    """
    return Expectations(*recursions.Sums(potentials.precise()).expectations())


def cross_entropy(p: Potentials, expected: Expectations) -> Tensor:
    """The cross-entropy between another distribution over taggings and the CRF's: the negative
    log-probability of a tagging, to be expected if taggings are drawn from the other.

    It is least where both expect the same, for its gradient is the difference (Hinton et al. 2015,
    "Distilling the knowledge in a neural network").

    p (Potentials): The scores.
    expected (Expectations): Of the other distribution, which has only taggings that are possible.
    RETURNS (Tensor): (B,) float64, in nats, 0 for an empty sequence.
    """
    return _CrossEntropy.apply(p.emissions, p.start, p.transitions, p.end, p.lengths, *expected)


class _CrossEntropy(torch.autograd.Function):
    """In one, as the log-likelihood is."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        emissions, start, transitions, end, lengths, *expected = inputs
        ctx.potentials = Potentials(emissions, lengths, start, transitions, end)
        ctx.expected = Expectations(*expected)
        ctx.sums = recursions.Sums(ctx.potentials)
        return ctx.sums.log_z - _expected_scores(ctx.potentials, ctx.expected)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Tensor) -> Tuple[Optional[Tensor], ...]:
        p, expected = ctx.potentials, ctx.expected
        tags, pairs = ctx.sums.posteriors(weights[p.sequences])
        tags = tags - weights[p.sequences, None] * expected.tags
        pairs = pairs - torch.tensordot(weights.to(expected.pairs), expected.pairs, 1)
        return (*gradients(p, tags, pairs), None, None, None)


def _expected_scores(p: Potentials, expected: Expectations) -> Tensor:
    """(B,) float64. What is impossible has a score as well, of which there is nothing: 0 times."""
    tags = expected.tags.double()
    scores = (tags * p.emissions).sum(1)
    scores = scores.index_add(0, p.firsts, tags[p.firsts] @ p.start.double())
    scores = scores.index_add(0, p.lasts, tags[p.lasts] @ p.end.double())
    pairs = (expected.pairs.double() * p.transitions).sum((1, 2))
    return pairs.index_add(0, p.sequences, scores)
