"""Writing found entities to documents: to `doc.ents`, to `doc.spans`, and their confidences."""

from collections.abc import Container, Iterable, Iterator

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from .confidence import set_confidence
from .constraints import blocked_tokens
from .decoding import Entity


def at_least(found: Iterable[Entity], threshold: float) -> list[Entity]:
    """The entities that are probable enough, or have no confidence.

    found (Iterable[Entity]): The entities.
    threshold (float): The minimum confidence.
    RETURNS (list[Entity]): Those that have it.
    """
    return [ent for ent in found if ent.confidence is None or ent.confidence >= threshold]


def without_kept(doc: Doc, found: list[Entity]) -> list[Entity]:
    """Remove the confidence of entities that the document already has.

    doc (Doc): The document.
    found (list[Entity]): The entities.
    RETURNS (list[Entity]): The same entities.
    """
    if not doc.has_annotation("ENT_IOB"):
        return found
    kept = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
    return [ent._replace(confidence=None) if ent[:3] in kept else ent for ent in found]


def to_spans(doc: Doc, found: Iterable[Entity]) -> list[Span]:
    """The spans of entities.

    doc (Doc): The document.
    found (Iterable[Entity]): The entities.
    RETURNS (list[Span]): Their spans.
    """
    return [Span(doc, ent.start, ent.end, label=ent.label) for ent in found]


def write_ents(doc: Doc, ents: list[Span], *, overwrite: bool) -> None:
    """Set `doc.ents`.

    doc (Doc): The document.
    ents (list[Span]): The entities found.
    overwrite (bool): Whether to remove the entities that the document already has. If not, they
        stay, and so do blocked tokens.
    """
    if overwrite or not doc.has_annotation("ENT_IOB"):
        doc.set_ents(ents)
        return
    blocked = [Span(doc, i, i + 1) for i in blocked_tokens(doc)]
    taken = {i for span in (*doc.ents, *blocked) for i in range(span.start, span.end)}
    ents = [span for span in ents if taken.isdisjoint(range(span.start, span.end))]
    doc.set_ents([*doc.ents, *ents], blocked=blocked)


def write_spans(
    doc: Doc,
    key: str,
    found: Iterable[tuple[Span, float | None]],
    replaced: Container[str] | None = None,
) -> None:
    """Set a group of `doc.spans`, with the confidences as scores: NaN where there is none.

    doc (Doc): The document.
    key (str): The group's key.
    found (Iterable[tuple[Span, float | None]]): The entities found, with their confidences.
    replaced (Container[str] | None): The labels whose spans are removed from the group. Spans with
        other labels stay, with their scores. None: no span stays.
    """
    spans = list(found)
    attrs = {}
    if replaced is not None and key in doc.spans:
        group = doc.spans[key]
        attrs = group.attrs
        spans += [each for each in _with_scores(group) if each[0].label_ not in replaced]
        spans.sort(key=lambda each: (each[0].start, each[0].end))
    scores = np.array([score for _, score in spans], dtype="f")
    doc.spans[key] = SpanGroup(
        doc, name=key, spans=[span for span, _ in spans], attrs={**attrs, "scores": scores}
    )


def write_confidences(found: Iterable[tuple[Span, float | None]], extension: str) -> None:
    """Store the confidences of the entities that have one.

    found (Iterable[tuple[Span, float | None]]): The entities found, with their confidences.
    extension (str): The name of the extension attribute.
    """
    for span, confidence in found:
        if confidence is not None:
            set_confidence(span, confidence, name=extension)


def _with_scores(group: SpanGroup) -> Iterator[tuple[Span, float | None]]:
    scores = group.attrs.get("scores", ())
    # Whoever adds a span to a group or removes one leaves the scores as they are.
    return zip(group, scores if len(scores) == len(group) else [None] * len(group))
