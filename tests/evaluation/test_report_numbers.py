"""Scores of groups and thresholds, and what the report says about a corpus."""

import pytest
import spacy
from spacy.tokens import Doc
from util import TRAIN, make_examples, make_prediction, make_trained

from spacy_crf_ner.evaluation.evaluate import evaluate
from spacy_crf_ner.evaluation.report.corpus import (
    count_labels,
    find_ambiguity,
    find_leakage,
    measure,
)
from spacy_crf_ner.evaluation.report.mentions import read_mentions
from spacy_crf_ner.evaluation.report.pairs import pair_mentions
from spacy_crf_ner.evaluation.report.slices import (
    Counts,
    by_entity_length,
    by_familiarity,
    by_sentence_length,
)
from spacy_crf_ner.evaluation.report.thresholds import best_point, score_thresholds


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("zh")


def make_docs(nlp, train=TRAIN):
    return [eg.reference for eg in make_examples(nlp, train)]


def test_scores_of_counts():
    counts = Counts(correct=2, found=4, gold=8)
    assert (counts.precision, counts.recall) == (0.5, 0.25)
    assert counts.f1 == pytest.approx(1 / 3)
    none = Counts(0, 0, 0)
    assert none.precision is none.recall is none.f1 is None


def test_groups(nlp):
    examples = [
        make_prediction(nlp, "王明去上海", [(0, 2, "PER"), (3, 5, "LOC")], [(0, 2, "PER")]),
        make_prediction(nlp, "韩梅梅住在北京" * 2, [(0, 3, "PER"), (5, 7, "LOC")], [(0, 2, "PER")]),
    ]
    pairs = pair_mentions(read_mentions(examples))
    # The last predicted one has two tokens, and its gold one three.
    assert by_entity_length(pairs) == [("2", Counts(1, 2, 3)), ("3", Counts(0, 0, 1))]
    assert by_sentence_length(pairs) == [
        ("1 to 10", Counts(1, 1, 2)),
        ("11 to 20", Counts(0, 1, 2)),
    ]
    train = make_docs(nlp, [("王明是上海人", [(0, 2, "PER"), (3, 5, "ORG")])])
    assert by_familiarity(pairs, train) == [
        ("seen with this label", Counts(1, 1, 1)),
        ("seen with other labels only", Counts(0, 0, 1)),
        ("not seen", Counts(0, 1, 2)),
    ]


def test_sentences_count_if_the_corpus_has_them(nlp):
    text = "王明去上海。" * 3
    eg = make_prediction(nlp, text, [(0, 2, "PER")], [])
    for token in eg.reference:
        token.is_sent_start = token.i % 6 == 0
    assert by_sentence_length(pair_mentions(read_mentions([eg]))) == [("1 to 10", Counts(0, 0, 1))]


@pytest.mark.parametrize("decoding", ["viterbi", "entities"])
def test_a_point_is_what_evaluation_at_its_threshold_gives(decoding):
    nlp = make_trained(steps=8, decoding=decoding)
    pipe = nlp.get_pipe("crf_ner")
    examples = make_examples(nlp)
    evaluate(nlp, examples)
    points = {p.threshold: p.counts for p in score_thresholds(pipe, examples)}
    assert len({counts.found for counts in points.values()}) > 2
    for threshold in (0.1, 0.5, 0.8):
        pipe.threshold = threshold
        scores = evaluate(nlp, make_examples(nlp))
        found = points[threshold]
        assert (found.precision or 0.0, found.recall) == (scores["ents_p"], scores["ents_r"])
    best = best_point(score_thresholds(pipe, examples))
    assert best.counts.f1 == max(counts.f1 for counts in points.values())


def test_sizes_and_duplicates(nlp):
    size = measure(make_docs(nlp, [*TRAIN, TRAIN[0], TRAIN[0]]))
    assert (size.documents, size.entities, size.duplicates) == (7, 12, 2)
    assert size.tokens == sum(len(text) for text, _ in TRAIN) + 2 * len(TRAIN[0][0])


def test_labels_are_counted(nlp):
    assert count_labels(make_docs(nlp)) == {"PER": 3, "LOC": 5}


def test_mentions_with_several_labels(nlp):
    docs = make_docs(nlp, [*TRAIN, ("北京说", [(0, 2, "ORG")]), ("王明路", [(0, 2, "LOC")])])
    ambiguity = find_ambiguity(docs)
    assert ambiguity.texts == 7
    assert ambiguity.ambiguous == [
        ("北京", [("LOC", 2), ("ORG", 1)]),
        ("王明", [("LOC", 1), ("PER", 1)]),
    ]


def test_leakage(nlp):
    test = make_docs(nlp, [TRAIN[0], (TRAIN[1][0], []), ("新的", [])])
    leakage = find_leakage(make_docs(nlp), test)
    assert (leakage.documents, leakage.contradictions) == (2, 1)
    assert find_leakage([], test).documents == 0


def test_an_empty_document_counts_for_nothing(nlp):
    assert measure([Doc(nlp.vocab)]) == (1, 0, 0, 0)
