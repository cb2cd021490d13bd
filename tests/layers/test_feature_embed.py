"""What the embedding sees of a token."""

import numpy as np
import pytest
import spacy
from thinc.api import fix_random_seed

from spacy_crf_ner.layers.character_types import character_types
from spacy_crf_ner.layers.feature_embed import FeatureEmbed, TokenFeatures


def features_of(text, *features, lang="zh"):
    nlp = spacy.blank(lang)
    return TokenFeatures(list(features)).predict([nlp.make_doc(text)])[0]


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("中", "CJK"),
        ("三", "numeral"),
        # Numeric for Python 3.13, but not for those before.
        ("京", "CJK"),
        ("两", "CJK"),
        ("ア", "KATAKANA"),
        ("서", "HANGUL"),
        ("Peking", "Lu Ll"),
        ("USA", "Lu"),
        ("1996", "Nd"),
        ("１", "Nd"),
        ("，", "Po"),
        ("A-1", "Lu Pd Nd"),
        (" ", "Zs"),
        ("", ""),
    ],
)
def test_character_types(text, types):
    assert character_types(text) == types


def test_types_tell_scripts_apart_that_shapes_do_not():
    shapes, types = features_of("京abア三", "SHAPE", "TYPE").T
    assert shapes[0] == shapes[1]
    assert types[1] == types[2]
    assert len(set(types.tolist())) == 4


def test_bigrams():
    left, right = features_of("天天向上", "BIGRAM_LEFT", "BIGRAM_RIGHT").T
    # The bigram to the right of a token is the one to the left of the next.
    assert left[1:].tolist() == right[:-1].tolist()
    assert len({*left.tolist(), *right.tolist()}) == 5
    # The same bigrams elsewhere have the same hash, mirrored ones another.
    other = features_of("上天天", "BIGRAM_LEFT")[:, 0]
    assert other[2] == left[1]
    assert features_of("上向", "BIGRAM_LEFT")[1, 0] != left[3]


def test_all_features_of_spacy_are_known():
    doc = spacy.blank("en").make_doc("Peking opera")
    expected = doc.to_array(["NORM", "SUFFIX", "SHAPE"])
    found = features_of("Peking opera", "NORM", "SUFFIX", "SHAPE", lang="en")
    assert found.tolist() == expected.tolist()


def test_affixes():
    found = features_of("Peking king Pek", "PREFIX_3", "SUFFIX_4", lang="en")
    strings = spacy.blank("en").vocab.strings
    expected = [("Pek", "king"), ("kin", "king"), ("Pek", "Pek")]
    assert found.tolist() == [[strings.add(x) for x in pair] for pair in expected]


@pytest.mark.parametrize("text", ["", "中"])
def test_short_documents(text):
    assert features_of(text, "NORM", "BIGRAM_LEFT", "TYPE").shape == (len(text), 3)


def test_widths_and_hashes_of_unseen_tokens():
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    model = FeatureEmbed(["NORM", "TYPE"], widths=[8, 4], rows=[100, 50])
    docs = [nlp.make_doc("北京"), nlp.make_doc(""), nlp.make_doc("龘")]
    model.initialize(X=docs)
    vectors = model.predict(docs)
    assert model.get_dim("nO") == 12
    assert [v.shape for v in vectors] == [(2, 12), (0, 12), (1, 12)]
    # Both are Han characters: the same type, another norm.
    assert np.array_equal(vectors[0][0, 8:], vectors[2][0, 8:])
    assert not np.allclose(vectors[0][0, :8], vectors[2][0, :8])


def test_features_are_hidden_in_training_only():
    fix_random_seed(0)
    docs = [spacy.blank("zh").make_doc("北京欢迎你" * 200)]
    model = TokenFeatures(["NORM", "TYPE"], dropout=0.25)
    (seen,) = model.predict(docs)
    assert seen.all()
    (trained,), _ = model.begin_update(docs)
    hidden = trained == 0
    assert np.array_equal(trained[~hidden], seen[~hidden])
    assert hidden.mean() == pytest.approx(0.25, abs=0.05)
    # Each feature for itself.
    assert (hidden[:, 0] & hidden[:, 1]).mean() == pytest.approx(0.0625, abs=0.03)


def test_one_feature_is_enough():
    docs = [spacy.blank("zh").make_doc("北京")]
    model = FeatureEmbed(["NORM"], widths=[8], rows=[100])
    model.initialize(X=docs)
    assert model.predict(docs)[0].shape == (2, 8)


def test_impossible_settings_say_which():
    with pytest.raises(ValueError, match="same length.*got 2, 1 and 2"):
        FeatureEmbed(["NORM", "TYPE"], widths=[8], rows=[10, 10])
    with pytest.raises(ValueError, match=r"feature_dropout must be.*got 1\.0"):
        FeatureEmbed(["NORM"], widths=[8], rows=[10], feature_dropout=1.0)
    with pytest.raises(ValueError, match="unknown feature 'BIGRAM'.*BIGRAM_LEFT"):
        FeatureEmbed(["BIGRAM"], widths=[8], rows=[10])
