"""The threshold: half of the F1 that the entities above it have."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch

from ..crf import Posterior
from ..pipeline.decoding import Decoding, Entity, find_entities, probable_spans, without_overlaps
from ..tags import TagSet
from .gold import Batch, judge
from .temperature import LOWEST

# With so many gold entities, the real F1 and the expected one have the same weight.
N_EQUAL = 100


class Found(NamedTuple):
    """The spans of a document from which the decoding chooses.

    spans (list[Entity]): The spans with their probabilities.
    correct (list[bool | None]): Whether each is an entity; None where it is not known.
    """

    spans: list[Entity]
    correct: list[bool | None]


class Threshold(NamedTuple):
    """A threshold and what F1 it gives.

    threshold (float): The threshold.
    expected_f1 (float): The highest F1 that the probabilities let expect.
    f1 (float): The F1 on the corpus, of the same entities.
    """

    threshold: float
    expected_f1: float
    f1: float


def fit_threshold(
    batches: Sequence[Batch], tag_set: TagSet, decoding: Decoding, temperature: float
) -> Threshold:
    """Find the threshold for the highest F1: half of that F1 (Lipton et al. 2014, "Optimal
    thresholding of classifiers to maximize F1 measure").

    It is half of the mean of the expected and the real F1, and the more entities there are, the
    more the real one counts. The threshold with the highest real F1 itself is much less certain,
    because F1 changes little around it.

    batches (Sequence[Batch]): Documents that the component was not trained on.
    tag_set (TagSet): The component's tags.
    decoding (Decoding): The component's decoding.
    temperature (float): The temperature at which the component is calibrated.
    RETURNS (Threshold): The threshold and the two F1.
    """
    found: list[Found] = []
    n_expected = 0.0
    for batch in batches:
        found += find_spans(batch, tag_set, decoding, temperature)
        n_expected += _expect_entities(batch, tag_set, temperature)
    best, expected = maximize_expected_f1((each.spans for each in found), n_expected, decoding)
    n_gold = sum(len(gold) for batch in batches for gold in batch.gold)
    real = real_f1(found, n_gold, decoding, best)
    mean = (n_gold * real + N_EQUAL * expected) / (n_gold + N_EQUAL)
    return Threshold(max(mean / 2, LOWEST), expected, real)


def maximize_expected_f1(
    spans: Iterable[list[Entity]], n_expected: float, decoding: Decoding
) -> tuple[float, float]:
    """Find the threshold with the highest expected F1, by Dinkelbach's algorithm (1967, "On
    nonlinear fractional programming"): half of the F1 that a threshold gives is a better one.

    The expected F1 is twice the expected number of correct entities, divided by the number of
    those chosen and the expected number of gold ones.

    spans (Iterable[list[Entity]]): The spans of each document from which the decoding chooses.
    n_expected (float): The expected number of gold entities.
    decoding (Decoding): The decoding.
    RETURNS (tuple[float, float]): The threshold and the expected F1.
    """
    spans = list(spans)
    threshold, f1 = LOWEST, 0.0
    # Each step improves F1, and a few are enough.
    for _ in range(20):
        chosen = [s.confidence or 0.0 for each in spans for s in choose(each, threshold, decoding)]
        earlier, f1 = f1, 2 * sum(chosen) / (len(chosen) + n_expected) if n_expected else 0.0
        threshold = max(f1 / 2, LOWEST)
        if f1 - earlier < 1e-4:
            break
    return threshold, f1


def choose(spans: list[Entity], threshold: float, decoding: Decoding) -> list[Entity]:
    """The entities that the component predicts.

    spans (list[Entity]): The spans of a document from which the decoding chooses.
    threshold (float): The threshold.
    decoding (Decoding): The decoding.
    RETURNS (list[Entity]): The entities.
    """
    probable = [span for span in spans if (span.confidence or 0.0) >= threshold]
    return without_overlaps(probable, threshold) if decoding == "entities" else probable


def find_spans(
    batch: Batch, tag_set: TagSet, decoding: Decoding, temperature: float
) -> list[Found]:
    """The spans from which the decoding chooses.

    batch (Batch): The documents.
    tag_set (TagSet): The component's tags.
    decoding (Decoding): The component's decoding.
    temperature (float): The temperature.
    RETURNS (list[Found]): The spans of each document.
    """
    legal = batch.legal.map(lambda x: x / temperature)
    if decoding == "entities":
        spans = probable_spans(legal, tag_set, LOWEST)
    else:
        spans = find_entities(legal, tag_set, decoding, 0.0, with_confidence=True)
    return [Found(*each) for each in zip(spans, judge(batch, spans, tag_set))]


def real_f1(found: Sequence[Found], n_gold: int, decoding: Decoding, threshold: float) -> float:
    """The F1 at a threshold, where the annotation is known.

    found (Sequence[Found]): The spans of each document.
    n_gold (int): The number of gold entities.
    decoding (Decoding): The decoding.
    threshold (float): The threshold.
    RETURNS (float): The F1, from 0 to 1.
    """
    known = [is_right for _, is_right in predict(found, decoding, threshold)]
    return 2 * sum(known) / (len(known) + n_gold)


def predict(
    found: Iterable[Found], decoding: Decoding, threshold: float
) -> Iterator[tuple[float, bool]]:
    """The confidences of the entities that the component predicts, where the annotation is known.

    found (Iterable[Found]): The spans of each document.
    decoding (Decoding): The decoding.
    threshold (float): The threshold.
    YIELDS (tuple[float, bool]): The confidence of an entity, and whether it is correct.
    """
    for spans, correct in found:
        is_correct = dict(zip(spans, correct))
        for span in choose(spans, threshold, decoding):
            is_right = is_correct[span]
            if is_right is not None:
                yield span.confidence or 0.0, is_right


def _expect_entities(batch: Batch, tag_set: TagSet, temperature: float) -> float:
    legal = batch.legal.map(lambda x: x / temperature)
    opens = torch.from_numpy(tag_set.opens).to(legal.emissions.device)
    return Posterior(legal).marginals[:, opens].sum().item()
