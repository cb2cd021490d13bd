"""How probable an annotation is to a component, and how uncertain the component is."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from spacy.tokens import Doc

from ..crf import Posterior, Potentials, best_tags, entropy, log_likelihood
from ..tags import Span
from .annotations import at_least
from .component import CRFEntityRecognizer
from .constraints import allowed_tags, constrain
from .decoding import add_confidences, find_entities


class Uncertainty(NamedTuple):
    """How uncertain a component is about a document.

    entropy (float): The entropy of the distribution over tag sequences, in nats.
    improbability (float): The probability that the best tag sequence is not the correct one: 1 less
        its probability, called least confidence (Culotta and McCallum 2005).
    errors (float): The expected number of entities that are wrong or missing.
    """

    entropy: float
    improbability: float
    errors: float


def span_probabilities(
    pipe: CRFEntityRecognizer, docs: Sequence[Doc], spans: Sequence[Sequence[Span]]
) -> list[list[float]]:
    """The exact probability that spans are entities, whether the component would predict them or
    not.

    pipe (CRFEntityRecognizer): The component.
    docs (Sequence[Doc]): The documents; they are not modified.
    spans (Sequence[Sequence[Span]]): The spans of each document, as (first token, one past the
        last, label). Those of a document must not overlap.
    RETURNS (list[list[float]]): The probability of each span; 0 for a label that the component does
        not have.
    RAISES: ValueError if spans are empty, overlap or lie outside of their document.
    """
    if not any(spans):
        return [[] for _ in docs]
    known = [[span for span in each if span[2] in pipe.labels] for each in spans]
    tags = [pipe.tag_set.from_spans(each, len(doc)) for each, doc in zip(known, docs)]
    flat = torch.tensor(list(chain(*tags)), dtype=torch.long)
    found = add_confidences(legal_potentials(pipe, docs), flat, known, pipe.tag_set)
    of_known = [{entity[:3]: entity.confidence or 0.0 for entity in each} for each in found]
    return [[of.get(span, 0.0) for span in each] for of, each in zip(of_known, spans)]


def uncertainties(pipe: CRFEntityRecognizer, docs: Sequence[Doc]) -> list[Uncertainty]:
    """How uncertain a component is about documents.

    pipe (CRFEntityRecognizer): The component.
    docs (Sequence[Doc]): The documents; they are not modified.
    RETURNS (list[Uncertainty]): One for each document; zeros for an empty one.
    """
    if not any(len(doc) for doc in docs):
        return [Uncertainty(0.0, 0.0, 0.0) for _ in docs]
    legal = legal_potentials(pipe, docs)
    best = log_likelihood(legal, best_tags(legal)).exp()
    return [
        Uncertainty(*values)
        for values in zip(
            entropy(legal).tolist(), (1 - best).clamp(min=0).tolist(), _expected_errors(pipe, legal)
        )
    ]


def legal_potentials(pipe: CRFEntityRecognizer, docs: Sequence[Doc]) -> Potentials:
    """The scores of the tag sequences that documents may have, whatever entities they have now.

    pipe (CRFEntityRecognizer): The component.
    docs (Sequence[Doc]): The documents. At least one must have a token.
    RETURNS (Potentials): The scores.
    """
    allowed = allowed_tags(docs, pipe.tag_set, keep_ents=False)
    return constrain(pipe.potentials(docs), pipe.tag_set, allowed)


def _expected_errors(pipe: CRFEntityRecognizer, legal: Potentials) -> list[float]:
    """Of what the component predicts: the expected number of entities that are none, and that of
    entities that are not predicted."""
    found = find_entities(legal, pipe.tag_set, pipe.decoding, pipe.threshold, with_confidence=True)
    predicted = [list(at_least(each, pipe.threshold)) for each in found]
    opens = torch.from_numpy(pipe.tag_set.opens).to(legal.emissions.device)
    marginals = Posterior(legal).marginals[:, opens].sum(1).cpu()
    entities = [part.sum().item() for part in marginals.split(legal.lengths.tolist())]
    correct = [sum(entity.confidence or 0.0 for entity in each) for each in predicted]
    return [
        max(len(each) + expected - 2 * right, 0.0)
        for each, expected, right in zip(predicted, entities, correct)
    ]
