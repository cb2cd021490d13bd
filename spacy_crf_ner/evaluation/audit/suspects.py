"""Annotation that a pipeline which has not seen it finds improbable."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch

from ...pipeline.decoding import Entity, probable_spans
from ...pipeline.partial import annotated_labels
from ...pipeline.probabilities import (
    legal_potentials,
    probabilities_of_outside,
    probabilities_of_spans,
)
from ...pipeline.recognizer import recognizer_of, run_before_recognizer
from ...tags import Span as TokenSpan

Kind = Literal["label", "boundary", "spurious", "missing"]
# Spans that are less probable are not considered as what the annotation should be.
CANDIDATE = 0.1


class Suspect(NamedTuple):
    """A piece of annotation that may be wrong.

    document (int): The number of the document, from 0.
    text (str): Its text.
    start (int): The first character of the entity, or of what may be one.
    end (int): The character after its last one.
    label (str): Its label, or the one that it may have.
    kind (Kind): What may be wrong: its "label"; its "boundary", and maybe its label too; it is no
        entity, so "spurious"; or it is not annotated, so "missing".
    probability (float): The probability of the annotation: of the entity; for "missing", that no
        token there is part of one.
    suggestion (Entity | None): For "label" and "boundary", the most probable entity in its place,
        in characters.
    consistency (float): How often the other places with the same text are annotated like this one:
        see `mentions.Counts.consistency`. 1 if they were not looked at.
    """

    document: int
    text: str
    start: int
    end: int
    label: str
    kind: Kind
    probability: float
    suggestion: Entity | None
    consistency: float = 1.0

    @property
    def mention(self) -> str:
        """The text of the entity."""
        return self.text[self.start : self.end]

    @property
    def reach(self) -> tuple[int, int]:
        """The first character of the entity and the suggestion, and the one after their last."""
        if self.suggestion is None:
            return self.start, self.end
        return min(self.start, self.suggestion.start), max(self.end, self.suggestion.end)

    def to_json(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): One line of JSON lines."""
        suggestion = self.suggestion
        return {
            **self._asdict(),
            "probability": round(self.probability, 6),
            "consistency": round(self.consistency, 6),
            "mention": self.mention,
            "suggestion": suggestion and suggestion.label,
            "suggested_start": suggestion and suggestion.start,
            "suggested_end": suggestion and suggestion.end,
        }


def find_suspects(nlp: Language, examples: Sequence[Example]) -> Iterator[Suspect]:
    """Compare annotation with the exact posterior of a pipeline that was not trained on it.

    All entities are listed, and the spans that are none with a probability of at least 0.1. Where
    annotation is missing, nothing is listed.

    nlp (Language): The pipeline, with one `crf_ner`.
    examples (Sequence[Example]): The gold annotation. The tokens are those of the predicted
        documents. Entities that do not align with them are left out.
    YIELDS (Suspect): In the order of the examples, whose numbers they have.
    RAISES: ValueError if there is no `crf_ner`, or several.
    """
    pipe = recognizer_of(nlp, "The pipeline")
    number = 0
    for batch in minibatch(examples, nlp.batch_size):
        # Without tokens, there are no scores.
        if not any(len(eg.predicted) for eg in batch):
            number += len(batch)
            continue
        docs = run_before_recognizer(nlp, [eg.predicted for eg in batch])
        legal, tag_set = legal_potentials(pipe, docs), pipe.tag_set
        gold = [_annotated(eg) for eg in batch]
        probabilities = probabilities_of_spans(legal, tag_set, gold)
        others = probable_spans(legal, tag_set, CANDIDATE)
        places = [[(other.start, other.end) for other in each] for each in others]
        outside = probabilities_of_outside(legal, tag_set, places)
        for eg, spans, values, rivals, free in zip(batch, gold, probabilities, others, outside):
            annotated = [Entity(*span, value) for span, value in zip(spans, values)]
            yield from _compare(number, eg, annotated, rivals, free)
            number += 1


def _annotated(example: Example) -> list[TokenSpan]:
    ents = example.get_aligned_spans_y2x(example.reference.ents)
    return [(ent.start, ent.end, ent.label_) for ent in ents]


def _compare(
    number: int,
    example: Example,
    annotated: list[Entity],
    others: list[Entity],
    outside: list[float],
) -> Iterator[Suspect]:
    """Suspects of one document, by position."""
    doc = example.predicted
    found = [_judge(number, doc, entity, others) for entity in annotated]
    taken = {i for entity in annotated for i in range(entity.start, entity.end)}
    taken |= _unknown(example)
    labels = annotated_labels(example.reference)
    pairs = sorted(zip(others, outside), key=lambda pair: -_probability(pair[0]))
    for other, probability in pairs:
        tokens = range(other.start, other.end)
        if taken.isdisjoint(tokens) and (labels is None or other.label in labels):
            taken.update(tokens)
            found.append(_suspect(number, doc, other, "missing", probability, None))
    yield from sorted(found, key=lambda suspect: suspect.start)


def _judge(number: int, doc: Doc, entity: Entity, others: list[Entity]) -> Suspect:
    """An entity, with what may be there instead."""
    rivals = [
        other
        for other in others
        if other[:3] != entity[:3] and other.start < entity.end and entity.start < other.end
    ]
    probability = _probability(entity)
    best = max(rivals, key=_probability, default=None)
    # The rest is the probability of no entity, and of many that are improbable.
    if best is None or _probability(best) < (1 - probability) / 2:
        return _suspect(number, doc, entity, "spurious", probability, None)
    kind: Kind = "label" if best[:2] == entity[:2] else "boundary"
    return _suspect(number, doc, entity, kind, probability, best)


def _suspect(
    number: int,
    doc: Doc,
    entity: Entity,
    kind: Kind,
    probability: float,
    suggestion: Entity | None,
) -> Suspect:
    start, end = _characters(doc, entity)
    if suggestion is not None:
        suggestion = Entity(*_characters(doc, suggestion), *suggestion[2:])
    return Suspect(number, doc.text, start, end, entity.label, kind, probability, suggestion)


def _characters(doc: Doc, entity: Entity) -> tuple[int, int]:
    span = Span(doc, entity.start, entity.end)
    return span.start_char, span.end_char


def _unknown(example: Example) -> set[int]:
    """The tokens without annotation."""
    tags = example.get_aligned_ner()
    return {i for i, tag in enumerate(tags) if tag is None}


def _probability(entity: Entity) -> float:
    return entity.confidence or 0.0
