"""Where confidences stay, and where spaCy itself has no room for them. `ner` has none."""

import pytest
import spacy
from conformance_pipelines import CRF_KINDS, TEXTS, kinds
from spacy.tokens import Doc, DocBin

pytestmark = kinds(*CRF_KINDS)


@pytest.fixture
def nlp(path):
    return spacy.load(path, config={"components": {"crf_ner": {"spans_key": "crf"}}})


@pytest.fixture
def doc(nlp):
    return nlp(TEXTS[0])


def confidences(doc):
    return [ent._.confidence for ent in doc.ents]


def scores(doc):
    return [float(score) for score in doc.spans["crf"].attrs["scores"]]


def spans(doc):
    return [(span.start, span.end, span.label_) for span in doc.spans["crf"]]


def test_they_are_there(doc):
    assert len(confidences(doc)) == 2
    assert all(0.5 < confidence <= 1 for confidence in confidences(doc))
    assert scores(doc) == pytest.approx(confidences(doc))


def test_copies(doc):
    copy = doc.copy()
    assert confidences(copy) == confidences(doc)
    assert scores(copy) == scores(doc)


def test_bytes(doc):
    copy = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert confidences(copy) == confidences(doc)
    assert scores(copy) == scores(doc)


def test_two_processes(nlp, doc):
    docs = list(nlp.pipe(TEXTS, n_process=2, batch_size=2))
    assert confidences(docs[0]) == pytest.approx(confidences(doc), abs=1e-5)
    assert scores(docs[0]) == pytest.approx(scores(doc), abs=1e-5)


# spaCy leaves the encoder's output out of what it merges, and says so.
@pytest.mark.filterwarnings("ignore:.*W101:UserWarning")
def test_documents_in_one(nlp, doc):
    """spaCy's from_docs makes span groups anew, without attributes."""
    other = nlp(TEXTS[1])
    both = Doc.from_docs([doc, other])
    assert confidences(both) == [*confidences(doc), *confidences(other)]
    assert len(both.spans["crf"]) == 4
    assert "scores" not in both.spans["crf"].attrs


def test_json(doc):
    """spaCy's JSON has the attributes of spans if they are named, and none of span groups."""
    data = doc.to_json(underscore=["confidence"])
    copy = Doc(doc.vocab).from_json(data)
    assert confidences(copy) == confidences(doc)
    assert spans(copy) == spans(doc)
    assert "scores" not in copy.spans["crf"].attrs
    assert confidences(Doc(doc.vocab).from_json(doc.to_json())) == [None, None]


def through_docbin(doc, **settings):
    data = DocBin(docs=[doc], **settings).to_bytes()
    (copy,) = DocBin(**settings).from_bytes(data).get_docs(doc.vocab)
    return copy


def test_a_docbin_with_user_data(doc):
    copy = through_docbin(doc, store_user_data=True)
    assert confidences(copy) == confidences(doc)
    assert scores(copy) == scores(doc)


def test_a_docbin_without_user_data(doc):
    """An extension attribute is user data; a span group has its attributes with it."""
    copy = through_docbin(doc, store_user_data=False)
    assert confidences(copy) == [None, None]
    assert scores(copy) == scores(doc)


def test_a_span_as_a_document(doc):
    """spaCy's as_doc moves no user data along."""
    (ent,) = doc[3:5].as_doc().ents
    assert ent.text == "北京"
    assert ent._.confidence is None
    assert doc[3:5].as_doc(copy_user_data=True).ents[0].text == "北京"
