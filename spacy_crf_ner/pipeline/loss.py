"""The loss of `crf_ner`: the negative log-likelihood of the known tags, soft targets, and
regularization."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
import torch
from spacy.training import Example
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor
from torch.nn import functional as F

from ..crf import Potentials, log_likelihood, log_partition
from ..layers.device import upload
from ..tags import MISSING, TagSet
from .constraints import constrain, require_span
from .gold import IncorrectSpan, gold_tags
from .soft_targets import mix_soft_targets


class Regularization(NamedTuple):
    """What training adds to the negative log-likelihood, see `make_regularization`."""

    token_cross_entropy: float = 0.0
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0
    rdrop_alpha: float = 0.0
    adversarial_epsilon: float = 0.0


NO_REGULARIZATION = Regularization()


def make_regularization(
    token_cross_entropy: float = 0.0,
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
    rdrop_alpha: float = 0.0,
    adversarial_epsilon: float = 0.0,
) -> Regularization:
    """What training adds to the negative log-likelihood. All of it is off by default.

    token_cross_entropy (float): The weight of the cross-entropy of each token's tag under the
        emissions alone.
    label_smoothing (float): The share of that cross-entropy's target that is spread over all tags
        (Szegedy et al. 2016).
    focal_gamma (float): The exponent by which that cross-entropy counts easy tokens less (Lin et
        al. 2017, "Focal loss").
    rdrop_alpha (float): The weight of the divergence between two forward passes with different
        dropout (Liang et al. 2021, "R-Drop"), measured between the emissions' distributions.
        Training takes twice the time.
    adversarial_epsilon (float): How far the embeddings are moved in the direction in which the loss
        grows fastest, for a second forward pass over each batch (Miyato et al. 2017, "Adversarial
        training methods for semi-supervised text classification"): the mean length of the move for
        each token. Training takes nearly twice the time.
    RETURNS (Regularization): For the setting `regularization` of `crf_ner`.
    RAISES: ValueError for negative values, and for settings that have no effect or no meaning
        together.
    """
    values = Regularization(
        token_cross_entropy, label_smoothing, focal_gamma, rdrop_alpha, adversarial_epsilon
    )
    for name, value in values._asdict().items():
        if value < 0:
            raise ValueError(f"regularization: {name} must not be negative, got {value}.")
    if label_smoothing >= 1:
        raise ValueError(f"regularization: label_smoothing must be below 1, got {label_smoothing}.")
    if (label_smoothing or focal_gamma) and not token_cross_entropy:
        raise ValueError(
            "regularization: label_smoothing and focal_gamma change the token cross-entropy, which "
            "has no weight. Set token_cross_entropy, for example to 1."
        )
    if rdrop_alpha and adversarial_epsilon:
        raise ValueError("regularization: set rdrop_alpha or adversarial_epsilon, not both.")
    return values


def batch_loss(
    potentials: Potentials,
    examples: Sequence[Example],
    tag_set: TagSet,
    incorrect: Sequence[IncorrectSpan],
    settings: Regularization,
) -> Tensor:
    """The loss of a batch, apart from what compares two forward passes.

    potentials (Potentials): The scores, without constraints.
    examples (Sequence[Example]): The batch, with soft targets or without.
    tag_set (TagSet): The tags.
    incorrect (Sequence[IncorrectSpan]): The spans that are known to be no entities.
    settings (Regularization): What is added.
    RETURNS (Tensor): A float64 scalar, in nats: the mean over documents.
    RAISES: ValueError if a gold label is not in the tag set, or if soft targets have other tags or
        another number of tokens.
    """
    tags = np.concatenate([gold_tags(eg, tag_set) for eg in examples])
    loss = negative_log_likelihood(potentials, tags, tag_set, incorrect)
    if settings.token_cross_entropy:
        known = upload(tags, potentials.emissions.device)
        losses = settings.token_cross_entropy * token_losses(potentials.emissions, known, settings)
        loss = loss.index_add(0, potentials.sequences, losses.double())
    return mix_soft_targets(loss, potentials, examples, tag_set).mean()


def negative_log_likelihood(
    potentials: Potentials,
    tags: np.ndarray,
    tag_set: TagSet,
    incorrect: Sequence[IncorrectSpan] = (),
) -> Tensor:
    """The negative log-probability of what is known of each sequence.

    Tokens whose tag is unknown are marginalised: the probability is that of all tag sequences that
    agree with the known tags (Tsuboi et al. 2008, "Training conditional random fields using
    incomplete annotations"). For a span that is known to be no entity, the negative log-probability
    that it is none is added.

    potentials (Potentials): The scores, without constraints.
    tags (np.ndarray): (N,) int64 tag ids, or MISSING.
    tag_set (TagSet): The tags.
    incorrect (Sequence[IncorrectSpan]): The spans that are known to be no entities.
    RETURNS (Tensor): (B,) float64, in nats.
    """
    legal = constrain(potentials, tag_set)
    if (tags == MISSING).any():
        allowed = (tags[:, None] == np.arange(len(tag_set))) | (tags == MISSING)[:, None]
        agreeing = log_partition(constrain(potentials, tag_set, allowed))
        loss = log_partition(legal) - agreeing
    else:
        loss = -log_likelihood(legal, upload(tags, potentials.emissions.device))
    if incorrect:
        log_z = log_partition(legal)
        sequences = upload(np.array([span.sequence for span in incorrect]), log_z.device)
        log_p = log_partition(_with_spans(legal, tag_set, incorrect)) - log_z[sequences]
        # log(1 - p), also for p near 0. It must stay finite for a p that rounds to 1.
        none = torch.log(-torch.expm1(log_p.clamp(max=-1e-9)))
        loss = loss.index_add(0, sequences, -none)
    return loss


def token_losses(emissions: Tensor, tags: Tensor, settings: Regularization) -> Tensor:
    """The cross-entropy of each token's tag under its emissions.

    emissions (Tensor): (N, C).
    tags (Tensor): (N,) int64 tag ids, or MISSING for tokens that do not count.
    settings (Regularization): Label smoothing and the focal loss's gamma.
    RETURNS (Tensor): (N,), in nats; 0 for tokens that do not count.
    """
    losses = F.cross_entropy(
        emissions,
        tags,
        ignore_index=MISSING,
        label_smoothing=settings.label_smoothing,
        reduction="none",
    )
    if settings.focal_gamma:
        known = F.log_softmax(emissions, 1).gather(1, tags.clamp(min=0)[:, None])[:, 0]
        losses = losses * (1 - known.exp()) ** settings.focal_gamma
    return losses


def divergence(first: Floats2d, second: Floats2d) -> tuple[float, Floats2d, Floats2d]:
    """The divergence between the emissions of two forward passes: the mean of the Kullback-Leibler
    divergences of their distributions in both directions, summed over tokens.

    first (Floats2d): (N, C).
    second (Floats2d): (N, C).
    RETURNS (tuple[float, Floats2d, Floats2d]): The divergence, in nats, and its gradients.
    """
    inputs = [xp2torch(emissions, requires_grad=True) for emissions in (first, second)]
    p, q = (F.log_softmax(emissions, 1) for emissions in inputs)
    value = ((p.exp() - q.exp()) * (p - q)).sum() / 2
    d_first, d_second = torch.autograd.grad(value, inputs)
    return value.item(), cast(Floats2d, torch2xp(d_first)), cast(Floats2d, torch2xp(d_second))


def _with_spans(legal: Potentials, tag_set: TagSet, spans: Sequence[IncorrectSpan]) -> Potentials:
    """For each span its sequence again, with only the tag sequences that have it as an entity."""
    lengths = legal.lengths.tolist()
    firsts = (legal.lengths.cumsum(0) - legal.lengths).tolist()
    rows: list[np.ndarray] = []
    allowed: list[np.ndarray] = []
    for sequence, start, end, label in spans:
        rows.append(np.arange(firsts[sequence], firsts[sequence] + lengths[sequence]))
        allowed.append(np.ones((lengths[sequence], len(tag_set)), dtype=bool))
        require_span(allowed[-1], tag_set, start, end, label)
    index = upload(np.concatenate(rows), legal.emissions.device)
    once_more = replace(
        legal,
        emissions=legal.emissions[index],
        lengths=torch.tensor([len(row) for row in rows]),
    )
    return constrain(once_more, tag_set, np.concatenate(allowed))
