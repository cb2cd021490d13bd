"""The loss of `crf_ner`: how improbable the scores make what is known of the tags."""

from dataclasses import replace
from typing import NamedTuple, Optional, Sequence

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
    tags: Tensor,
    tag_set: TagSet,
    incorrect: Sequence[IncorrectSpan] = (),
) -> Tensor:
    """The negative log-probability of what is known of each sequence.

    Tokens whose tag is not known are marginalised: the probability is that of all taggings that
    agree with what is known (Tsuboi et al. 2008, "Training conditional random fields using
    incomplete annotations"). A span that is known to be no entity adds the negative
    log-probability that it is none.

    potentials (Potentials): The scores, as yet without constraints.
    tags (Tensor): (N,) int64 tag ids, or MISSING.
    tag_set (TagSet): The tags.
    incorrect (Sequence[IncorrectSpan]): The spans that are no entities.
    RETURNS (Tensor): (B,) float64, in nats.
    """
    legal = constrain(potentials, tag_set)
    if (tags == MISSING).any():
        known = torch.nn.functional.one_hot(tags.clamp(min=0), len(tag_set)).bool()
        allowed = known | (tags == MISSING)[:, None]
        agreeing = log_partition(constrain(potentials, tag_set, allowed))
        loss = log_partition(legal) - agreeing
    else:
        loss = -log_likelihood(legal, tags)
    if incorrect:
        log_z = log_partition(legal)
        sequences = torch.tensor([span.sequence for span in incorrect], device=log_z.device)
        log_p = log_partition(_with_spans(legal, tag_set, incorrect)) - log_z[sequences]
        # log(1 - p), also for p near 0. It must stay finite for a p that rounds to 1.
        none = torch.log(-torch.expm1(log_p.clamp(max=-1e-9)))
        loss = loss.index_add(0, sequences, -none)
    return loss


def constrain(p: Potentials, tag_set: TagSet, allowed: Optional[Tensor] = None) -> Potentials:
    """Make what the tag scheme does not allow impossible.

    p (Potentials): The scores.
    tag_set (TagSet): The tags.
    allowed (Optional[Tensor]): (N, C) bool: the tags that each token may have; None for all.
    RETURNS (Potentials): The scores of legal taggings only.
    """
    masks = (tag_set.legal_starts, tag_set.legal_transitions, tag_set.legal_ends)
    device = p.emissions.device
    return p.constrained(*(torch.from_numpy(mask).to(device) for mask in masks), allowed=allowed)


def _with_spans(legal: Potentials, tag_set: TagSet, spans: Sequence[IncorrectSpan]) -> Potentials:
    """For each span its sequence once more, with only the taggings in which it is an entity."""
    ends = legal.lengths.cumsum(0).tolist()
    goes_on = torch.from_numpy(tag_set.continues)
    rows, allowed = [], []
    for span in spans:
        end = ends[span.sequence]
        first = end - int(legal.lengths[span.sequence])
        mask = torch.ones(end - first, len(tag_set), dtype=torch.bool)
        length = span.end - span.start
        inside = range(span.start - first, span.end - first)
        mask[inside] = False
        mask[list(inside), tag_set.from_spans([(0, length, span.label)], length)] = True
        mask[inside.stop : inside.stop + 1, goes_on] = False
        rows.append(torch.arange(first, end))
        allowed.append(mask)
    index = torch.cat(rows).to(legal.emissions.device)
    once_more = replace(
        legal,
        emissions=legal.emissions[index],
        lengths=torch.tensor([len(row) for row in rows]),
    )
    everything = torch.ones_like(legal.transitions, dtype=torch.bool)
    mask = torch.cat(allowed).to(index.device)
    return once_more.constrained(everything[0], everything, everything[0], mask)
