"""The loss of `crf_ner`: the negative log-likelihood of the known tags, and soft targets."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from spacy.training import Example
from torch import Tensor

from ..crf import Potentials, log_likelihood, log_partition
from ..layers.device import upload
from ..tags import TagSet
from .constraints import constrain, require_span
from .gold import IncorrectSpan, gold_tags
from .partial import possible_tags
from .soft_targets import mix_soft_targets


def batch_loss(
    potentials: Potentials,
    examples: Sequence[Example],
    tag_set: TagSet,
    incorrect: Sequence[IncorrectSpan],
) -> Tensor:
    """The loss of a batch.

    potentials (Potentials): The scores, without constraints.
    examples (Sequence[Example]): The batch, with soft targets or without.
    tag_set (TagSet): The tags.
    incorrect (Sequence[IncorrectSpan]): The spans that are known not to be entities.
    RETURNS (Tensor): A float64 scalar, in nats: the mean over documents.
    RAISES: ValueError if a gold label is not in the tag set, or if soft targets have different tags
        or a different number of tokens.
    """
    tags = np.concatenate([gold_tags(eg, tag_set) for eg in examples])
    possible = possible_tags(examples, tags, tag_set)
    loss = negative_log_likelihood(potentials, possible, tag_set, incorrect)
    return mix_soft_targets(loss, potentials, examples, tag_set).mean()


def negative_log_likelihood(
    potentials: Potentials,
    possible: np.ndarray,
    tag_set: TagSet,
    incorrect: Sequence[IncorrectSpan] = (),
) -> Tensor:
    """The negative log-probability of what is known of each sequence's tags.

    What is unknown is marginalized: the probability is that of all tag sequences that agree with
    what is known (Tsuboi et al. 2008, "Training conditional random fields using incomplete
    annotations"). For a span that is known not to be an entity, the negative log-probability that
    it is not one is added.

    potentials (Potentials): The scores, without constraints.
    possible (np.ndarray): (N, C) bool: the tags that each token may have, see
        `partial.possible_tags`.
    tag_set (TagSet): The tags.
    incorrect (Sequence[IncorrectSpan]): The spans that are known not to be entities.
    RETURNS (Tensor): (B,) float64, in nats.
    """
    legal = constrain(potentials, tag_set)
    if (possible.sum(1) > 1).any():
        agreeing = log_partition(constrain(potentials, tag_set, possible))
        loss = log_partition(legal) - agreeing
    else:
        tags = possible.argmax(1)
        loss = -log_likelihood(legal, upload(tags, potentials.emissions.device))
    if incorrect:
        log_z = log_partition(legal)
        sequences = upload(np.array([span.sequence for span in incorrect]), log_z.device)
        log_p = log_partition(_with_spans(legal, tag_set, incorrect)) - log_z[sequences]
        # log(1 - p), accurate for p near 0. The clamp keeps it finite if p rounds to 1.
        none = torch.log(-torch.expm1(log_p.clamp(max=-1e-9)))
        loss = loss.index_add(0, sequences, -none)
    return loss


def _with_spans(legal: Potentials, tag_set: TagSet, spans: Sequence[IncorrectSpan]) -> Potentials:
    """Copy each span's sequence, and allow only tag sequences in which the span is an entity."""
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
