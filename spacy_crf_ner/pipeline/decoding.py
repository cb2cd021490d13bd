"""From potentials to entities: decoding, and the exact probabilities of spans."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor

from ..crf import Posterior, Potentials, best_tags, k_best_tags
from ..tags import Span, TagSet

Decoding = Literal["viterbi", "entities"]
# The minimum threshold for the decoding "entities". Below it, nearly every span is examined.
MIN_THRESHOLD = 0.01


class Entity(NamedTuple):
    """A predicted entity.

    start (int): Its first token.
    end (int): The token after its last one.
    label (str): Its label.
    confidence (float | None): The probability that exactly these tokens are an entity of this
        label; None if it was not computed.
    """

    start: int
    end: int
    label: str
    confidence: float | None = None


def find_entities(
    legal: Potentials,
    tag_set: TagSet,
    decoding: Decoding,
    threshold: float,
    *,
    with_confidence: bool,
) -> list[list[Entity]]:
    """Decode a batch.

    legal (Potentials): The scores of legal tag sequences.
    tag_set (TagSet): The tags.
    decoding (Decoding): See `factory.make_crf_ner`.
    threshold (float): For the decoding "entities", the probability that an entity must exceed.
        "viterbi" does not use it.
    with_confidence (bool): Whether "viterbi" computes confidences. "entities" always does.
    RETURNS (list[list[Entity]]): The entities of each sequence, in order.
    """
    if decoding == "entities":
        return best_entities(legal, tag_set, max(threshold, MIN_THRESHOLD))
    tags = best_tags(legal)
    spans = split_tags(tags, legal.lengths, tag_set)
    if with_confidence:
        return add_confidences(legal, tags, spans, tag_set)
    return [[Entity(*span) for span in of_sequence] for of_sequence in spans]


def split_tags(tags: Tensor, lengths: Tensor, tag_set: TagSet) -> list[list[Span]]:
    """The spans of each sequence of a batch.

    tags (Tensor): (N,) int64 tag ids, legal.
    lengths (Tensor): (B,) int64 on the CPU.
    tag_set (TagSet): The tags.
    RETURNS (list[list[Span]]): The spans of each sequence, counted from its first token.
    """
    parts = tags.cpu().split(lengths.tolist())
    return [tag_set.to_spans(part.numpy()) for part in parts]


def add_confidences(
    legal: Potentials, tags: Tensor, spans: Sequence[Sequence[Span]], tag_set: TagSet
) -> list[list[Entity]]:
    """Compute the exact probability of each span of a tag sequence.

    legal (Potentials): The scores of legal tag sequences.
    tags (Tensor): (N,) int64, the tags.
    spans (Sequence[Sequence[Span]]): Their spans, from `split_tags`.
    tag_set (TagSet): The tags.
    RETURNS (list[list[Entity]]): The spans with their confidences.
    """
    tags = tags.cpu()
    offsets = (legal.lengths.cumsum(0) - legal.lengths).tolist()
    bounds = [
        (offset + start, offset + end)
        for offset, of_sequence in zip(offsets, spans)
        for start, end, _ in of_sequence
    ]
    starts, ends = torch.tensor(bounds, dtype=torch.long).view(-1, 2).T
    goes_on = torch.from_numpy(tag_set.continues)
    probabilities = Posterior(legal).cpu().segments(starts, ends, tags, goes_on)
    # Rounding may make a sum exceed 1.
    confidences = iter(probabilities.clamp(max=1.0).tolist())
    return [[Entity(*span, next(confidences)) for span in of_sequence] for of_sequence in spans]


def alternatives(legal: Potentials, tag_set: TagSet, k: int) -> list[tuple[float, list[Entity]]]:
    """The k most probable sets of entities of one sequence.

    legal (Potentials): The scores of the legal tag sequences of a single sequence.
    tag_set (TagSet): The tags.
    k (int): The number of sets, at least 1.
    RETURNS (list[tuple[float, list[Entity]]]): At most k sets, the most probable first, each with
        its probability among all possible sets.
    """
    tags, probabilities = k_best_tags(legal, k)
    return [
        (probability, [Entity(*span) for span in tag_set.to_spans(path)])
        for probability, path in zip(probabilities[0].tolist(), tags.T.cpu().numpy())
        if probability
    ]


def probable_spans(legal: Potentials, tag_set: TagSet, threshold: float) -> list[list[Entity]]:
    """All spans whose probability as an entity is at least `threshold`, on the best path or not.

    The search starts at each tag that may open an entity, and follows its continuations as long as
    they are probable enough: a longer prefix of a span is never more probable than a shorter one.

    legal (Potentials): The scores of legal tag sequences.
    tag_set (TagSet): The tags.
    threshold (float): The minimum probability, greater than 0.
    RETURNS (list[list[Entity]]): The spans of each sequence by position. They may overlap.
    RAISES: ValueError unless 0 < threshold <= 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be greater than 0 and at most 1, got {threshold}.")
    posterior = Posterior(legal).cpu()
    opens, goes_on = torch.from_numpy(tag_set.opens), torch.from_numpy(tag_set.continues)
    legal_ends = torch.from_numpy(tag_set.legal_ends)
    marginals = posterior.marginals.masked_fill(~opens, 0.0)
    starts, tags = (marginals >= threshold).nonzero().T
    logs, tokens = marginals[starts, tags].log(), starts
    is_last = torch.zeros(len(marginals), dtype=torch.bool)
    is_last[legal.lengths.cumsum(0)[legal.lengths > 0] - 1] = True
    found: list[tuple[int, int, str, float]] = []
    while len(tokens):
        # (M, C): the log-probability of each tag of the next token; -inf if there is no next token.
        more = ~is_last[tokens]
        following = torch.full((len(tokens), len(tag_set)), -torch.inf, dtype=logs.dtype)
        following[more] = posterior.given(tokens[more] + 1, tags[more])
        # The entity ends here: the sequence ends, or the next tag does not continue the entity.
        stops = torch.where(goes_on, -torch.inf, following).logsumexp(1)
        closed = logs + torch.where(more, stops, 0.0)
        done = legal_ends[tags] & (closed.exp() >= threshold)
        found += zip(
            starts[done].tolist(),
            (tokens[done] + 1).tolist(),
            (tag_set.tags[tag][2:] for tag in tags[done].tolist()),
            closed[done].exp().clamp(max=1.0).tolist(),
        )
        # Or the entity continues.
        longer = torch.where(goes_on, logs[:, None] + following, -torch.inf)
        which, next_tags = (longer.exp() >= threshold).nonzero().T
        logs, starts, tokens = longer[which, next_tags], starts[which], tokens[which] + 1
        tags = next_tags
    spans: list[list[Entity]] = [[] for _ in legal.lengths]
    offsets = (legal.lengths.cumsum(0) - legal.lengths).tolist()
    sequences = torch.repeat_interleave(legal.lengths).tolist()
    for start, end, label, probability in sorted(found):
        b = sequences[start]
        spans[b].append(Entity(start - offsets[b], end - offsets[b], label, probability))
    return spans


def best_entities(legal: Potentials, tag_set: TagSet, threshold: float) -> list[list[Entity]]:
    """The set of non-overlapping spans that maximizes the sum of probability - threshold.

    It has the highest expected F1 if the threshold is half of that F1 (Lipton et al. 2014, "Optimal
    Thresholding of Classifiers to Maximize F1 Measure"): an entity raises the expected F1 only if
    it is more probable than the threshold.

    legal (Potentials): The scores of legal tag sequences.
    tag_set (TagSet): The tags.
    threshold (float): The threshold, greater than 0.
    RETURNS (list[list[Entity]]): The entities of each sequence, in order.
    RAISES: ValueError unless 0 < threshold <= 1.
    """
    return [
        without_overlaps(spans, threshold) for spans in probable_spans(legal, tag_set, threshold)
    ]


def without_overlaps(spans: list[Entity], threshold: float) -> list[Entity]:
    """Choose the spans of a sequence that `best_entities` returns, by weighted interval scheduling
    (Kleinberg and Tardos 2005, 6.1).

    spans (list[Entity]): The spans that are probable enough, with confidences.
    threshold (float): The threshold.
    RETURNS (list[Entity]): Those of the best set, in order.
    """
    spans = sorted(spans, key=lambda span: span.end)
    # Nearly always.
    if all(one.end <= other.start for one, other in pairwise(spans)):
        return [span for span in spans if cast(float, span.confidence) > threshold]
    ends = [span.end for span in spans]
    # For the first i spans: the best sum; and the number of spans that end before the last of them
    # begins, or -1 if that one is not in the best set.
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
