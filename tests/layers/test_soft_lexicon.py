"""Token embeddings from the vectors of words, against a plain computation."""

import numpy as np
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc

from spacy_crf_ner.layers.embeddings import embed_in_parts
from spacy_crf_ner.layers.soft_lexicon import SCALE, SoftLexicon, WordVectors

WORDS = ["北京", "北京大学", "大学", "学生", "京大", "王明", "王"]
TEXTS = ["王明在北京大学", "", "学", "大学生" * 3, "上海"]


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("zh")


def make_table():
    return np.random.RandomState(0).normal(size=(len(WORDS), 3)).astype("f2").astype("f4")


def read_words():
    return WordVectors.of(WORDS, make_table())


def make_layer(read=read_words, **settings):
    layer = SoftLexicon(read, width=5, **settings)
    layer.initialize(X=[])
    return layer


def expect(layer, texts):
    """For each token of a text: the means of the words that begin, go on, end there, or are it."""
    vectors = {word: SCALE * row for word, row in zip(WORDS, make_table()) if len(word) > 1}
    W, b = layer.get_param("W"), layer.get_param("b")
    starts = np.cumsum([0, *map(len, texts)])
    text = "".join(texts)
    rows = []
    for i in range(len(texts)):
        sets = [[], [], [], []]
        for first in range(i + 1):
            for last in range(i, len(texts)):
                word = text[starts[first] : starts[last + 1]]
                if word in vectors:
                    is_whole = 3 if first == last else 1
                    place = (
                        is_whole if first == last else 0 if first == i else 2 if last == i else 1
                    )
                    sets[place].append(vectors[word])
        rows.append(
            np.concatenate([np.mean(each, axis=0) if each else np.zeros(3) for each in sets])
        )
    return np.array(rows).reshape(-1, 12) @ W.T + b


def test_means_of_the_words_at_each_place(nlp):
    layer = make_layer()
    docs = list(map(nlp, TEXTS))
    for doc, found in zip(docs, layer.predict(docs)):
        assert_allclose(found, expect(layer, [token.text for token in doc]), atol=1e-6)


def test_tokens_of_several_characters(nlp):
    layer = make_layer()
    words = ["王明", "北京", "大学", "生"]
    doc = Doc(nlp.vocab, words=words, spaces=[False] * 4)
    assert_allclose(layer.predict([doc])[0], expect(layer, words), atol=1e-6)


def test_parts_are_the_embeddings(nlp):
    layer, docs = make_layer(), list(map(nlp, TEXTS))
    assert_allclose(embed_in_parts(layer, docs).array(), np.concatenate(layer.predict(docs)))


def test_gradients(nlp):
    layer, docs = make_layer(), list(map(nlp, TEXTS))
    states, backprop = layer.begin_update(docs)
    random = np.random.RandomState(1)
    d_states = [random.normal(size=each.shape).astype("f") for each in states]
    assert backprop(d_states) == []
    for name in ("W", "b"):
        parameter, gradient = layer.get_param(name), layer.get_grad(name)
        for place in ((0,), (4,)) if name == "b" else ((0, 0), (2, 5), (4, 8)):
            changes = []
            for change in (0.5, -0.5):
                parameter[place] += change
                outputs = layer.predict(docs)
                changes.append(sum((x * d).sum() for x, d in zip(outputs, d_states)))
                parameter[place] -= change
            assert_allclose(gradient[place], changes[0] - changes[1], atol=1e-3)


def test_a_document_has_the_same_vectors_alone_and_in_any_batch(nlp):
    layer = make_layer()
    for text, together in zip(TEXTS, layer.predict(list(map(nlp, TEXTS)))):
        assert_allclose(layer.predict([nlp(text)])[0], together, atol=1e-6)


def test_words_are_hidden_in_training_only(nlp):
    layer = make_layer(feature_dropout=0.5)
    np.random.seed(0)
    docs = [nlp("北京大学" * 50)]
    seen = layer.begin_update(docs)[0][0]
    hidden = np.isclose(seen, layer.get_param("b")).all(axis=1).mean()
    assert 0.05 < hidden < 0.6
    assert not np.isclose(layer.predict(docs)[0], layer.get_param("b")).all(axis=1).any()


@pytest.mark.parametrize("read", [read_words, lambda: WordVectors.of([], np.zeros((0, 0)))])
@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["上海"]])
def test_nothing_to_find(nlp, read, texts):
    layer = make_layer(read)
    docs = list(map(nlp, texts))
    states, backprop = layer.begin_update(docs)
    assert [each.shape for each in states] == [(len(doc), 5) for doc in docs]
    assert backprop(states) == []
    assert not any(each.any() for each in states)


def test_it_is_saved_with_its_words(nlp):
    layer, docs = make_layer(), list(map(nlp, TEXTS))
    loaded = SoftLexicon(lambda: 1 / 0, width=5).from_bytes(layer.to_bytes())
    for found, expected in zip(loaded.predict(docs), layer.predict(docs)):
        assert (found == expected).all()
    assert loaded.attrs["word_vectors"] is layer.attrs["word_vectors"]


def test_vectors_of_another_width_are_refused():
    check = make_layer().attrs["check_loaded"]
    check({"nM": 12}, {"word_vectors": read_words()})
    with pytest.raises(ValueError, match="the words' means have the width 12, the layer has 8"):
        check({"nM": 8}, {"word_vectors": read_words()})


def test_vectors_that_are_not_finite_are_named():
    table = make_table()
    table[2] = 1e6
    with pytest.raises(ValueError, match="1 of the words' vectors .* such as that of '大学'"):
        WordVectors.of(WORDS, table)


@pytest.mark.parametrize(
    ("settings", "name"), [({"width": 0}, "width"), ({"feature_dropout": 1}, "drop")]
)
def test_settings_that_cannot_be(settings, name):
    with pytest.raises(ValueError, match=f"SoftLexicon: .*{name}"):
        SoftLexicon(read_words, **settings)
