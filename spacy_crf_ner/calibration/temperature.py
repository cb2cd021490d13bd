"""The temperature: what scores are divided by, so that probabilities match what is correct."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..crf import Posterior, Potentials
from ..pipeline.decoding import probable_spans
from ..pipeline.loss import negative_log_likelihood
from ..tags import Span, TagSet
from .gold import Batch, judge

# Less probable spans tell little about the confidences of those that are predicted.
LOWEST = 0.05
TEMPERATURES = 0.5, 4.0
# Normal priors on the logarithm, with a variance of 1 / (2 * weight), so that a handful of entities
# does not lead to an extreme temperature: that of the likelihood is near 1, and the one of the log
# loss is near that of the likelihood.
NEAR_ONE = 3.0
NEAR_LIKELIHOOD = 30.0


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

    The likelihood of tag sequences has its maximum a little elsewhere: there, all tokens count. But
    it needs less data. So it is where the search begins, and the more spans there are, the further
    away it may end.

    batches (Sequence[Batch]): Documents that the component was not trained on.
    tag_set (TagSet): The component's tags.
    RETURNS (float): The temperature; above 1 for a component that is overconfident.
    """
    candidates = [_find_candidates(batch, tag_set) for batch in batches]
    goes_on = torch.from_numpy(tag_set.continues)
    likely = math.log(most_likely_temperature(batches, tag_set))

    def loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        losses = (_log_loss(each, temperature, goes_on) for each in candidates)
        return sum(losses) + NEAR_LIKELIHOOD * (log_temperature - likely) ** 2

    return _minimize(loss)


def most_likely_temperature(batches: Sequence[Batch], tag_set: TagSet) -> float:
    """Find the temperature at which the gold tag sequences are most probable.

    batches (Sequence[Batch]): Documents that the component was not trained on.
    tag_set (TagSet): The component's tags.
    RETURNS (float): The temperature.
    """
    known = [(batch.legal, np.concatenate(batch.possible)) for batch in batches]

    def loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        losses = (
            negative_log_likelihood(legal.map(lambda x: x / temperature), possible, tag_set).sum()
            for legal, possible in known
        )
        return sum(each.item() for each in losses) + NEAR_ONE * log_temperature**2

    return _minimize(loss)


def _minimize(loss: Callable[[float], float]) -> float:
    """The temperature with the lowest loss, which is a function of its logarithm."""
    from scipy.optimize import minimize_scalar

    options = {"xatol": 0.005}
    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options=options)
    return math.exp(found.x)


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
