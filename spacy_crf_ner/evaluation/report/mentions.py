"""The gold and the predicted entities of a corpus, and how probable a component finds them."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from spacy.tokens import Span
from spacy.training import Example
from spacy.util import minibatch

from ...pipeline.component import CRFEntityRecognizer
from ...pipeline.probabilities import span_probabilities
from ...tags import Span as Bounds

BATCH_SIZE = 128


class Mention(NamedTuple):
    """An entity, gold or predicted.

    span (Span): Where it is in the gold document, with its label.
    probability (float | None): How probable the component finds it; None without a `crf_ner`.
    """

    span: Span
    probability: float | None = None


class Mentions(NamedTuple):
    """The entities of a document.

    gold (list[Mention]): The gold ones, in order.
    found (list[Mention]): The predicted ones, in order.
    """

    gold: list[Mention]
    found: list[Mention]


def read_mentions(
    examples: Sequence[Example], pipe: CRFEntityRecognizer | None = None
) -> list[Mentions]:
    """Collect the entities of documents, as spaCy's scorer sees them.

    examples (Sequence[Example]): The predictions and their reference.
    pipe (CRFEntityRecognizer | None): The component that says how probable they are.
    RETURNS (list[Mentions]): Those of each document. There are none if it has no annotation, nor
        predicted ones in a part of it that has none.
    """
    mentions = []
    for batch in minibatch(examples, BATCH_SIZE):
        gold = [list(eg.reference.ents) for eg in batch]
        found = [_found(eg) for eg in batch]
        if pipe is None:
            mentions += [
                Mentions([Mention(span) for span in annotated], [Mention(span) for span, _ in ents])
                for annotated, ents in zip(gold, found)
            ]
            continue
        of_gold = _probabilities(
            pipe, batch, [[_in_predicted(eg, s) for s in ss] for eg, ss in zip(batch, gold)]
        )
        of_found = _probabilities(pipe, batch, [[bounds for _, bounds in ents] for ents in found])
        mentions += [
            Mentions(
                [Mention(span, p) for span, p in zip(annotated, gold_ps)],
                [Mention(span, p) for (span, _), p in zip(ents, found_ps)],
            )
            for annotated, gold_ps, ents, found_ps in zip(gold, of_gold, found, of_found)
        ]
    return mentions


def to_reference(eg: Example, start: int, end: int, label: str) -> Span | None:
    """A predicted span in the tokens of the reference.

    eg (Example): The prediction and its reference.
    start (int): Its first token.
    end (int): The token after its last one.
    label (str): Its label.
    RETURNS (Span | None): The span; None where the reference has no annotation.
    """
    tokens = eg.alignment.x2y[start:end]
    if not len(tokens):
        return None
    span = Span(eg.reference, int(tokens[0]), int(tokens[-1]) + 1, label=label)
    return span if all(token.ent_iob for token in span) else None


def _found(eg: Example) -> list[tuple[Span, Bounds]]:
    spans = ((to_reference(eg, e.start, e.end, e.label_), e) for e in eg.predicted.ents)
    return [(span, (ent.start, ent.end, ent.label_)) for span, ent in spans if span is not None]


def _in_predicted(eg: Example, span: Span) -> Bounds | None:
    """A gold span in predicted tokens; None if its boundaries are none of theirs."""
    found = eg.predicted.char_span(span.start_char, span.end_char)
    return None if found is None else (found.start, found.end, span.label_)


def _probabilities(
    pipe: CRFEntityRecognizer,
    examples: Sequence[Example],
    spans: Sequence[Sequence[Bounds | None]],
) -> list[list[float]]:
    """The probability of each span; 0 for None, which cannot be predicted."""
    docs = [eg.predicted for eg in examples]
    possible = [[span for span in of_doc if span is not None] for of_doc in spans]
    values = iter(chain(*span_probabilities(pipe, docs, possible)))
    return [[0.0 if span is None else next(values) for span in of_doc] for of_doc in spans]
