"""Scores of the tags of tokens against scikit-learn."""

import itertools

import pytest
from entity_examples import CORPORA, LABELS, VOCAB, make_example
from hypothesis import given, settings
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crf_ner.pipeline.token_scores import score_tokens
from spacy_crf_ner.tags import TagSet


def flat_tags(corpus, scheme):
    """The gold and the predicted tags of all tokens."""
    tag_set = TagSet(LABELS, scheme)
    for i in (1, 2):
        ids = itertools.chain.from_iterable(tag_set.from_spans(doc[i], doc[0]) for doc in corpus)
        yield [tag_set.tags[tag] for tag in ids]


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@settings(max_examples=30, deadline=None)
@given(corpus=CORPORA)
def test_scikit_learn_agrees_to_the_last_digit(scheme, corpus):
    scores = score_tokens([make_example(*doc) for doc in corpus], scheme=scheme)
    gold, found = flat_tags(corpus, scheme)
    assert scores["ents_token_acc"] == pytest.approx(accuracy_score(gold, found), abs=1e-12)
    for average in ("macro", "weighted"):
        expected = f1_score(gold, found, average=average, zero_division=0)
        assert scores[f"ents_token_{average}_f"] == pytest.approx(expected, abs=1e-12)
    tags = sorted({*gold, *found})
    per_type = scores["ents_token_per_type"]
    assert sorted(per_type) == tags
    expected = precision_recall_fscore_support(gold, found, labels=tags, zero_division=0)
    for key, values in zip("prf", expected):
        assert [per_type[tag][key] for tag in tags] == pytest.approx(values, abs=1e-12)


def test_tokens_without_annotation_are_left_out():
    words = list("王明去北京")
    found = Doc(VOCAB, words=words, ents=["B-PER", "I-PER", "O", "B-LOC", "I-LOC"])
    gold = Doc(VOCAB, words=words, ents=["B-PER", "I-PER", "B-LOC", None, None])
    without = Example(found, Doc(VOCAB, words=words))
    scores = score_tokens([without, Example(found, gold)])
    assert scores["ents_token_acc"] == pytest.approx(2 / 3)
    assert sorted(scores["ents_token_per_type"]) == ["B-PER", "E-PER", "O", "S-LOC"]
    assert set(score_tokens([without]).values()) == {None}


def test_tokens_of_an_entity_that_does_not_align_are_left_out():
    spaces = [False] * 3
    found = Doc(VOCAB, words=["王", "明", "去北"], spaces=spaces, ents=["B-PER", "I-PER", "O"])
    gold = Doc(VOCAB, words=["王明", "去", "北"], spaces=spaces, ents=["B-PER", "O", "B-LOC"])
    scores = score_tokens([Example(found, gold)], scheme="BIO")
    assert scores["ents_token_per_type"].keys() == {"B-PER", "I-PER"}
    assert scores["ents_token_weighted_f"] == 1
