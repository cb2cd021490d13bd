"""One bad document never costs its neighbours."""

import numpy as np
import pytest
import torch
from util import TEXTS, TRAIN, ents_of, make_trained

GOLD = [ents for _, ents in TRAIN]
BAD = "坏坏坏"


@pytest.fixture
def nlp():
    return make_trained()


def break_on_bad(nlp, error, monkeypatch, component="crf_ner"):
    """Let the network of a component raise an error for any batch with the bad document."""
    model = nlp.get_pipe(component).model
    forward = model._func

    def broken(model, docs, is_train):
        if any(doc.text == BAD for doc in docs):
            raise error
        return forward(model, docs, is_train)

    monkeypatch.setattr(model, "_func", broken)


def handle(nlp):
    """Let the pipeline go on after errors; returns what the handler will have got."""
    got = []
    nlp.set_error_handler(
        lambda name, proc, docs, error: got.append((name, [doc.text for doc in docs], error))
    )
    return got


@pytest.mark.parametrize(
    "error", [ValueError("bad"), MemoryError(), torch.OutOfMemoryError("CUDA out of memory")]
)
def test_only_the_bad_document_is_lost(nlp, error, monkeypatch):
    break_on_bad(nlp, error, monkeypatch)
    got = handle(nlp)
    texts = [*TEXTS, BAD, *TEXTS]
    pairs = list(nlp.pipe(zip(texts, range(11)), as_tuples=True, batch_size=4))
    assert [ents_of(doc) for doc, _ in pairs] == GOLD * 2
    assert [context for _, context in pairs] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert got == [("crf_ner", [BAD], error)]


def test_an_interrupt_passes(nlp, monkeypatch):
    break_on_bad(nlp, KeyboardInterrupt(), monkeypatch)
    got = handle(nlp)
    with pytest.raises(KeyboardInterrupt):
        list(nlp.pipe([*TEXTS, BAD]))
    assert got == []


def test_a_document_that_cannot_be_annotated(nlp, monkeypatch):
    """Those before it in the batch are not annotated a second time."""
    pipe = nlp.get_pipe("crf_ner")
    pipe.spans_key = "crf"
    annotate, annotated = pipe.set_annotations, []

    def refuse(docs, scores):
        if docs[0].text == BAD:
            raise ValueError("bad")
        annotated.extend(doc.text for doc in docs)
        annotate(docs, scores)

    monkeypatch.setattr(pipe, "set_annotations", refuse)
    got = handle(nlp)
    docs = list(nlp.pipe([*TEXTS, BAD]))
    assert annotated == [doc.text for doc in docs] == TEXTS
    assert [ents_of(doc) for doc in docs] == GOLD
    assert all(ent._.confidence > 0 for doc in docs for ent in doc.ents)
    assert [texts for _, texts, _ in got] == [[BAD]]


def test_the_memory_of_a_failed_batch_is_free_for_its_documents(nlp, monkeypatch):
    pipe = nlp.get_pipe("crf_ner")
    predict, alive = pipe.predict, []

    class Large:
        def __init__(self):
            alive.append(self)

        def __del__(self):
            still.append(False)

    still = []

    def run_out(docs):
        if len(docs) > 1:
            large = Large()
            alive.clear()
            raise MemoryError(str(bool(large)))
        assert still == [False]
        return predict(docs)

    monkeypatch.setattr(pipe, "predict", run_out)
    handle(nlp)
    assert [ents_of(doc) for doc in nlp.pipe(TEXTS)] == GOLD


def test_a_listener_loses_only_the_bad_document(monkeypatch):
    nlp = make_trained(tok2vec=True)
    break_on_bad(nlp, ValueError("bad"), monkeypatch)
    got = handle(nlp)
    docs = list(nlp.pipe([*TEXTS, BAD, *TEXTS]))
    assert [ents_of(doc) for doc in docs] == GOLD * 2
    assert [(name, texts) for name, texts, _ in got] == [("crf_ner", [BAD])]


def test_a_shared_tok2vec_that_fails_loses_its_batch(monkeypatch):
    """spaCy runs it, and hands the whole batch to the handler. Batches of one lose one."""
    nlp = make_trained(tok2vec=True)
    break_on_bad(nlp, ValueError("bad"), monkeypatch, "tok2vec")
    got = handle(nlp)
    texts = [*TEXTS, BAD]
    assert [doc.text for doc in nlp.pipe(texts, batch_size=3)] == TEXTS[:3]
    assert [(name, texts) for name, texts, _ in got] == [("tok2vec", [*TEXTS[3:], BAD])]
    got.clear()
    assert [ents_of(doc) for doc in nlp.pipe(texts, batch_size=1)] == GOLD
    assert [(name, texts) for name, texts, _ in got] == [("tok2vec", [BAD])]


def test_vectors_that_are_not_finite_cost_no_neighbour():
    nlp = make_trained(tok2vec=True, decoding="entities", spans_key="crf")
    tok2vec, pipe = nlp.get_pipe("tok2vec"), nlp.get_pipe("crf_ner")
    docs = list(tok2vec.pipe(nlp.make_doc(text) for text in [*TEXTS, BAD, *TEXTS]))
    docs[5].tensor = docs[5].tensor * np.nan
    good = [*docs[:5], *docs[6:]]
    assert [ents_of(doc) for doc in pipe.pipe(good)] == GOLD * 2
    confidences = [doc.spans["crf"].attrs["scores"] for doc in good]
    for doc in docs:
        doc.ents, doc.spans["crf"] = [], []
    together = list(pipe.pipe(docs))
    assert [ents_of(doc) for doc in [*together[:5], *together[6:]]] == GOLD * 2
    found = [doc.spans["crf"].attrs["scores"] for doc in good]
    for before, now in zip(confidences, found):
        np.testing.assert_allclose(now, before, atol=1e-6)


def test_two_processes_lose_only_the_bad_document(nlp, tmp_path, monkeypatch):
    """The handler runs in the process of the document, so here it writes to a file."""
    break_on_bad(nlp, ValueError("bad"), monkeypatch)
    log = tmp_path / "bad.txt"

    def note(name, proc, docs, error):
        with log.open("a", encoding="utf8") as file:
            file.writelines(f"{doc.text} {error}\n" for doc in docs)

    nlp.set_error_handler(note)
    texts = [*TEXTS, BAD, *TEXTS, BAD]
    pairs = list(nlp.pipe(zip(texts, range(12)), as_tuples=True, n_process=2, batch_size=4))
    assert [ents_of(doc) for doc, _ in pairs] == GOLD * 2
    assert [context for _, context in pairs] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert log.read_text(encoding="utf8") == f"{BAD} bad\n" * 2


def test_a_text_that_is_no_text_stops_the_stream(nlp):
    """spaCy makes documents before any component sees them, and handles no errors there."""
    got = handle(nlp)
    with pytest.raises(ValueError, match="E1041"):
        list(nlp.pipe([*TEXTS, None]))
    assert got == []
