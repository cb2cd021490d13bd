"""Probabilities of given spans and uncertainties of documents, against enumeration of all sets of
entities."""

import math

import pytest
from spacy.tokens import Span
from util import make_trained

from spacy_crf_ner.pipeline.probabilities import span_probabilities, uncertainties

TEXTS = ["王明在北", "", "雨", "京是北京"]
MANY = 100_000  # more sets of entities than a text of four characters has


@pytest.fixture(scope="module", params=["BIOES", "BIO"])
def nlp(request):
    # Few steps, so that it is uncertain.
    return make_trained(8, tag_scheme=request.param)


def all_sets(nlp, text):
    """The probability of each set of entities."""
    pipe = nlp.get_pipe("crf_ner")
    sets = pipe.alternatives(nlp.make_doc(text), MANY)
    assert sum(p for p, _ in sets) == pytest.approx(1)
    return [(p, {entity[:3] for entity in entities}) for p, entities in sets]


def test_probabilities_of_spans(nlp):
    docs = [nlp.make_doc(text) for text in TEXTS]
    spans = [[(0, 2, "PER"), (3, 4, "LOC")], [], [(0, 1, "PER")], [(0, 4, "LOC")]]
    found = span_probabilities(nlp.get_pipe("crf_ner"), docs, spans)
    for text, of_text, each in zip(TEXTS, spans, found):
        sets = all_sets(nlp, text) if text else []
        expected = [sum(p for p, ents in sets if span in ents) for span in of_text]
        assert each == pytest.approx(expected, rel=1e-4)


def test_spans_of_an_unknown_label_have_no_probability(nlp):
    pipe = nlp.get_pipe("crf_ner")
    doc = nlp.make_doc("王明在北京")
    assert span_probabilities(pipe, [doc], [[(0, 2, "WORK"), (3, 5, "LOC")]])[0][0] == 0
    assert span_probabilities(pipe, [doc, doc], [[], []]) == [[], []]
    assert span_probabilities(pipe, [], []) == []


def test_overlapping_spans_are_refused(nlp):
    doc = nlp.make_doc("王明在北京")
    with pytest.raises(ValueError, match="overlaps"):
        span_probabilities(nlp.get_pipe("crf_ner"), [doc], [[(0, 2, "PER"), (1, 3, "LOC")]])


@pytest.mark.parametrize("decoding", ["viterbi", "entities"])
def test_uncertainties(decoding):
    nlp = make_trained(8, decoding=decoding, threshold=0.3)
    pipe = nlp.get_pipe("crf_ner")
    docs = [nlp.make_doc(text) for text in TEXTS]
    predicted = pipe.predict(docs)
    for text, ents, found in zip(TEXTS, predicted, uncertainties(pipe, docs)):
        if not text:
            assert found == (0, 0, 0)
            continue
        sets = all_sets(nlp, text)
        kept = {entity[:3] for entity in ents if entity.confidence >= 0.3}
        assert found.entropy == pytest.approx(-sum(p * math.log(p) for p, _ in sets), rel=1e-4)
        assert found.improbability == pytest.approx(1 - sets[0][0], rel=1e-4)
        errors = sum(p * len(true ^ kept) for p, true in sets)
        assert found.errors == pytest.approx(errors, rel=1e-4, abs=1e-6)


def test_entities_that_documents_have_do_not_matter(nlp):
    pipe = nlp.get_pipe("crf_ner")
    doc = nlp.make_doc("王明在北京")
    before = uncertainties(pipe, [doc]), span_probabilities(pipe, [doc], [[(3, 5, "LOC")]])
    doc.ents = [Span(doc, 0, 4, label="LOC")]
    assert (
        uncertainties(pipe, [doc]),
        span_probabilities(pipe, [doc], [[(3, 5, "LOC")]]),
    ) == before
