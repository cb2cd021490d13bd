"""Scores against seqeval, which counts entities from tags on its own, and scikit-learn."""

import itertools
import random

import pytest
import spacy
from seqeval.metrics import classification_report
from seqeval.scheme import IOBES
from sklearn.metrics import accuracy_score, f1_score
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_crf_ner.pipeline.scorer import make_ner_scorer, score_entities, score_tokens
from spacy_crf_ner.tags import TagSet

TAG_SET = TagSet(("BOOK", "LOC", "PER"))


def random_spans(generator, length):
    spans, i = [], 0
    while i < length:
        size = generator.randint(1, 3)
        if generator.random() < 0.4 and i + size <= length:
            spans.append((i, i + size, generator.choice(TAG_SET.labels)))
        i += size
    return spans


def disturb(generator, spans):
    kept = [span for span in spans if generator.random() < 0.8]
    return [
        (s, e, generator.choice(TAG_SET.labels) if generator.random() < 0.3 else label)
        for s, e, label in kept
    ]


@pytest.mark.parametrize("seed", range(3))
def test_seqeval_agrees_to_the_last_digit(seed):
    generator = random.Random(seed)
    vocab = spacy.blank("zh").vocab
    examples, gold_tags, tags = [], [], []
    for _ in range(50):
        length = generator.randint(1, 20)
        gold = random_spans(generator, length)
        found = disturb(generator, gold)
        docs = [Doc(vocab, words=["字"] * length, spaces=[False] * length) for _ in range(2)]
        for doc, spans, into in zip(docs, (found, gold), (tags, gold_tags)):
            doc.set_ents([Span(doc, *span) for span in spans])
            into.append([TAG_SET.tags[t] for t in TAG_SET.from_spans(spans, length)])
        examples.append(Example(*docs))
    scores = score_entities(examples)
    report = classification_report(gold_tags, tags, mode="strict", scheme=IOBES, output_dict=True)
    for key, name in (("p", "precision"), ("r", "recall"), ("f", "f1-score")):
        assert scores[f"ents_{key}"] == pytest.approx(report["micro avg"][name], abs=1e-12)
        for label in TAG_SET.labels:
            found = scores["ents_per_type"][label][key]
            assert found == pytest.approx(report[label][name], abs=1e-12)
    assert scores["ents_macro_f"] == pytest.approx(report["macro avg"]["f1-score"], abs=1e-12)
    assert 0.1 < scores["ents_f"] < 0.9
    flat, gold_flat = (list(itertools.chain.from_iterable(some)) for some in (tags, gold_tags))
    scores = score_tokens(examples)
    assert scores["ents_token_acc"] == pytest.approx(accuracy_score(gold_flat, flat), abs=1e-12)
    macro = f1_score(gold_flat, flat, average="macro")
    assert scores["ents_token_macro_f"] == pytest.approx(macro, abs=1e-12)


def test_nothing_to_score():
    nlp = spacy.blank("zh")
    doc = nlp.make_doc("北京")
    scores = score_entities([Example(doc, doc.copy())])
    assert scores["ents_f"] is None
    assert scores["ents_macro_f"] is None
    assert set(score_tokens([Example(doc, doc.copy())]).values()) == {None}


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


def test_a_pipeline_reports_them_all():
    nlp = spacy.blank("zh")
    nlp.add_pipe("crf_ner").add_label("PER")
    nlp.initialize()
    example = Example.from_dict(nlp.make_doc("王明在北京"), {"entities": [(0, 2, "PER")]})
    assert {"ents_f", "ents_token_acc", "ents_token_macro_f"} <= nlp.evaluate([example]).keys()
