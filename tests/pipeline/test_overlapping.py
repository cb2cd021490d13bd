"""Entities in `doc.spans` that overlap: one `crf_ner` for each group of labels."""

import logging

import numpy as np
import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.training import Example
from thinc.api import Config, fix_random_seed
from typer.testing import CliRunner
from util import ents_of, make_nlp, small

from spacy_crf_ner.calibration.calibrate import calibrate
from spacy_crf_ner.distillation.student import distilled_corpus, prepare_student
from spacy_crf_ner.evaluation.evaluate import evaluate
from spacy_crf_ner.pipeline.decoding import Entity
from spacy_crf_ner.pipeline.gold import gold_tags
from spacy_crf_ner.pipeline.soft_targets import read_soft_targets
from spacy_crf_ner.tags import MISSING

NESTED = [
    ("王明在北京大学工作", [(0, 2, "PER"), (3, 5, "LOC"), (3, 7, "ORG")]),
    ("上海医院有李雷", [(0, 2, "LOC"), (0, 4, "ORG"), (5, 7, "PER")]),
    ("今天下雨", []),
    ("韩梅梅去广州", [(0, 3, "PER"), (4, 6, "LOC")]),
    ("北京大学很大", [(0, 2, "LOC"), (0, 4, "ORG")]),
]
TEXTS = [text for text, _ in NESTED]
OUTER, INNER = ["ORG"], ["LOC", "PER"]


def make_overlapping(inner_key="sc", **settings):
    """A pipeline of two components, not yet initialized."""
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    for name, key, labels in (("outer", "sc", OUTER), ("inner", inner_key, INNER)):
        config = {**small(), "annotate_ents": False, "spans_key": key, **settings}
        nlp.add_pipe("crf_ner", name=name, config=config)
        nlp.config["initialize"]["components"][name] = {"labels": labels}
    return nlp


def make_nested(nlp, *keys, train=NESTED):
    """The examples, with the same gold under each key."""
    keys = keys or ["sc"]
    return [
        Example.from_dict(nlp.make_doc(text), {"spans": dict.fromkeys(keys, spans)})
        for text, spans in train
    ]


def fit(nlp, examples):
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    return [nlp.update(examples, sgd=optimizer) for _ in range(20)]


def spans_of(doc, key="sc"):
    return [(span.start, span.end, span.label_) for span in doc.spans[key]]


def assert_as_trained(nlp, texts=TEXTS):
    gold = dict(NESTED)
    assert [spans_of(doc) for doc in nlp.pipe(texts)] == [gold[text] for text in texts]


@pytest.fixture(scope="module")
def payload():
    nlp = make_overlapping()
    losses = fit(nlp, make_nested(nlp))
    for name in ("outer", "inner"):
        assert losses[-1][name] < 0.1 < losses[0][name]
    return nlp.to_bytes()


@pytest.fixture
def trained(payload):
    """A pipeline of one's own to change."""
    return make_overlapping().from_bytes(payload)


# Training


def test_nested_entities_are_learned(trained):
    assert trained.get_pipe("outer").labels == ("ORG",)
    assert trained.get_pipe("inner").labels == ("LOC", "PER")
    assert_as_trained(trained)
    scores = trained.evaluate(make_nested(trained))
    assert scores["spans_sc_p"] == scores["spans_sc_r"] == scores["spans_sc_f"] == 1.0
    assert set(scores["spans_sc_per_type"]) == {"LOC", "ORG", "PER"}
    assert "ents_f" not in scores


def test_labels_are_those_of_the_spans_if_none_are_given():
    nlp = make_nlp(annotate_ents=False, spans_key="sc")
    train = [(text, [span for span in spans if span[2] != "ORG"]) for text, spans in NESTED]
    examples = make_nested(nlp, train=train)
    # Neither entities nor other groups matter.
    examples[0].reference.set_ents([Span(examples[0].reference, 0, 1, "ENT")])
    examples[0].reference.spans["other"] = [Span(examples[0].reference, 0, 1, "OTHER")]
    examples[0].reference.spans["sc"].append(Span(examples[0].reference, 0, 1))
    nlp.initialize(lambda: examples)
    assert nlp.get_pipe("crf_ner").labels == ("LOC", "PER")


def test_gold_is_the_spans_with_its_labels():
    nlp = make_overlapping()
    examples = make_nested(nlp)
    reference = examples[0].reference
    reference.set_ents([Span(reference, 7, 9, "PER")])
    nlp.initialize(lambda: examples)
    for name, spans in (
        ("outer", [(3, 7, "ORG")]),
        ("inner", [(0, 2, "PER"), (3, 5, "LOC")]),
    ):
        pipe = nlp.get_pipe(name)
        gold = pipe.gold_examples(examples)
        assert ents_of(gold[0].reference) == spans
        assert gold_tags(gold[0], pipe.tag_set).tolist() == pipe.tag_set.from_spans(spans, 9)
    assert ents_of(reference) == [(7, 9, "PER")]
    assert len(reference.spans["sc"]) == 3


def test_a_document_without_the_key_is_not_annotated():
    nlp = make_overlapping()
    nlp.initialize(lambda: make_nested(nlp))
    pipe = nlp.get_pipe("inner")
    example = make_nested(nlp, "other")[0]
    example.reference.set_ents([Span(example.reference, 0, 2, "PER")])
    (gold,) = pipe.gold_examples([example])
    assert set(gold_tags(gold, pipe.tag_set)) == {MISSING}
    assert pipe.update([example])["inner"] == pytest.approx(0, abs=1e-5)
    # A group without spans says that there are none.
    (gold,) = pipe.gold_examples(make_nested(nlp, train=[(TEXTS[0], [])]))
    assert set(gold_tags(gold, pipe.tag_set)) == {0}
    assert nlp.evaluate([example])["spans_sc_f"] is None


def test_spans_that_overlap_within_a_component_are_warned_about(caplog):
    nlp = make_overlapping()
    spans = [(0, 2, "LOC"), (0, 4, "PER"), (0, 4, "PER"), (0, 6, "ORG"), (3, 6, "LOC")]
    examples = make_nested(nlp, train=[("北京大学很大", spans)])
    with caplog.at_level(logging.WARNING, logger="spacy"):
        nlp.initialize(lambda: examples)
    (record,) = caplog.records
    assert "[inner] 2 of 3 gold spans overlap a longer one" in record.getMessage()
    assert "such as '北京' (LOC), '学很大' (LOC)." in record.getMessage()
    (gold,) = nlp.get_pipe("inner").gold_examples(examples)
    assert ents_of(gold.reference) == [(0, 4, "PER")]


def test_misaligned_spans_are_missing(caplog):
    nlp = make_nlp("en", annotate_ents=False, spans_key="sc")
    reference = Doc(
        nlp.vocab, words=["New", "York", "er", "Ann"], spaces=[True, False, True, False]
    )
    reference.spans["sc"] = [Span(reference, 0, 2, "LOC"), Span(reference, 3, 4, "PER")]
    example = Example(nlp.make_doc("New Yorker Ann"), reference)
    with caplog.at_level(logging.WARNING, logger="spacy"):
        nlp.initialize(lambda: [example])
    assert "1 of 2 gold entities do not begin and end where tokens do" in caplog.text
    pipe = nlp.get_pipe("crf_ner")
    tags = gold_tags(*pipe.gold_examples([example]), pipe.tag_set)
    assert tags.tolist() == [MISSING, MISSING, pipe.tag_set.ids["S-PER"]]


def test_spans_that_are_no_entities_raise_the_loss():
    nlp = make_overlapping(incorrect_spans_key="incorrect")
    example, *_ = examples = make_nested(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("inner")
    scores = pipe.model.predict([example.predicted])
    before = pipe.get_loss([example], scores)[0]
    example.reference.spans["incorrect"] = [Span(example.reference, 5, 7, "LOC")]
    (spans,) = pipe.probable_spans([example.predicted], 1e-6)
    (probability,) = [span.confidence for span in spans if span[:3] == (5, 7, "LOC")]
    after = pipe.get_loss([example], scores)[0]
    assert after - before == pytest.approx(-np.log1p(-probability), rel=1e-3)


def test_rehearsal_keeps_what_was_learned(trained):
    optimizer = trained.resume_training()
    raw = [Example(trained.make_doc(text), trained.make_doc(text)) for text in TEXTS]
    for _ in range(2):
        losses = trained.rehearse(raw, sgd=optimizer)
    assert set(losses) == {"outer", "inner"}
    assert_as_trained(trained)


# Prediction


def test_entities_are_neither_changed_nor_kept_clear_of(trained):
    doc = trained.make_doc(TEXTS[0])
    ents = [Span(doc, 4, 6, "OTHER")]
    doc.set_ents(ents, blocked=[doc[0:1]])
    before = doc.to_array(["ENT_IOB", "ENT_TYPE"]).tolist()
    for name in ("outer", "inner"):
        doc = trained.get_pipe(name)(doc)
    assert spans_of(doc) == NESTED[0][1]
    assert doc.to_array(["ENT_IOB", "ENT_TYPE"]).tolist() == before
    assert not trained(TEXTS[0]).has_annotation("ENT_IOB")


def test_confidences(trained):
    doc = trained(TEXTS[0])
    group = doc.spans["sc"]
    expected = {
        (ent.start, ent.end, ent.label): ent.confidence
        for name in ("outer", "inner")
        for ent in trained.get_pipe(name).predict([doc])[0]
    }
    assert [expected[span] for span in spans_of(doc)] == pytest.approx(list(group.attrs["scores"]))
    assert [span._.confidence for span in group] == pytest.approx(list(group.attrs["scores"]))
    (copy,) = DocBin(docs=[doc], store_user_data=True).get_docs(trained.vocab)
    assert copy.spans["sc"].attrs["scores"].tolist() == group.attrs["scores"].tolist()
    assert [s._.confidence for s in copy.spans["sc"]] == [s._.confidence for s in group]


def test_spans_of_other_labels_stay_with_their_scores(trained):
    pipe = trained.get_pipe("inner")
    doc = trained.make_doc(TEXTS[0])
    old = [Span(doc, 8, 9, "X"), Span(doc, 3, 7, "ORG"), Span(doc, 0, 9, "LOC")]
    attrs = {"scores": np.array([0.25, 0.5, 0.75], dtype="f"), "note": "kept"}
    doc.spans["sc"] = SpanGroup(doc, name="sc", spans=old, attrs=attrs)
    pipe.set_annotations([doc], [[Entity(3, 5, "LOC", 0.625), Entity(0, 2, "PER")]])
    group = doc.spans["sc"]
    assert spans_of(doc) == [(0, 2, "PER"), (3, 5, "LOC"), (3, 7, "ORG"), (8, 9, "X")]
    np.testing.assert_array_equal(group.attrs["scores"], [np.nan, 0.625, 0.5, 0.25])
    assert group.attrs["note"] == "kept"
    group.append(Span(doc, 1, 2, "X"))  # the scores are now one too few
    pipe.set_annotations([doc], [[]])
    assert spans_of(doc) == [(1, 2, "X"), (3, 7, "ORG"), (8, 9, "X")]
    assert np.isnan(doc.spans["sc"].attrs["scores"]).all()


def test_a_second_run_changes_nothing(trained):
    doc = trained(TEXTS[1])
    spans, scores = spans_of(doc), doc.spans["sc"].attrs["scores"].tolist()
    doc = trained(doc)
    assert spans_of(doc) == spans
    assert doc.spans["sc"].attrs["scores"].tolist() == pytest.approx(scores)


@pytest.mark.parametrize("decoding", ["viterbi", "entities"])
def test_spans_below_the_threshold_are_left_out(payload, decoding):
    nlp = make_overlapping(decoding=decoding).from_bytes(payload)
    outer, inner = nlp.get_pipe("outer"), nlp.get_pipe("inner")
    inner.temperature = 3.0
    found = inner.predict([nlp.make_doc(TEXTS[0])])[0]
    *_, second, first = sorted(found, key=lambda ent: ent.confidence)
    inner.threshold = (first.confidence + second.confidence) / 2
    doc = nlp(TEXTS[0])
    assert set(spans_of(doc)) == {first[:3], (3, 7, "ORG")}
    assert Span(doc, *second[:3])._.confidence is None
    # Exactly as much is enough.
    inner.decoding, inner.threshold = "viterbi", first.confidence
    assert first[:3] in spans_of(nlp(TEXTS[0]))
    inner.threshold = outer.threshold = 1.0
    doc = nlp(TEXTS[0])
    assert spans_of(doc) == []
    assert doc.spans["sc"].attrs["scores"].shape == (0,)


def test_alternatives_and_probable_spans(trained):
    doc = trained(TEXTS[0])
    doc.set_ents([Span(doc, 4, 6, "ORG")])
    pipe = trained.get_pipe("outer")
    (probability, entities), *_ = pipe.alternatives(doc, 2)
    assert [ent[:3] for ent in entities] == [(3, 7, "ORG")]
    (found,) = pipe.probable_spans([doc], 0.5)
    assert [ent[:3] for ent in found] == [(3, 7, "ORG")]
    assert 0.5 < probability <= found[0].confidence + 1e-6


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_batches(trained, batch_size):
    texts = ["", *TEXTS * 2, ""]
    docs = list(trained.pipe(texts, batch_size=batch_size))
    gold = {**dict(NESTED), "": []}
    assert [spans_of(doc) for doc in docs] == [gold[text] for text in texts]


def test_keys_of_their_own():
    nlp = make_overlapping(inner_key="inner")
    fit(nlp, make_nested(nlp, "sc", "inner"))
    doc = nlp(TEXTS[0])
    assert spans_of(doc) == [(3, 7, "ORG")]
    assert spans_of(doc, "inner") == [(0, 2, "PER"), (3, 5, "LOC")]
    scores = nlp.evaluate(make_nested(nlp, "inner"))
    assert scores["spans_sc_f"] is None
    assert scores["spans_inner_p"] == 1.0
    # The gold has the labels of the other component too.
    assert scores["spans_inner_r"] == pytest.approx(7 / 10)


def test_beside_a_component_that_sets_entities(trained):
    nlp = make_overlapping()
    nlp.from_bytes(trained.to_bytes())
    nlp.add_pipe("crf_ner", config={**small(), "spans_key": "ents"})
    examples = make_nested(nlp)
    for eg in examples:
        eg.reference.set_ents([span for span in eg.reference.spans["sc"] if span.label_ == "PER"])
    pipe = nlp.get_pipe("crf_ner")
    pipe.initialize(lambda: examples)
    assert pipe.labels == ("PER",)
    scores = nlp.evaluate(examples)
    assert scores["spans_sc_f"] == 1.0
    assert scores["ents_f"] is not None
    # The confidences are those of the component that sets entities, not of the others.
    scores = evaluate(nlp, examples)
    assert scores["ents_support"] == {"PER": 3}
    assert sum(b.count for b in scores["calibration"]["bins"]) == sum(
        len(eg.predicted.ents) for eg in examples
    )


def test_a_student_of_spans(tmp_path):
    nlp = make_nlp(annotate_ents=False, spans_key="sc")
    nlp.config["initialize"]["components"]["crf_ner"] = {"labels": INNER}
    examples = make_nested(nlp)
    nlp.initialize(lambda: examples)
    examples[2] = make_nested(nlp, "other")[2]
    config = nlp.config.copy()
    path = str(tmp_path / "train.spacy")
    DocBin(docs=[eg.reference for eg in examples]).to_disk(path)
    config["paths"].update(train=path, dev=path)
    student = prepare_student(
        [nlp],
        config,
        [],
        tmp_path / "distilled.spacy",
        weight=0.25,
        use_gpu=-1,
        progress=lambda examples, _: examples,
    )
    assert (student.labelled, student.unlabelled) == (4, 1)
    taught = list(distilled_corpus(tmp_path / "distilled.spacy")(student.nlp))
    weights = [read_soft_targets(eg.reference).weight for eg in taught]
    assert weights == [0.25, 0.25, 1.0, 0.25, 0.25]
    assert ents_of(student.nlp.get_pipe("crf_ner").gold_examples(taught)[0].reference) == [
        (0, 2, "PER"),
        (3, 5, "LOC"),
    ]
    assert student.nlp.update(taught)["crf_ner"] > 0


# Settings and files


def test_a_key_is_required():
    with pytest.raises(ValueError, match=r"\[crf_ner\] annotate_ents = false needs a spans_key"):
        make_nlp(annotate_ents=False)


def test_serialization(trained, tmp_path):
    trained.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    assert not nlp.get_pipe("outer").annotate_ents
    assert_as_trained(nlp)
    config = {"components": {"inner": {"annotate_ents": True}}}
    nlp = spacy.load(tmp_path, config=config)
    assert ents_of(nlp(TEXTS[0])) == [(0, 2, "PER"), (3, 5, "LOC")]


def test_calibration(trained):
    wrong = [(text, [(*span[:2], "PER") for span in spans]) for text, spans in NESTED[:3]]
    before = [spans_of(doc) for doc in trained.pipe(TEXTS)]
    fitted = calibrate(trained, [*make_nested(trained), *make_nested(trained, train=wrong)])
    assert set(fitted) == {"outer", "inner"}
    assert fitted["inner"].temperature > 2
    assert fitted["inner"].threshold is None
    assert [spans_of(doc) for doc in trained.pipe(TEXTS)] == before
    assert calibrate(trained, make_nested(trained, "other")) == {"outer": None, "inner": None}


# On the command line

CONFIG = """
[nlp]
lang = "zh"
pipeline = ["outer","inner"]

[components]

[components.outer]
factory = "crf_ner"
annotate_ents = false
spans_key = "sc"

[components.outer.model]

[components.inner]
factory = "crf_ner"
annotate_ents = false
spans_key = "sc"

[components.inner.model]

[training]
max_steps = 40
eval_frequency = 20

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.01

[training.score_weights]
spans_sc_f = 1.0
ents_f = null
ents_p = null
ents_r = null

[initialize]

[initialize.components]

[initialize.components.outer]
labels = ["ORG"]

[initialize.components.inner]
labels = ["LOC","PER"]
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_train_and_evaluate_from_a_config(tmp_path):
    def run(*arguments):
        result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    config = Config().from_str(CONFIG)
    for name in ("outer", "inner"):
        config["components"][name]["model"] = small()["model"]
    config.to_disk(tmp_path / "partial.cfg")
    corpus = tmp_path / "train.spacy"
    DocBin(docs=[eg.reference for eg in make_nested(spacy.blank("zh"))] * 4).to_disk(corpus)
    run("init", "fill-config", tmp_path / "partial.cfg", tmp_path / "config.cfg")
    paths = ("--paths.train", corpus, "--paths.dev", corpus)
    output = run("train", tmp_path / "config.cfg", "--output", tmp_path, *paths)
    assert "SPANS_SC_F" in output
    assert "ENTS_F" not in output
    nlp = spacy.load(tmp_path / "model-best")
    assert nlp.meta["performance"]["spans_sc_f"] == 1.0
    assert_as_trained(nlp)
    run("evaluate", tmp_path / "model-best", corpus, "--output", tmp_path / "scores.json")
    assert srsly.read_json(tmp_path / "scores.json")["spans_sc_f"] == 1.0
    output = run(
        "find-threshold", tmp_path / "model-best", corpus, "inner", "threshold", "spans_sc_f"
    )
    assert "Best threshold" in output
