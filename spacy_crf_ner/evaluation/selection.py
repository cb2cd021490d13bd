"""Active learning: which documents to annotate next (Settles 2009, "Active learning literature
survey")."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from scipy.sparse import csr_matrix, diags
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ..pipeline.decoding import Entity
from ..pipeline.probabilities import Uncertainty, uncertainties
from ..pipeline.recognizer import recognizer_of, run_before_recognizer

Criterion = Literal["entropy", "least-confidence", "errors"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)
# Dimensions of the vectors that documents are compared by. Few n-grams share one.
_DIMENSIONS = 2**18


class Candidate(NamedTuple):
    """A document that may be annotated.

    document (int): Its number, from 0.
    doc (Doc): It, without entities.
    entities (list[Entity]): What the pipeline finds in it.
    uncertainty (Uncertainty): How uncertain the pipeline is.
    """

    document: int
    doc: Doc
    entities: list[Entity]
    uncertainty: Uncertainty

    def to_json(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): A line of JSON lines as Prodigy reads them, with the entities
        found as a first annotation."""
        spans = [self.doc[entity.start : entity.end] for entity in self.entities]
        return {
            "text": self.doc.text,
            "spans": [
                {"start": span.start_char, "end": span.end_char, "label": entity.label}
                for span, entity in zip(spans, self.entities)
            ],
            "meta": {
                "document": self.document,
                **{name: round(value, 6) for name, value in self.uncertainty._asdict().items()},
            },
        }


def judge(nlp: Language, docs: Iterable[Doc]) -> list[Candidate]:
    """Find out how uncertain a pipeline is about documents.

    nlp (Language): The pipeline, with one `crf_ner`.
    docs (Iterable[Doc]): The documents; they are not modified.
    RETURNS (list[Candidate]): One for each document.
    RAISES: ValueError if there is no `crf_ner`, or several.
    """
    pipe = recognizer_of(nlp, "The pipeline")
    candidates: list[Candidate] = []
    for batch in minibatch(docs, nlp.batch_size):
        copies = run_before_recognizer(nlp, batch)
        for doc, entities, uncertainty in zip(
            copies, pipe.predict(copies), uncertainties(pipe, copies)
        ):
            candidates.append(Candidate(len(candidates), doc, entities, uncertainty))
    return candidates


def select(
    candidates: Sequence[Candidate],
    number: int,
    *,
    by: Criterion = "entropy",
    diversity: float = 0.5,
) -> list[Candidate]:
    """Choose the documents to annotate next, one by one.

    Each time, the document with the highest value is taken. Its value is its uncertainty × (1 -
    diversity × its greatest similarity to those that are taken already), as in maximal marginal
    relevance (Carbonell and Goldstein 1998). The similarity is the cosine of their tokens and pairs
    of neighbouring tokens, weighted by inverse document frequency.

    candidates (Sequence[Candidate]): All documents.
    number (int): How many to choose.
    by (Criterion): The uncertainty: "entropy" of the distribution over tag sequences,
        "least-confidence" for the probability that the best tag sequence is wrong, or "errors" for
        the expected number of errors.
    diversity (float): From 0, by uncertainty alone, to 1.
    RETURNS (list[Candidate]): The documents, the first to annotate first; fewer than `number` if
        there are no more, or if no more are uncertain. Of documents with the same text, only the
        first can be chosen.
    """
    field = {"entropy": 0, "least-confidence": 1, "errors": 2}[by]
    first = {each.doc.text: i for i, each in reversed(list(enumerate(candidates)))}
    scores = np.zeros(len(candidates))
    # Each text is annotated once.
    for i in first.values():
        scores[i] = candidates[i].uncertainty[field]
    vectors = _vectorize([each.doc for each in candidates])
    similarity = np.zeros(len(candidates))
    chosen: list[int] = []
    for _ in range(min(number, len(candidates))):
        values = scores * (1 - diversity * similarity)
        values[chosen] = 0
        best = int(values.argmax())
        if values[best] <= 0:
            break
        chosen.append(best)
        to_best = (vectors @ vectors[best].T).toarray()[:, 0]
        similarity = np.maximum(similarity, np.minimum(to_best, 1.0))
    return [candidates[i] for i in chosen]


def _vectorize(docs: Sequence[Doc]) -> csr_matrix:
    """(documents, dimensions): vectors of length 1, or of zeros."""
    rows, columns = [], []
    for i, doc in enumerate(docs):
        tokens = doc.to_array("LOWER").astype("u8")
        # Multiplied by an odd number, so that the order counts.
        grams = np.unique(np.concatenate([tokens, tokens[:-1] * np.uint64(31) + tokens[1:]]))
        columns.append(grams % np.uint64(_DIMENSIONS))
        rows.append(np.full(len(grams), i))
    shape = (len(docs), _DIMENSIONS)
    if not docs:
        return csr_matrix(shape)
    where = np.concatenate(rows), np.concatenate(columns).astype("i8")
    counts = csr_matrix((np.ones(len(where[0])), where), shape=shape)
    frequencies = np.bincount(where[1], minlength=_DIMENSIONS)
    weighted = counts @ diags(np.log(len(docs) / np.maximum(frequencies, 1)) + 1)
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1))[:, 0])
    return csr_matrix(diags(1 / np.where(lengths, lengths, 1)) @ weighted)
