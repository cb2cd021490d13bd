"""The temperature: what scores are divided by, so that probabilities match what is correct."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..crf import Posterior, Potentials
from ..pipeline.decoding import probable_spans
from ..tags import Span, TagSet
from .gold import Batch, judge

# Less probable spans tell little about the confidences of those that are predicted.
LOWEST = 0.05
TEMPERATURES = 0.5, 4.0
# A normal prior on the logarithm, with a variance of 1 / (2 * PRIOR): 3 spans are worth a few nats,
# so that a handful of entities does not lead to an extreme temperature.
PRIOR = 3.0


class Layer(NamedTuple):
    """Spans of a batch that do not overlap, as `Posterior.segments` takes them.

    starts (Tensor): (M,) int64, the first token of each, counted from the first one of the batch.
    ends (Tensor): (M,) int64, one past the last token.
    tags (Tensor): (N,) int64, their tags; O elsewhere.
    """

    starts: Tensor
    ends: Tensor
    tags: Tensor


class Candidates(NamedTuple):
    """The spans of a batch that are probable enough, and known to be correct or wrong.

    legal (Potentials): The scores of legal tag sequences, at temperature 1.
    layers (list[Layer]): The spans.
    correct (Tensor): (M,) bool, in the order of the layers.
    """

    legal: Potentials
    layers: list[Layer]
    correct: Tensor


def fit_temperature(batches: Sequence[Batch], tag_set: TagSet) -> float:
    """Find the temperature at which the probabilities of spans have the least log loss (Guo et al.
    2017, "On calibration of modern neural networks").

    The likelihood of tag sequences has its maximum elsewhere: there, the tokens of an entity count
    for themselves, and so do the many tokens outside of entities.

    batches (Sequence[Batch]): Documents that the component was not trained on.
    tag_set (TagSet): The component's tags.
    RETURNS (float): The temperature; above 1 for a component that is overconfident.
    """
    from scipy.optimize import minimize_scalar

    candidates = [_find_candidates(batch, tag_set) for batch in batches]
    goes_on = torch.from_numpy(tag_set.continues)

    def loss(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        losses = (_log_loss(each, temperature, goes_on) for each in candidates)
        return sum(losses) + PRIOR * log_temperature**2

    options = {"xatol": 0.005}
    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options=options)
    return float(np.exp(found.x))


def _find_candidates(batch: Batch, tag_set: TagSet) -> Candidates:
    spans = probable_spans(batch.legal, tag_set, LOWEST)
    offsets = (batch.legal.lengths.cumsum(0) - batch.legal.lengths).tolist()
    judged = [
        ((offset + span.start, offset + span.end, span.label), is_correct)
        for offset, *of_doc in zip(offsets, spans, judge(batch, spans, tag_set))
        for span, is_correct in zip(*of_doc)
        if is_correct is not None
    ]
    groups = split_overlaps([span for span, _ in judged])
    is_correct = dict(judged)
    correct = [is_correct[span] for group in groups for span in group]
    n_tokens = len(batch.legal.emissions)
    layers = [_make_layer(group, n_tokens, tag_set) for group in groups]
    return Candidates(batch.legal, layers, torch.tensor(correct, dtype=torch.bool))


def split_overlaps(spans: Sequence[Span]) -> list[list[Span]]:
    """Split spans into groups without overlaps.

    spans (Sequence[Span]): The spans by position.
    RETURNS (list[list[Span]]): The groups.
    """
    groups: list[list[Span]] = []
    for span in spans:
        group = next((group for group in groups if group[-1][1] <= span[0]), None)
        if group is None:
            groups.append([span])
        else:
            group.append(span)
    return groups


def _make_layer(spans: list[Span], n_tokens: int, tag_set: TagSet) -> Layer:
    starts, ends = torch.tensor([span[:2] for span in spans]).T
    return Layer(starts, ends, torch.tensor(tag_set.from_spans(spans, n_tokens)))


def _log_loss(candidates: Candidates, temperature: float, goes_on: Tensor) -> float:
    if not candidates.layers:
        return 0.0
    scaled = candidates.legal.map(lambda x: x / temperature)
    posterior = Posterior(scaled).cpu()
    p = torch.cat([posterior.segments(*layer, goes_on) for layer in candidates.layers])
    # A span that is certain and wrong must not decide alone.
    p = p.clamp(1e-6, 1 - 1e-6)
    return -torch.where(candidates.correct, p, 1 - p).log().sum().item()
