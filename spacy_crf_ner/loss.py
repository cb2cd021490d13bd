"""The loss of `crf_ner`: how improbable the scores make what is known of the tags."""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from .crf import Potentials, log_likelihood, log_partition
from .gold import MISSING
from .tags import TagSet


class IncorrectSpan(NamedTuple):
    """A span that is known to be no entity: tokens from start to before end, counted through the
    batch, of one sequence of it; and the label that it does not have."""

    sequence: int
    start: int
    end: int
    label: str


def negative_log_likelihood(
    potentials: Potentials,
    tags: np.ndarray,
    tag_set: TagSet,
    incorrect: Sequence[IncorrectSpan] = (),
) -> Tensor:
    """The negative log-probability of what is known of each sequence.

    Tokens whose tag is not known are marginalised: the probability is that of all taggings that
    agree with what is known (Tsuboi et al. 2008, "Training conditional random fields using
    incomplete annotations"). A span that is known to be no entity adds the negative
    log-probability that it is none.

    potentials (Potentials): The scores, as yet without constraints.
    tags (np.ndarray): (N,) int64 tag ids, or MISSING.
    tag_set (TagSet): The tags.
    incorrect (Sequence[IncorrectSpan]): The spans that are no entities.
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


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to a device without waiting for what the device has still to do.

    array (np.ndarray): The array.
    device (torch.device): The device.
    RETURNS (Tensor): The same as a tensor.
    """
    return torch.from_numpy(array).to(device, non_blocking=True)


def constrain(p: Potentials, tag_set: TagSet, allowed: Optional[np.ndarray] = None) -> Potentials:
    """Make what the tag scheme does not allow impossible.

    p (Potentials): The scores.
    tag_set (TagSet): The tags.
    allowed (Optional[np.ndarray]): (N, C) bool: the tags that each token may have; None for all.
    RETURNS (Potentials): The scores of legal taggings only.
    """
    device = p.emissions.device
    mask = None if allowed is None else upload(allowed, device)
    return p.constrained(*_legal(tag_set, device), allowed=mask)


@lru_cache
def _legal(tag_set: TagSet, device: torch.device) -> Tuple[Tensor, Tensor, Tensor]:
    return (
        upload(tag_set.legal_starts, device),
        upload(tag_set.legal_transitions, device),
        upload(tag_set.legal_ends, device),
    )


def _with_spans(legal: Potentials, tag_set: TagSet, spans: Sequence[IncorrectSpan]) -> Potentials:
    """For each span its sequence once more, with only the taggings in which it is an entity."""
    ends = legal.lengths.cumsum(0).tolist()
    rows, allowed = [], []
    for span in spans:
        end = ends[span.sequence]
        first = end - int(legal.lengths[span.sequence])
        mask = np.ones((end - first, len(tag_set)), dtype=bool)
        length = span.end - span.start
        inside = range(span.start - first, span.end - first)
        mask[inside] = False
        mask[list(inside), tag_set.from_spans([(0, length, span.label)], length)] = True
        mask[inside.stop : inside.stop + 1, tag_set.continues] = False
        rows.append(np.arange(first, end))
        allowed.append(mask)
    index = upload(np.concatenate(rows), legal.emissions.device)
    once_more = replace(
        legal,
        emissions=legal.emissions[index],
        lengths=torch.tensor([len(row) for row in rows]),
    )
    return constrain(once_more, tag_set, np.concatenate(allowed))
