"""Annotation that a pipeline which has not seen it finds improbable."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch

from ...pipeline.decoding import Entity
from ...pipeline.partial import annotated_labels
from ...pipeline.probabilities import span_probabilities
from ...pipeline.recognizer import recognizer_of, run_before_recognizer

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
    probability (float): The probability of the annotation: of the entity, or that there is none.
    suggestion (Entity | None): For "label" and "boundary", the most probable entity in its place,
        in characters.
    """

    document: int
    text: str
    start: int
    end: int
    label: str
    kind: Kind
    probability: float
    suggestion: Entity | None

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
            "mention": self.text[self.start : self.end],
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
        docs = run_before_recognizer(nlp, [eg.predicted for eg in batch])
        gold = [eg.get_aligned_spans_y2x(eg.reference.ents) for eg in batch]
        spans = [[(ent.start, ent.end, ent.label_) for ent in ents] for ents in gold]
        probabilities = span_probabilities(pipe, docs, spans)
        candidates = pipe.probable_spans(docs, CANDIDATE)
        for eg, entities, values, others in zip(batch, spans, probabilities, candidates):
            annotated = [Entity(*span, value) for span, value in zip(entities, values)]
            yield from _compare(number, eg, annotated, others)
            number += 1


def _compare(
    number: int, example: Example, annotated: list[Entity], others: list[Entity]
) -> Iterator[Suspect]:
    """Suspects of one document, by position."""
    doc = example.predicted
    found = [_judge(number, doc, entity, others) for entity in annotated]
    taken = {i for entity in annotated for i in range(entity.start, entity.end)}
    taken |= _unknown(example)
    labels = annotated_labels(example.reference)
    for other in sorted(others, key=_probability, reverse=True):
        tokens = range(other.start, other.end)
        if taken.isdisjoint(tokens) and (labels is None or other.label in labels):
            taken.update(tokens)
            found.append(_suspect(number, doc, other, "missing", 1 - _probability(other), None))
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
