"""Scores against seqeval, which counts entities from tags on its own, and spaCy."""

import io

import pytest
import spacy
import srsly
from entity_examples import CORPORA, LABELS, VOCAB, make_example
from hypothesis import assume, given, settings
from seqeval.metrics import classification_report
from seqeval.scheme import IOBES
from spacy.cli.evaluate import evaluate
from spacy.pipeline.ner import make_ner_scorer as make_spacy_scorer
from spacy.scorer import Scorer
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from util import MODEL, make_examples, small

from spacy_crf_ner.pipeline.scorer import make_ner_scorer, score_entities
from spacy_crf_ner.tags import TagSet

AVERAGES = {"ents": "micro avg", "ents_macro": "macro avg", "ents_weighted": "weighted avg"}
KEYS = (
    *(f"{prefix}_{key}" for prefix in AVERAGES for key in "prf"),
    "ents_per_type",
    "ents_overlap",
    *(f"ents_token_{key}" for key in ("acc", "macro_f", "weighted_f", "per_type")),
)
NAMES = {"p": "precision", "r": "recall", "f": "f1-score"}


@settings(max_examples=100, deadline=None)
@given(CORPORA)
def test_seqeval_agrees_to_the_last_digit(corpus):
    assume(any(gold or found for _, gold, found in corpus))
    tag_set = TagSet(LABELS)
    gold, found = (
        [[tag_set.tags[tag] for tag in tag_set.from_spans(doc[i], doc[0])] for doc in corpus]
        for i in (1, 2)
    )
    report = classification_report(
        gold, found, mode="strict", scheme=IOBES, output_dict=True, zero_division=0
    )
    scores = score_entities([make_example(*doc) for doc in corpus])
    for key, name in NAMES.items():
        for prefix, average in AVERAGES.items():
            expected = report[average][name]
            assert scores[f"{prefix}_{key}"] == pytest.approx(expected, abs=1e-12)
        for label, prf in scores["ents_per_type"].items():
            assert prf[key] == pytest.approx(report[label][name], abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(CORPORA)
def test_spacy_agrees_to_the_last_digit(corpus):
    examples = [make_example(*doc) for doc in corpus]
    scores = score_entities(examples)
    # Two functions of its own: one compares tokens, the other spans.
    for expected in (make_spacy_scorer()(examples), Scorer.score_spans(examples, "ents")):
        assert {key: scores[key] for key in expected} == expected


def test_a_label_that_is_only_predicted_without_annotation_is_in_the_macro_average():
    """spaCy has it among its labels. seqeval knows nothing of missing annotation."""
    words = list("王明去北京")
    found = Doc(VOCAB, words=words, ents=["B-PER", "I-PER", "O", "B-LOC", "I-LOC"])
    gold = Doc(VOCAB, words=words, ents=["B-PER", "I-PER", "O", None, None])
    scores = score_entities([Example(found, gold)])
    assert scores["ents_per_type"]["LOC"] == {"p": 0, "r": 0, "f": 0}
    assert (scores["ents_f"], scores["ents_macro_f"], scores["ents_weighted_f"]) == (1, 0.5, 1)


def test_nothing_to_score():
    nlp = spacy.blank("zh")
    doc = nlp.make_doc("北京")
    scores = score_entities([Example(doc, doc.copy())])
    assert len(scores) == 10
    assert set(scores.values()) == {None}


def test_the_registered_scorer_scores_entities_and_tokens():
    vocab = spacy.blank("zh").vocab
    gold, found = (Doc(vocab, words=list("王明在北京")) for _ in range(2))
    gold.set_ents([Span(gold, 0, 2, "PER"), Span(gold, 3, 5, "LOC")])
    found.set_ents([Span(found, 0, 2, "PER")])
    scores = make_ner_scorer()(iter([Example(found, gold)]))
    assert scores["ents_f"] == pytest.approx(2 / 3)
    assert scores["ents_token_acc"] == pytest.approx(3 / 5)
    assert {"ents_macro_f", "ents_per_type", "ents_token_macro_f"} <= scores.keys()


def test_with_a_key_it_scores_spans_as_spacy_does():
    vocab = spacy.blank("zh").vocab
    gold, found = (Doc(vocab, words=list("北京大学")) for _ in range(2))
    gold.spans["sc"] = [Span(gold, 0, 2, "LOC"), Span(gold, 0, 4, "ORG")]
    found.spans["sc"] = [Span(found, 0, 4, "ORG")]
    examples = [Example(found, gold), Example(Doc(vocab), Doc(vocab))]
    scores = make_ner_scorer()(examples, spans_key="sc")
    assert scores["spans_sc_f"] == pytest.approx(2 / 3)
    spacy_scorer = spacy.registry.get("scorers", "spacy.spancat_scorer.v1")()
    assert scores == spacy_scorer(examples, spans_key="sc")
    # That one can be set as well: the component tells it the key.
    config = {"annotate_ents": False, "spans_key": "sc"}
    scorer = {"@scorers": "spacy.spancat_scorer.v1"}
    pipe = spacy.blank("zh").add_pipe("crf_ner", config={**config, "scorer": scorer})
    assert pipe.score(examples) == scores


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline after two steps of training with the default scores, and its corpus."""
    nlp = spacy.blank("zh")
    nlp.add_pipe("crf_ner", config=small(MODEL))
    corpus = tmp_path / "train.spacy"
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(corpus)
    config = nlp.config.copy()
    config["paths"].update(dict.fromkeys(("train", "dev"), str(corpus)))
    config["training"].update(max_steps=2, eval_frequency=1)
    train(init_nlp(config), tmp_path, stdout=io.StringIO())
    return tmp_path / "model-last", corpus


@pytest.mark.slow
def test_spacy_train_and_evaluate_store_them_all(pipeline, tmp_path):
    model, corpus = pipeline
    scores = {key: spacy.load(model).meta["performance"][key] for key in KEYS}
    assert scores["ents_overlap"].keys() == {"strict", "exact", "partial", "type"}
    assert scores["ents_token_per_type"]["O"]["f"] > 0
    evaluate(str(model), corpus, tmp_path / "scores.json")
    written = srsly.read_json(tmp_path / "scores.json")
    assert {key: written[key] for key in KEYS} == scores


def test_training_can_choose_the_best_step_by_any_average():
    weights = spacy.Language.get_factory_meta("crf_ner").default_score_weights
    assert set(KEYS) <= weights.keys()
    assert {key for key, weight in weights.items() if weight is not None} == {
        "ents_p",
        "ents_r",
        "ents_f",
    }
