"""Augmenters: what they add is legal, and made of what was there."""

import random

import numpy as np
import pytest
import spacy
from spacy import registry
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import Config
from util import make_nlp

from spacy_crf_ner.training.augment import (
    make_character_replacement,
    make_combined,
    make_mention_replacement,
    make_sentence_concatenation,
)

NLP = spacy.blank("zh")
MAKERS = [make_mention_replacement, make_character_replacement, make_sentence_concatenation]
LABELS = ("A", "B-C")
CONFIG = """
[train]
@readers = "spacy.Corpus.v1"
path = "{path}"
gold_preproc = false

[train.augmenter]
@augmenters = "spacy_crf_ner.combined.v1"

[train.augmenter.*.mentions]
@augmenters = "spacy_crf_ner.mention_replacement.v1"
level = 0.5
seed = 1

[train.augmenter.*.characters]
@augmenters = "spacy_crf_ner.character_replacement.v1"
level = 0.5
rate = 0.1
seed = 2

[train.augmenter.*.sentences]
@augmenters = "spacy_crf_ner.sentence_concatenation.v1"
level = 0.5
seed = 3

[train.augmenter.*.lower_case]
@augmenters = "spacy.lower_case.v1"
level = 0.5
"""


def make_doc(words, tags, *, spaces=None):
    words = list(words)
    return Doc(NLP.vocab, words=words, spaces=spaces or [False] * len(words), ents=tags)


def as_example(doc):
    spaces = [bool(token.whitespace_) for token in doc]
    return Example(Doc(doc.vocab, words=[token.text for token in doc], spaces=spaces), doc)


def make_examples(n=60, seed=0):
    """Entities of capitals, with white space in and between, and missing tokens of digits."""
    rng = random.Random(seed)
    examples = []
    for _ in range(n):
        words, tags = [], []
        for _ in range(rng.randrange(1, 8)):
            kind, length = rng.choice(["O", "ent", "missing"]), rng.randrange(1, 4)
            label = rng.choice(LABELS)
            alphabet = {"O": "abcdefgh\n", "ent": "RSTU" if label == "A" else "VWXYZ"}
            words += rng.choices(alphabet.get(kind, "012345"), k=length)
            ent = [f"B-{label}"] + [f"I-{label}"] * (length - 1)
            tags += {"O": ["O"] * length, "ent": ent}.get(kind, [""] * length)
        spaces = [rng.random() < 0.3 for _ in words]
        examples.append(as_example(make_doc(words, tags, spaces=spaces)))
    return examples


def augment(augmenter, examples):
    """Each example with what was added to it."""
    return [(eg, list(augmenter(NLP, eg))) for eg in examples]


def added(augmenter, examples):
    return [(eg, extra) for eg, (_, *extras) in augment(augmenter, examples) for extra in extras]


def ents_of(doc):
    return [(ent.label_, ent.text) for ent in doc.ents]


def show(doc):
    return [(token.text_with_ws, token.ent_iob_, token.ent_type_) for token in doc]


def known(doc, iob):
    return [token.text for token in doc if token.ent_iob_ == iob]


@pytest.mark.parametrize("make", MAKERS)
def test_the_example_itself_is_first_and_unchanged(make):
    examples = make_examples()
    before = [(show(eg.x), show(eg.y)) for eg in examples]
    for eg, made in augment(make(1.0), examples):
        assert made[0] is eg
        assert len(made) <= 2
    assert [(show(eg.x), show(eg.y)) for eg in examples] == before


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_added_is_new_unannotated_and_legal(make):
    pairs = added(make(1.0), make_examples(200))
    assert len(pairs) > 20
    for eg, extra in pairs:
        assert show(extra.reference) != show(eg.reference)
        assert not extra.predicted.has_annotation("ENT_IOB")
        assert extra.predicted.text == extra.reference.text
        assert [t.text for t in extra.predicted] == [t.text for t in extra.reference]
        # Capitals are in entities, digits are missing, all else is known to be outside.
        for token in extra.reference:
            expected = ("B", "I") if token.text.isupper() else "" if token.text.isdigit() else "O"
            assert token.ent_iob_ in expected
        alphabets = {(label, text[0] in "RSTU") for label, text in ents_of(extra.reference)}
        assert alphabets <= {("A", True), ("B-C", False)}
        # As the loss reads it.
        assert len(extra.get_aligned_ner()) == len(extra.predicted)


@pytest.mark.parametrize("make", MAKERS)
def test_the_seed_decides(make):
    def run(**kwargs):
        augmenter = make(0.5, **kwargs)
        return [
            [show(extra.reference) for _, extra in added(augmenter, make_examples())]
            for _ in range(2)
        ]

    first, second = run(seed=1)
    assert [first, second] == run(seed=1)
    assert [first, second] != run(seed=2)
    assert first != second


@pytest.mark.parametrize("make", MAKERS)
def test_the_level_is_the_share(make):
    examples = make_examples(400)
    assert not added(make(0.0), examples)
    all_, half = (len(added(make(level), examples)) for level in (1.0, 0.5))
    assert 0.4 < half / all_ < 0.6
    for level in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="level of an augmenter must be from 0 to 1"):
            make(level)


@pytest.mark.parametrize("make", MAKERS)
def test_some_examples_are_passed_on(make):
    augmenter = make(1.0)
    augment(augmenter, make_examples())
    spans = make_examples(1)[0]
    spans.reference.spans["incorrect"] = [Span(spans.reference, 0, 1, label="A")]
    doc = make_doc("aXYb", ["O", "B-A", "I-A", "O"])
    other_tokens = Example(Doc(NLP.vocab, words=["aX", "Yb"], spaces=[False, False]), doc)
    empty = Example(Doc(NLP.vocab), Doc(NLP.vocab))
    for eg in (spans, other_tokens, empty):
        assert list(augmenter(NLP, eg)) == [eg]


def test_nothing_to_change():
    """Neither entities nor tokens known to be outside of them."""
    missing = as_example(make_doc("012", ["", "", ""]))
    for make in (make_mention_replacement, make_character_replacement):
        assert list(make(1.0)(NLP, missing)) == [missing]
    assert not added(make_sentence_concatenation(1.0), [missing] * 5)


def test_mentions_are_replaced_by_those_seen():
    examples, augmenter = make_examples(), make_mention_replacement(1.0)
    seen, changed, n_ents = set(), 0, 0
    for _ in range(2):
        for eg, (_, *extras) in augment(augmenter, examples):
            old = ents_of(eg.reference)
            seen.update(old)
            for extra in extras:
                new = ents_of(extra.reference)
                assert [label for label, _ in new] == [label for label, _ in old]
                assert set(new) <= seen
                assert known(extra.reference, "O") == known(eg.reference, "O")
                assert known(extra.reference, "") == known(eg.reference, "")
                changed += sum(a != b for a, b in zip(old, new))
            n_ents += len(old)
    assert 0.4 < changed / n_ents < 0.6


def test_white_space_after_an_entity_is_the_sentences():
    first = make_doc("xRy", ["O", "B-A", "O"], spaces=[True, False, False])
    second = make_doc("xSTy", ["O", "B-A", "I-A", "O"], spaces=[False, True, True, False])
    pairs = added(make_mention_replacement(1.0), map(as_example, [first, second] * 20))
    assert {extra.reference.text for _, extra in pairs} == {"x S Ty", "xR y"}


def test_mentions_with_and_without_white_space_after_them_are_the_same():
    """Or else they would take each other's place, and nothing would change."""
    augmenter = make_mention_replacement(1.0)
    doc = make_doc("RR", ["B-A", "B-A"], spaces=[True, False])
    assert not added(augmenter, [as_example(doc)] * 10)
    augment(augmenter, [as_example(make_doc("S", ["B-A"]))])
    pairs = added(augmenter, [as_example(doc)] * 200)
    n_replaced = sum(extra.reference.text.count("S") for _, extra in pairs)
    assert 0.4 < n_replaced / 400 < 0.6


def test_only_tokens_outside_are_changed():
    examples = make_examples(300)
    tokens = dropped = same = 0
    for eg, extra in added(make_character_replacement(1.0, rate=0.2), examples):
        assert ents_of(extra.reference) == ents_of(eg.reference)
        assert known(extra.reference, "") == known(eg.reference, "")
        old, new = known(eg.reference, "O"), known(extra.reference, "O")
        assert [w for w in old if w.isspace()] == [w for w in new if w.isspace()]
        tokens += len(old)
        dropped += len(old) - len(new)
        same += sum(a == b for a, b in zip(old, new)) if len(old) == len(new) else 0
    assert 0.05 < dropped / tokens < 0.2
    assert same


def test_the_rate_of_characters():
    examples = [as_example(make_doc("abcdefgh" * 50, ["O"] * 400))] * 5
    assert not added(make_character_replacement(1.0, rate=0.0), examples)
    for _, extra in added(make_character_replacement(1.0, rate=0.1), examples):
        assert 360 < len(extra.reference) < 400
    # One token is either dropped, and nothing is left, or replaced by itself, the only one seen.
    assert not added(make_character_replacement(1.0, rate=1.0), [as_example(make_doc("a", ["O"]))])
    with pytest.raises(ValueError, match=r"rate of an augmenter must be from 0 to 1, got 2"):
        make_character_replacement(1.0, rate=2)


def test_dropping_keeps_words_apart():
    doc = make_doc(["R", "a", "S"], ["B-A", "O", "B-A"], spaces=[False, True, False])
    pairs = added(make_character_replacement(1.0, rate=1.0), [as_example(doc)] * 5)
    assert {extra.reference.text for _, extra in pairs} == {"R S"}
    assert {len(extra.reference) for _, extra in pairs} == {2}


def test_sentences_are_concatenated():
    examples = make_examples()
    docs = [show(eg.reference) for eg in examples]
    pairs = added(make_sentence_concatenation(1.0), examples)
    assert len(pairs) == len(examples) - 1
    for eg, extra in pairs:
        n, index = len(eg.reference), examples.index(eg)
        assert show(extra.reference)[: n - 1] == show(eg.reference)[:-1]
        assert show(extra.reference)[n:] in docs[:index]
        assert ents_of(extra.reference)[: len(eg.reference.ents)] == ents_of(eg.reference)


@pytest.mark.parametrize(("space", "text"), [(False, "abcd"), (True, "a b c d")])
def test_sentences_have_white_space_in_between_as_within(space, text):
    docs = [make_doc(words, ["O", "O"], spaces=[space, False]) for words in ("cd", "ab")]
    ((_, extra),) = added(make_sentence_concatenation(1.0), map(as_example, docs))
    assert extra.reference.text == text


def test_combined_adds_what_each_adds():
    examples = make_examples()
    combined = make_combined(*(make(0.5, seed=seed) for seed, make in enumerate(MAKERS)))
    each = [augment(make(0.5, seed=seed), examples) for seed, make in enumerate(MAKERS)]
    for (eg, made), *parts in zip(augment(combined, examples), *each):
        expected = [extra for _, (_, *extras) in parts for extra in extras]
        assert made[0] is eg
        assert [show(m.reference) for m in made[1:]] == [show(e.reference) for e in expected]
    assert list(make_combined()(NLP, examples[0])) == examples[:1]


def test_a_config_trains(tmp_path):
    path = tmp_path / "train.spacy"
    docs = [eg.reference for eg in make_examples()]
    DocBin(docs=docs).to_disk(path)
    config = Config().from_str(CONFIG.format(path=path))
    corpus = registry.resolve(config)["train"]
    nlp = make_nlp()
    optimizer = nlp.initialize(lambda: corpus(nlp))
    assert nlp.get_pipe("crf_ner").labels == LABELS
    for _ in range(2):
        examples = list(corpus(nlp))
        assert len(docs) * 1.5 < len(examples) < len(docs) * 3
        assert np.isfinite(nlp.update(examples, sgd=optimizer)["crf_ner"])
