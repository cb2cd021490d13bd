"""Overlaps of entities against nervaluate, which counts them on its own."""

import pytest
from entity_examples import CORPORA, LABELS, VOCAB, make_example
from hypothesis import assume, example, given, settings
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crf_ner.pipeline.overlap_scores import score_overlaps
from spacy_crf_ner.pipeline.scorer import score_entities

COUNTS = ("correct", "incorrect", "partial", "missed", "spurious", "possible", "actual")


def nervaluate(corpus):
    """Its results for gold and predicted spans."""
    evaluator = pytest.importorskip("nervaluate", reason="needs Python 3.11").Evaluator
    gold, found = (
        [[{"label": label, "start": s, "end": e - 1} for s, e, label in doc[i]] for doc in corpus]
        for i in (1, 2)
    )
    results = evaluator(gold, found, tags=list(LABELS), loader="dict").evaluate()["overall"]
    return {**results, "type": results["ent_type"]}


@settings(max_examples=100, deadline=None)
@given(CORPORA)
# One token of 101 is less than 1 % of the gold entity, one of 100 is not.
@example([(120, [(0, 101, "PER")], [(100, 120, "PER")])])
@example([(120, [(0, 100, "PER")], [(99, 120, "PER")])])
# The second of two entities is closer, and so is the one with the right label.
@example([(9, [(0, 2, "PER"), (2, 7, "PER")], [(1, 8, "PER")])])
@example([(9, [(0, 2, "LOC"), (2, 3, "PER")], [(0, 3, "PER")])])
def test_nervaluate_agrees_to_the_last_digit(corpus):
    assume(any(gold or found for _, gold, found in corpus))
    scores = score_overlaps([make_example(*doc) for doc in corpus])["ents_overlap"]
    assert list(scores) == ["strict", "exact", "partial", "type"]
    expected = nervaluate(corpus)
    for measure, found in scores.items():
        assert {name: found[name] for name in COUNTS} == {
            name: getattr(expected[measure], name) for name in COUNTS
        }
        for key, name in (("p", "precision"), ("r", "recall"), ("f", "f1")):
            assert found[key] == pytest.approx(getattr(expected[measure], name), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(CORPORA)
def test_strict_scores_are_those_of_entities(corpus):
    examples = [make_example(*doc) for doc in corpus]
    entities, overlaps = score_entities(examples), score_overlaps(examples)["ents_overlap"]
    assume(overlaps is not None)
    for key in "prf":
        assert overlaps["strict"][key] == pytest.approx(entities[f"ents_{key}"], abs=1e-12)


def test_what_is_not_annotated_is_left_out():
    words = list("王明去北京")
    found = Doc(VOCAB, words=words, ents=["B-PER", "I-PER", "O", "B-LOC", "I-LOC"])
    gold = Doc(VOCAB, words=words, ents=["B-PER", "O", "O", None, None])
    examples = [Example(found, gold), Example(found, found.copy())]
    strict = score_overlaps(examples)["ents_overlap"]["strict"]
    assert (strict["correct"], strict["incorrect"], strict["spurious"]) == (2, 1, 0)
    without = Example(found, Doc(VOCAB, words=words))
    assert score_overlaps([without]) == score_overlaps([]) == {"ents_overlap": None}


def test_entities_are_compared_in_the_tokens_of_the_reference():
    spaces = [False] * 4
    words = (["王", "明", "去", "北京大学"], ["王明", "去", "北京", "大学"])
    found = Doc(VOCAB, words=words[0], spaces=spaces, ents=["B-PER", "I-PER", "O", "B-LOC"])
    gold = Doc(VOCAB, words=words[1], spaces=spaces, ents=["B-PER", "O", "B-LOC", "O"])
    overlaps = score_overlaps([Example(found, gold)])["ents_overlap"]
    assert overlaps["partial"]["correct"] == overlaps["partial"]["partial"] == 1
    assert overlaps["type"]["correct"] == 2
