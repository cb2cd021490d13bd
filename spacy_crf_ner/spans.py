"""Probabilities of entities: from the posterior over tags to spans with labels."""

from bisect import bisect_right
from typing import List, NamedTuple, Optional, Sequence, Tuple, cast

import torch
from torch import Tensor

from .crf import Posterior, Potentials
from .tags import Span, TagSet


class Entity(NamedTuple):
    """An entity that was found: tokens from start to before end, its label, and the probability
    that just these tokens are an entity of this label, if it was asked for."""

    start: int
    end: int
    label: str
    confidence: Optional[float] = None


def split_tags(tags: Tensor, lengths: Tensor, tag_set: TagSet) -> List[List[Span]]:
    """The spans of each sequence of a batch.

    tags (Tensor): (N,) int64, legal.
    lengths (Tensor): (B,) int64 on the CPU.
    tag_set (TagSet): The tags.
    RETURNS (List[List[Span]]): For each sequence its spans, counted from its first token.
    """
    parts = tags.cpu().split(lengths.tolist())
    return [tag_set.to_spans(part.numpy()) for part in parts]


def with_confidences(
    legal: Potentials, tags: Tensor, spans: Sequence[Sequence[Span]], tag_set: TagSet
) -> List[List[Entity]]:
    """Give each span of a tagging the exact probability that it is an entity.

    legal (Potentials): The scores of legal taggings.
    tags (Tensor): (N,) int64, the tagging.
    spans (Sequence[Sequence[Span]]): Its spans, as of `split_tags`.
    tag_set (TagSet): The tags.
    RETURNS (List[List[Entity]]): The same with confidences.
    """
    tags = tags.cpu()
    offsets = (legal.lengths.cumsum(0) - legal.lengths).tolist()
    bounds = [
        (offset + start, offset + end)
        for offset, some in zip(offsets, spans)
        for start, end, _ in some
    ]
    starts, ends = torch.tensor(bounds, dtype=torch.long).view(-1, 2).T
    goes_on = torch.from_numpy(tag_set.continues)
    probabilities = Posterior(legal).cpu().segments(starts, ends, tags, goes_on)
    # Rounding may bring a sum above 1.
    confidences = iter(probabilities.clamp(max=1.0).tolist())
    return [[Entity(*span, next(confidences)) for span in some] for some in spans]


def probable_spans(legal: Potentials, tag_set: TagSet, threshold: float) -> List[List[Entity]]:
    """All spans that are entities with some probability, on the best path or not.

    From each tag that may open an entity the only way through its tags is followed, as long as it
    is probable enough: what has become improbable cannot get more probable again.

    legal (Potentials): The scores of legal taggings.
    tag_set (TagSet): The tags.
    threshold (float): The least probability, above 0.
    RETURNS (List[List[Entity]]): For each sequence its spans by position, which may overlap.
    RAISES: ValueError for a threshold that is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}.")
    posterior = Posterior(legal).cpu()
    opens, goes_on = torch.from_numpy(tag_set.opens), torch.from_numpy(tag_set.continues)
    legal_ends = torch.from_numpy(tag_set.legal_ends)
    marginals = posterior.marginals.masked_fill(~opens, 0.0)
    starts, tags = (marginals >= threshold).nonzero().T
    logs, tokens = marginals[starts, tags].log(), starts
    is_last = torch.zeros(len(marginals), dtype=torch.bool)
    is_last[legal.lengths.cumsum(0)[legal.lengths > 0] - 1] = True
    found: List[Tuple[int, int, str, float]] = []
    while len(tokens):
        # (M, C): the probability of each tag of the next token, 0 where there is none.
        more = ~is_last[tokens]
        following = torch.full((len(tokens), len(tag_set)), -torch.inf, dtype=logs.dtype)
        following[more] = posterior.given(tokens[more] + 1, tags[more])
        # Closed here: the sequence ends, or another tag than one that goes on follows.
        stops = torch.where(goes_on, -torch.inf, following).logsumexp(1)
        closed = logs + torch.where(more, stops, 0.0)
        done = legal_ends[tags] & (closed.exp() >= threshold)
        found += zip(
            starts[done].tolist(),
            (tokens[done] + 1).tolist(),
            (tag_set.tags[tag][2:] for tag in tags[done].tolist()),
            closed[done].exp().clamp(max=1.0).tolist(),
        )
        # Or gone on with.
        longer = torch.where(goes_on, logs[:, None] + following, -torch.inf)
        which, next_tags = (longer.exp() >= threshold).nonzero().T
        logs, starts, tokens = longer[which, next_tags], starts[which], tokens[which] + 1
        tags = next_tags
    spans: List[List[Entity]] = [[] for _ in legal.lengths]
    offsets = (legal.lengths.cumsum(0) - legal.lengths).tolist()
    sequences = torch.repeat_interleave(legal.lengths).tolist()
    for start, end, label, probability in sorted(found):
        b = sequences[start]
        spans[b].append(Entity(start - offsets[b], end - offsets[b], label, probability))
    return spans


def best_entities(legal: Potentials, tag_set: TagSet, threshold: float) -> List[List[Entity]]:
    """The spans that do not overlap and whose probabilities, each less a threshold, add up to most.

    Of all sets of entities it is the one with the highest F1 to be expected, if the threshold is
    half of that F1 (Lipton et al. 2014, "Optimal Thresholding of Classifiers to Maximize F1
    Measure"): an entity is worth its risk above it, and not below.

    legal (Potentials): The scores of legal taggings.
    tag_set (TagSet): The tags.
    threshold (float): It, above 0.
    RETURNS (List[List[Entity]]): For each sequence its entities, in order.
    RAISES: ValueError for a threshold that is not above 0 and at most 1.
    """
    return [
        _without_overlaps(spans, threshold) for spans in probable_spans(legal, tag_set, threshold)
    ]


def _without_overlaps(spans: List[Entity], threshold: float) -> List[Entity]:
    """Weighted interval scheduling (Kleinberg and Tardos 2005, 6.1) of spans with confidences."""
    spans = sorted(spans, key=lambda span: span.end)
    ends = [span.end for span in spans]
    # What the best choice among the first spans adds up to, and how many of them precede its last
    # one, if that is the last of these.
    best, precede = [0.0], [-1]
    for i, span in enumerate(spans):
        before = bisect_right(ends, span.start, 0, i)
        gain = best[before] + cast(float, span.confidence) - threshold
        best.append(max(best[i], gain))
        precede.append(before if gain > best[i] else -1)
    chosen, i = [], len(spans)
    while i:
        if precede[i] < 0:
            i -= 1
        else:
            chosen.append(spans[i - 1])
            i = precede[i]
    return chosen[::-1]
