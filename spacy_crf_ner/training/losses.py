"""What may be added to the likelihood in training. All of it is off by default."""

from typing import NamedTuple, Tuple, cast

import torch
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from ..gold import MISSING


class Extras(NamedTuple):
    """What is added to the negative log-likelihood of a CRF, see `extras`."""

    cross_entropy: float = 0.0
    label_smoothing: float = 0.0
    focusing: float = 0.0
    consistency: float = 0.0
    perturbation: float = 0.0


NO_EXTRAS = Extras()


def extras(
    cross_entropy: float = 0.0,
    label_smoothing: float = 0.0,
    focusing: float = 0.0,
    consistency: float = 0.0,
    perturbation: float = 0.0,
) -> Extras:
    """What to add to the negative log-likelihood.

    cross_entropy (float): The weight of the tokens' cross-entropy under the emissions alone, which
        makes them say by themselves what the tag is.
    label_smoothing (float): How much of the target of that cross-entropy is spread over all tags
        (Szegedy et al. 2016).
    focusing (float): The exponent by which that cross-entropy counts tokens less that are easy
        (Lin et al. 2017, "Focal loss").
    consistency (float): The weight of the divergence between two passes with different dropout
        (Liang et al. 2021, "R-Drop"), measured between the emissions' distributions. Training
        takes twice the time.
    perturbation (float): How far to move the embeddings to where they hurt most, for a second pass
        over each batch (Miyato et al. 2017, "Adversarial training methods for semi-supervised text
        classification"): the length of the move, for each token on average. Training takes nearly
        twice the time.
    RETURNS (Extras): For the setting `extras` of `crf_ner`.
    RAISES: ValueError for what is negative, or has no effect or no meaning together.
    """
    values = Extras(cross_entropy, label_smoothing, focusing, consistency, perturbation)
    for name, value in values._asdict().items():
        if value < 0:
            raise ValueError(f"extras: {name} must not be negative, got {value}.")
    if label_smoothing >= 1:
        raise ValueError(f"extras: label_smoothing must be below 1, got {label_smoothing}.")
    if (label_smoothing or focusing) and not cross_entropy:
        raise ValueError(
            "extras: label_smoothing and focusing are about the cross-entropy, which has no "
            "weight. Set cross_entropy, such as to 1."
        )
    if consistency and perturbation:
        raise ValueError("extras: set either consistency or perturbation, not both.")
    return values


def token_loss(emissions: Tensor, tags: Tensor, settings: Extras) -> Tensor:
    """The cross-entropy of each token.

    emissions (Tensor): (N, C).
    tags (Tensor): (N,) int64 tag ids, or MISSING for those that do not count.
    settings (Extras): The smoothing and the focusing.
    RETURNS (Tensor): (N,), in nats; 0 for those that do not count.
    """
    losses = cross_entropy(
        emissions,
        tags,
        ignore_index=MISSING,
        label_smoothing=settings.label_smoothing,
        reduction="none",
    )
    if settings.focusing:
        known = log_softmax(emissions, 1).gather(1, tags.clamp(min=0)[:, None])[:, 0]
        losses = losses * (1 - known.exp()) ** settings.focusing
    return losses


def divergence(first: Floats2d, second: Floats2d) -> Tuple[float, Floats2d, Floats2d]:
    """How far the emissions of two passes are apart: the mean of the Kullback-Leibler divergences
    of their distributions in both directions, summed over tokens.

    first (Floats2d): (N, C).
    second (Floats2d): (N, C).
    RETURNS (Tuple[float, Floats2d, Floats2d]): It, in nats, and its gradients.
    """
    inputs = [xp2torch(emissions, requires_grad=True) for emissions in (first, second)]
    p, q = (log_softmax(emissions, 1) for emissions in inputs)
    value = ((p.exp() - q.exp()) * (p - q)).sum() / 2
    d_first, d_second = torch.autograd.grad(value, inputs)
    return value.item(), cast(Floats2d, torch2xp(d_first)), cast(Floats2d, torch2xp(d_second))
