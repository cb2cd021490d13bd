"""A student that starts from what its teacher has learned."""

import numpy as np
import pytest
import spacy
from spacy.ml.models.tok2vec import MaxoutWindowEncoder, build_Tok2Vec_model
from thinc.api import Linear, chain, concatenate, with_array

from spacy_crf_ner.distillation import warm_start
from spacy_crf_ner.distillation.warm_start import take_embeddings, take_encoder
from spacy_crf_ner.layers.attention import SelfAttentionEncoder
from spacy_crf_ner.layers.bilstm import BiLSTMEncoder
from spacy_crf_ner.layers.feature_embed import FeatureEmbed
from spacy_crf_ner.layers.lexicon import LexiconEmbed
from spacy_crf_ner.layers.tagger import CRFTagger
from spacy_crf_ner.layers.vectors import VectorsEmbed
from spacy_crf_ner.lexicon import set_lexicon

FEATURES = ["NORM", "SHAPE"]


def make(*, features=FEATURES, rows=20, words=("北京",), reverse=False, width=8):
    nlp = spacy.blank("zh")
    set_lexicon(nlp.vocab, [(word, f"class {i}") for i, word in enumerate(words)])
    parts = [
        FeatureEmbed(features, [4] * len(features), [rows] * len(features)),
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


TEXTS = ["我在北京", "王明到了上海", "他在南京的大学", "你们明天去哪里", "", "苏州河"]


def make_tagger(*, width=8, depth=1, hidden=None, encode="bilstm", heads=None, seed=0):
    """A network whose weights are all random. `hidden`: one more embedding, that other networks
    lack; it is linear in the others."""
    docs = [spacy.blank("zh")(text) for text in TEXTS]
    embed = FeatureEmbed(["NORM", "SHAPE"], [3, 2], [20, 5])
    if hidden:
        embed = concatenate(chain(embed, with_array(Linear(hidden, 5))), embed)
    cnn = encode == "cnn"
    encode = MaxoutWindowEncoder(5, 1, 2, 1) if cnn else BiLSTMEncoder(width, depth)
    if heads:
        encode = SelfAttentionEncoder(encode, heads)
    model = CRFTagger(build_Tok2Vec_model(embed, encode), 3)
    model.initialize(X=docs)
    rng = np.random.default_rng(seed)
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, rng.normal(size=node.get_param(name).shape).astype("f"))
    return model, docs


@pytest.mark.parametrize("depth", [1, 2])
def test_a_bilstm_reads_the_embeddings_as_its_teacher_reads_those_that_follow_from_them(
    monkeypatch, depth
):
    monkeypatch.setattr(warm_start, "RIDGE", 1e-9)
    teacher, docs = make_tagger(hidden=4, depth=depth, seed=1)
    student, _ = make_tagger(depth=depth)
    before = params_of(teacher)
    expected = teacher.predict(docs)
    assert take_embeddings(student, teacher) == 2
    order = [2, 0, 1]
    # In batches, one of which has no token at all.
    batches = [(part, part) for part in (docs[:2], docs[4:5], docs[2:4], docs[5:])]
    assert take_encoder(student, teacher, order, batches)
    found = student.predict(docs)
    np.testing.assert_allclose(found.emissions, expected.emissions[:, order], atol=3e-3)
    np.testing.assert_array_equal(found.start, expected.start[order])
    np.testing.assert_array_equal(found.transitions, expected.transitions[np.ix_(order, order)])
    np.testing.assert_array_equal(found.end, expected.end[order])
    # What the student then learns is its own.
    for node in student.walk():
        for name in node.param_names:
            node.get_param(name)[:] = 0
    assert not changed(before, params_of(teacher))


def test_embeddings_of_its_own_are_read_by_regression():
    teacher, docs = make_tagger(hidden=4, seed=1)
    student, _ = make_tagger()
    assert take_encoder(student, teacher, range(3), [(docs, docs)])
    S, Z = (
        np.concatenate(model.get_ref("tok2vec").get_ref("embed").predict(docs)).astype("f8")
        for model in (student, teacher)
    )
    S1 = S - S.mean(0)
    ridge = warm_start.RIDGE * np.trace(S1.T @ S1) / S.shape[1] * np.eye(S.shape[1])
    B = np.linalg.inv(S1.T @ S1 + ridge) @ S1.T @ (Z - Z.mean(0))
    (mine,), (theirs,) = (
        [node for node in model.walk() if node.name == "bilstm"] for model in (student, teacher)
    )
    for way in ("", "_reverse"):
        W, b = (theirs.get_param(f"{name}_ih_l0{way}") for name in ("weight", "bias"))
        read = ((S - S.mean(0)) @ B + Z.mean(0)) @ W.T + b
        W, b = (mine.get_param(f"{name}_ih_l0{way}") for name in ("weight", "bias"))
        np.testing.assert_allclose(S @ W.T + b, read, atol=1e-4)


@pytest.mark.parametrize("other", [{"width": 4}, {"depth": 2}, {"encode": "cnn"}, {"heads": 2}])
@pytest.mark.parametrize("swapped", [False, True])
def test_an_encoder_of_another_shape_is_not_taken(other, swapped):
    check_not_taken(*([{}, other] if swapped else [other, {}]))


def test_an_encoder_that_does_not_begin_with_a_bilstm_is_not_taken():
    check_not_taken({"encode": "cnn"}, {"encode": "cnn"})


def test_attention_is_taken_if_it_has_as_many_heads():
    student, docs = make_tagger(heads=2)
    teacher, _ = make_tagger(heads=2, seed=1)
    assert take_encoder(student, teacher, range(3), [(docs, docs)])
    attention, theirs = (
        next(node for node in model.walk() if "heads" in node.attrs) for model in (student, teacher)
    )
    for name in attention.param_names:
        np.testing.assert_array_equal(attention.get_param(name), theirs.get_param(name))
    check_not_taken({"heads": 1}, {"heads": 2})


def check_not_taken(mine, theirs):
    student, docs = make_tagger(**mine)
    teacher, _ = make_tagger(**theirs, seed=1)
    before = params_of(student)
    assert not take_encoder(student, teacher, range(3), [(docs, docs)])
    assert not changed(before, params_of(student))


def test_a_tok2vec_without_an_encoder_is_left_alone():
    parts = [CRFTagger(make()[0], 3) for _ in range(2)]
    assert not take_encoder(*parts, range(3), [])
