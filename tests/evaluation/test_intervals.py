"""Confidence intervals of F1 on counts whose intervals are known."""

import numpy as np
import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crf_ner.evaluation.intervals import Counts, count_entities, f1_intervals

VOCAB = spacy.blank("zh").vocab


def example(gold, found, words="王明去北京", found_words=None):
    """An example, from the BIO tags of its tokens; None for tokens without annotation."""
    words, found_words = list(words), list(found_words or words)
    docs = [
        Doc(VOCAB, words=w, spaces=[False] * len(w), ents=tags)
        for w, tags in ((found_words, found), (words, gold))
    ]
    return Example(*docs)


PERSON = ["B-PER", "I-PER", "O", "O", "O"]
BOTH = ["B-PER", "I-PER", "O", "B-LOC", "I-LOC"]
EXAMPLES = [
    example(BOTH, BOTH),
    example(BOTH, PERSON),
    example(PERSON, ["B-LOC", "I-LOC", "O", "O", "B-LOC"]),
    example(["O"] * 5, ["O"] * 5),
    # Without any annotation, and with some: what is predicted elsewhere is neither right nor wrong.
    example(None, BOTH),
    example(["B-PER", "I-PER", "O", None, None], BOTH),
    # Two predictions in one token of the reference.
    example(
        ["B-PER", "O", "B-LOC"],
        ["B-PER", "B-PER", "O", "B-LOC"],
        ["王明", "去", "北京"],
        [*"王明去", "北京"],
    ),
]


def random_counts(n_docs=40, seed=0):
    rng = np.random.default_rng(seed)
    correct = rng.integers(3, size=(n_docs, 2))
    values = np.stack([correct, *(correct + rng.integers(3, size=(2, n_docs, 2)))], axis=-1)
    return Counts(["LOC", "PER"], values.astype(float))


def f1(counts):
    correct, found, gold = counts
    return 2 * correct / (found + gold)


def test_entities_are_counted_as_spacy_counts_them():
    labels, values = count_entities(EXAMPLES)
    assert labels == ["LOC", "PER"]
    assert values.shape == (6, 2, 3)
    assert values[2].tolist() == [[0, 2, 0], [0, 0, 1]]
    expected = get_ner_prf(EXAMPLES)
    assert f1(values.sum(axis=(0, 1))) == pytest.approx(expected["ents_f"])
    for label, counts in zip(labels, values.sum(axis=0)):
        correct, found, gold = counts
        prf = expected["ents_per_type"][label]
        assert [correct / found, correct / gold] == pytest.approx([prf["p"], prf["r"]])


def test_an_interval_contains_the_score():
    counts = random_counts()
    micro, macro, per_label = f1_intervals(counts)
    low, high = micro
    assert 0 < low < f1(counts.values.sum(axis=(0, 1))) < high < 1
    assert set(per_label) == {"LOC", "PER"}
    for (low, high), total in zip(per_label.values(), counts.values.sum(axis=0)):
        assert low < f1(total) < high
    low, high = macro
    assert low < np.mean([f1(total) for total in counts.values.sum(axis=0)]) < high


def test_it_is_that_of_a_naive_loop():
    counts = random_counts(12)
    rng = np.random.default_rng(7)
    scores = {"micro": [], "macro": [], "LOC": [], "PER": []}
    for _ in range(50):
        drawn = [counts.values[i] for i in rng.integers(12, size=12)]
        scores["micro"].append(f1(sum(doc[0] + doc[1] for doc in drawn)))
        for i, label in enumerate(counts.labels):
            scores[label].append(f1(sum(doc[i] for doc in drawn)))
        scores["macro"].append((scores["LOC"][-1] + scores["PER"][-1]) / 2)
    expected = {name: np.percentile(values, [10, 90]) for name, values in scores.items()}
    micro, macro, per_label = f1_intervals(counts, n_samples=50, level=0.8, seed=7)
    for name, interval in {"micro": micro, "macro": macro, **per_label}.items():
        assert interval == pytest.approx(expected[name])


def test_the_same_seed_gives_the_same():
    assert f1_intervals(random_counts()) == f1_intervals(random_counts())
    assert f1_intervals(random_counts(), seed=1) != f1_intervals(random_counts())


def test_more_documents_make_it_narrower():
    few, many = (f1_intervals(random_counts(n)).micro for n in (20, 2000))
    assert many[1] - many[0] < (few[1] - few[0]) / 5


def test_all_correct_and_all_wrong():
    counts = np.ones((10, 1, 3))
    assert f1_intervals(Counts(["LOC"], counts)).micro == (1, 1)
    counts[..., 0] = 0
    assert f1_intervals(Counts(["LOC"], counts)).per_label == {"LOC": (0, 0)}


def test_a_label_of_one_document():
    """Draws without it say nothing about it."""
    values = np.zeros((30, 2, 3))
    values[:, 0] = 1
    values[0, 1] = 1
    intervals = f1_intervals(Counts(["LOC", "PER"], values))
    assert intervals.per_label["PER"] == (1, 1)
    assert intervals.macro == (1, 1)


def test_no_entities():
    assert f1_intervals(count_entities([])) == (None, None, {})
    assert f1_intervals(count_entities([example(["O"] * 5, ["O"] * 5)])) == (None, None, {})
