"""`crf_ner` says and learns the same on a GPU as on the CPU."""

from threading import Thread

import pytest
import spacy
import torch
from numpy.testing import assert_allclose
from small_training import confidences_in, entities_in, entities_without_gpu, small_config
from spacy.tokens import Span, SpanGroup
from spacy.training import Example
from thinc.api import fix_random_seed, get_current_ops, to_numpy, use_ops
from thinc.backends import context_pools
from util import TEXTS, fit, make_examples, make_nlp, small

from spacy_crf_ner.calibration.calibrate import fit as fit_calibration
from spacy_crf_ner.distillation.student import distilled_corpus, prepare_student
from spacy_crf_ner.pipeline.soft_targets import read_soft_targets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pipeline that was trained on the CPU."""
    path = tmp_path_factory.mktemp("trained")
    with use_ops("numpy"):
        fit(make_nlp())[0].to_disk(path)
    return path


def load(folder, **settings):
    return spacy.load(folder, config={"components": {"crf_ner": settings}})


def on_both(function):
    """What a function returns on the CPU, and on the GPU."""
    with use_ops("numpy"):
        expected = function()
    return expected, function()


def make_docs(nlp):
    """Documents of which some are empty or white space, one has an entity and a token that is not
    annotated, and one a token that is in no entity."""
    docs = [nlp.make_doc(text) for text in (*TEXTS, "", " ", "王明  在北京", "\n", "")]
    docs[0].set_ents([Span(docs[0], 4, 6, label="LOC")], missing=[docs[0][0:1]])
    docs[1].set_ents([], blocked=[docs[1][0:1]])
    return docs


@pytest.mark.parametrize("decoding", ["viterbi", "entities"])
def test_decoding(folder, decoding):
    def annotate(spans_key):
        threshold = 0.4 if decoding == "entities" else 0.0
        nlp = load(folder, decoding=decoding, spans_key=spans_key, threshold=threshold)
        return list(nlp.pipe(make_docs(nlp)))

    expected, found = on_both(lambda: entities_in(annotate(None)))
    assert found == expected
    assert (4, 6, "LOC") in expected[0]
    assert expected[2:5] == [[], [(0, 3, "PER"), (5, 7, "LOC")], [(0, 1, "LOC"), (2, 4, "LOC")]]
    expected, found = on_both(lambda: confidences_in(annotate("crf")))
    assert expected
    assert found == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_alternatives(folder):
    def ask():
        nlp = load(folder)
        pipe = nlp.get_pipe("crf_ner")
        pipe.temperature = 4.0
        found = [pipe.alternatives(doc, 3) for doc in make_docs(nlp)]
        return [[entities for _, entities in some] for some in found], [
            probability for some in found for probability, _ in some
        ]

    (expected, likely), (found, probabilities) = on_both(ask)
    assert len(expected[0]) == 3
    assert found == expected
    assert probabilities == pytest.approx(likely, abs=1e-5)


def test_probable_spans(folder):
    def ask():
        nlp = load(folder)
        pipe = nlp.get_pipe("crf_ner")
        pipe.temperature = 4.0
        assert pipe.probable_spans([nlp.make_doc("")], 0.01) == [[]]
        found = [span for spans in pipe.probable_spans(make_docs(nlp), 0.01) for span in spans]
        return [span[:3] for span in found], [span.confidence for span in found]

    (expected, likely), (found, probabilities) = on_both(ask)
    assert len(expected) > len(TEXTS)
    assert found == expected
    assert probabilities == pytest.approx(likely, abs=1e-5)


def test_another_thread(folder):
    nlp, found = load(folder), []
    thread = Thread(target=lambda: found.extend(entities_in(nlp.pipe(TEXTS))))
    thread.start()
    thread.join()
    assert found == entities_in(nlp.pipe(TEXTS))


def test_a_process_that_was_forked_off(folder, monkeypatch):
    nlp = load(folder)
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    with pytest.raises(RuntimeError, match="n_process=1"):
        nlp(TEXTS[0])


def test_cupy_takes_its_memory_from_torch(monkeypatch):
    """Also for a pipeline that has no torch module, whose wrapper would see to it."""
    monkeypatch.delitem(context_pools.get(), "pytorch", raising=False)
    make_nlp()
    assert "pytorch" in context_pools.get()


def test_another_process_that_has_no_gpu(folder, tmp_path):
    nlp = load(folder)
    nlp.to_disk(tmp_path)
    assert entities_without_gpu(tmp_path, TEXTS) == entities_in(nlp.pipe(TEXTS))


def partly_known(examples):
    """The first document without the tags of some tokens, and with a span that is no entity."""
    doc = examples[0].reference
    doc.set_ents(doc.ents, missing=[doc[2:3], doc[5:7]])
    doc.spans["wrong"] = SpanGroup(doc, spans=[Span(doc, 5, 7, label="LOC")])
    return examples


@pytest.mark.parametrize("annotation", ["all", "part"])
@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_gradients(folder, epsilon, annotation):
    def learn():
        # The one kind of dropout that is drawn on the CPU, and so is the same.
        model = {"tok2vec": {"embed": {"feature_dropout": 0.3}}}
        settings = {"incorrect_spans_key": "wrong", "adversarial_epsilon": epsilon}
        nlp = load(folder, model=model, **settings)
        examples = make_examples(nlp)
        fix_random_seed(0)
        loss = nlp.update(examples if annotation == "all" else partly_known(examples))["crf_ner"]
        nodes = nlp.get_pipe("crf_ner").model.walk()
        return loss, [to_numpy(node.get_grad(x)) for node in nodes for x in node.grad_names]

    (expected_loss, expected), (loss, found) = on_both(learn)
    assert loss == pytest.approx(expected_loss, rel=1e-3)
    assert len(found) == len(expected) > 10
    for ours, theirs in zip(found, expected):
        assert_allclose(ours, theirs, rtol=1e-2, atol=1e-3 * abs(theirs).max())


def test_temperature(folder):
    def fitted():
        nlp = load(folder)
        # The pipeline is sure that these have entities.
        wrong = [Example.from_dict(nlp.make_doc(text), {"entities": []}) for text in TEXTS[:2]]
        return fit_calibration(nlp.get_pipe("crf_ner"), [[*wrong, *make_examples(nlp)]])

    expected, found = on_both(fitted)
    assert expected.temperature > 1
    assert found[:1] + found[2:] == pytest.approx(expected[:1] + expected[2:], rel=1e-2)


def test_distillation(folder, tmp_path):
    config = small_config("bilstm", tmp_path).interpolate()
    config["components"]["crf_ner"]["model"] = small()["model"]
    config["initialize"]["before_init"] = None
    (tmp_path / "raw.txt").write_text("王明去上海\n", encoding="utf8")

    def distill():
        fix_random_seed(0)
        output = tmp_path / "distilled.spacy"
        nlp, *counts = prepare_student(
            [load(folder)],
            config,
            [tmp_path / "raw.txt"],
            output,
            weight=0.5,
            use_gpu=0 if get_current_ops().name == "cupy" else -1,
            progress=lambda examples, total: examples,
        )
        examples = list(distilled_corpus(output)(nlp))
        optimizer = nlp.create_optimizer()
        losses = [nlp.update(examples, sgd=optimizer)["crf_ner"] for _ in range(2)]
        return counts, losses, [read_soft_targets(eg.reference) for eg in examples]

    (counts, expected_losses, expected), (found_counts, losses, found) = on_both(distill)
    assert found_counts == counts
    assert losses == pytest.approx(expected_losses, rel=1e-2)
    assert len(found) == len(expected) > len(TEXTS)
    for ours, theirs in zip(found, expected):
        assert_allclose(ours.tags, theirs.tags, atol=1e-4)
        assert_allclose(ours.pairs, theirs.pairs, atol=1e-3)
