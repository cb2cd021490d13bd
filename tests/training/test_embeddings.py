"""A student that starts from its teacher's embeddings."""

import numpy as np
import pytest
import spacy
from thinc.api import chain, concatenate

from spacy_crf_ner.layers.bilstm import BiLSTMEncoder
from spacy_crf_ner.layers.embed import CharacterEmbed
from spacy_crf_ner.layers.lexicon import LexiconEmbed
from spacy_crf_ner.layers.vectors import VectorsEmbed
from spacy_crf_ner.lexicon import set_lexicon
from spacy_crf_ner.training.embeddings import take_embeddings

FEATURES = ["NORM", "SHAPE"]


def make(*, features=FEATURES, rows=20, words=("北京",), reverse=False, width=8):
    nlp = spacy.blank("zh")
    set_lexicon(nlp.vocab, [(word, f"class {i}") for i, word in enumerate(words)])
    parts = [
        CharacterEmbed(features, [4] * len(features), [rows] * len(features)),
        VectorsEmbed(4, 10),
        LexiconEmbed(4),
    ]
    embed = concatenate(*parts[:: -1 if reverse else 1])
    model = chain(embed, BiLSTMEncoder(width))
    docs = [nlp("我在北京")]
    model.initialize(X=docs)
    rng = np.random.default_rng(0 if reverse else 1)
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, rng.random(node.get_param(name).shape, "f"))
    return model, parts, docs


def params_of(model):
    return {
        (i, node.name, name): node.get_param(name).copy()
        for i, node in enumerate(model.walk())
        for name in node.param_names
    }


def changed(before, after):
    return {key[1] for key in before if not np.array_equal(before[key], after[key])}


def test_tables_that_are_alike_are_taken_wherever_they_stand():
    teacher, taught, docs = make(reverse=True, width=4)
    teacher(docs, is_train=True)  # the rows of the vectors' tokens are given out
    student, learned, _ = make()
    before, theirs = params_of(student), params_of(teacher)
    for node in student.walk():
        node.attrs["learn_rate"] = 3.0
    assert take_embeddings(student, teacher) == 4
    assert changed(before, params_of(student)) == {"hashembed", "vectors_embed", "lexicon_embed"}
    for mine, other in zip(learned, taught):
        np.testing.assert_array_equal(mine.predict(docs)[0], other.predict(docs)[0])
    assert {node.attrs["learn_rate"] for node in student.walk()} == {3.0}
    # What the student then learns is its own.
    for node in student.walk():
        if node.name == "vectors_embed":
            node.attrs["index"].clear()
        for name in node.param_names:
            node.get_param(name)[:] = 0
    assert not changed(theirs, params_of(teacher))
    assert taught[1].attrs["index"]


@pytest.mark.parametrize(
    ("other", "taken"),
    [
        ({}, 4),
        ({"width": 4}, 4),
        ({"rows": 30}, 2),
        ({"features": ["SHAPE", "NORM"]}, 2),
        ({"features": ["NORM", "SHAPE", "TYPE"]}, 2),
        ({"words": ("北京", "上海")}, 3),
    ],
)
def test_others_stay_as_they_are(other, taken):
    teacher, _, _ = make(**other, reverse=True)
    student, _, _ = make()
    before = params_of(student)
    assert take_embeddings(student, teacher) == taken
    assert len(changed(before, params_of(student))) == (3 if taken == 4 else 2)
