"""Scores at other thresholds than that of the component."""

from collections.abc import Sequence
from typing import NamedTuple

from spacy.training import Example
from spacy.util import minibatch

from ...pipeline.component import CRFEntityRecognizer
from ...pipeline.decoding import MIN_THRESHOLD, Entity, without_overlaps
from .mentions import BATCH_SIZE, to_reference
from .slices import Counts

THRESHOLDS = [i / 100 for i in range(1, 100)]


class Point(NamedTuple):
    """Scores at a threshold.

    threshold (float): The threshold.
    counts (Counts): The entities.
    """

    threshold: float
    counts: Counts


def score_thresholds(pipe: CRFEntityRecognizer, examples: Sequence[Example]) -> list[Point]:
    """Score a component at thresholds from 0.01 to 0.99, with its own decoding.

    pipe (CRFEntityRecognizer): The component. It must have written its confidences to `doc.spans`.
    examples (Sequence[Example]): The predictions and their reference.
    RETURNS (list[Point]): The scores, by threshold.
    """
    correct, found = [0] * len(THRESHOLDS), [0] * len(THRESHOLDS)
    gold = 0
    for batch in minibatch(examples, BATCH_SIZE):
        for eg, spans in zip(batch, _candidates(pipe, batch)):
            gold += len(eg.reference.ents)
            is_right = _judge(eg, spans)
            for i, threshold in enumerate(THRESHOLDS):
                chosen = [s for s in _choose(pipe, spans, threshold) if s in is_right]
                found[i] += len(chosen)
                correct[i] += sum(is_right[span] for span in chosen)
    counts = [Counts(*numbers, gold) for numbers in zip(correct, found)]
    return [Point(*point) for point in zip(THRESHOLDS, counts)]


def best_point(points: Sequence[Point]) -> Point:
    """The point with the highest F1.

    points (Sequence[Point]): The points.
    RETURNS (Point): The one with the lowest threshold, if several are best.
    """
    return max(points, key=lambda point: point.counts.f1 or 0.0)


def _candidates(pipe: CRFEntityRecognizer, examples: Sequence[Example]) -> list[list[Entity]]:
    """All spans that any of the thresholds may let through."""
    docs = [eg.predicted for eg in examples]
    if pipe.decoding == "entities":
        return pipe.probable_spans(docs, MIN_THRESHOLD)
    groups = [doc.spans[pipe.spans_key or pipe.name] for doc in docs]
    return [
        [Entity(s.start, s.end, s.label_, p) for s, p in zip(spans, spans.attrs["scores"].tolist())]
        for spans in groups
    ]


def _choose(pipe: CRFEntityRecognizer, spans: list[Entity], threshold: float) -> list[Entity]:
    probable = [span for span in spans if (span.confidence or 0.0) >= threshold]
    return without_overlaps(probable, threshold) if pipe.decoding == "entities" else probable


def _judge(eg: Example, spans: Sequence[Entity]) -> dict[Entity, bool]:
    """Whether each span is correct. Those where there is no annotation are left out."""
    gold = {(ent.start, ent.end, ent.label_) for ent in eg.reference.ents}
    aligned = ((span, to_reference(eg, *span[:3])) for span in spans)
    return {s: (r.start, r.end, r.label_) in gold for s, r in aligned if r is not None}
