"""The features, the tokens and the dictionary words of a tagger are spaCy's and our layers'."""

import numpy as np
import pytest
import spacy
from exported import LEXICON, make_random
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from thinc.api import NumpyOps

from spacy_crf_ner.export.dictionary import Dictionary, Trie
from spacy_crf_ner.export.features import Features
from spacy_crf_ner.export.network import read_network
from spacy_crf_ner.export.settings import describe
from spacy_crf_ner.export.tagger import _join, _split_characters
from spacy_crf_ner.layers.feature_embed import TokenFeatures
from spacy_crf_ner.layers.lexicon import _features as lexicon_features
from spacy_crf_ner.layers.tokens import TokenBatch

NAMES = [
    *("NORM", "LOWER", "ORTH", "PREFIX", "SUFFIX", "SHAPE", "TYPE", "PREFIX_1", "PREFIX_3"),
    *("SUFFIX_2", "SUFFIX_9", "BIGRAM_LEFT", "BIGRAM_RIGHT"),
]
ROWS = 1000
ALL_FEATURES = f"""
[embed.features]
@architectures = "spacy_crf_ner.FeatureEmbed.v1"
features = {NAMES}
widths = {[2] * len(NAMES)}
rows = {[ROWS] * len(NAMES)}
""".replace("'", '"')
# Some strings, such as X, have ids in spaCy that are no hashes.
SPECIAL = ["NOUN", "X", "ORG", "US$", "——", "“", "Ǆ", "ß", "İ", "٣", "二", "xxxxx11111", "a" * 120]
CHARACTERS = st.characters(exclude_categories=["Cs"])
WORDS = st.lists(
    st.text(CHARACTERS, min_size=1, max_size=12) | st.sampled_from(SPECIAL), min_size=1, max_size=8
)


def make_features(nlp):
    component = nlp.get_pipe("crf_ner")
    return nlp, *describe(nlp, component, read_network(component.model))


@pytest.fixture(scope="module")
def chinese():
    return make_features(make_random(ALL_FEATURES, LEXICON))


@pytest.fixture(scope="module")
def english():
    nlp = make_random(ALL_FEATURES, lang="en")
    nlp.vocab.lookups.add_table("lexeme_norm", {"colour": "color", "cos": "because", "X": "NOUN"})
    # As when a pipeline with such a table is loaded. The tokenizer already knows "cos".
    nlp.vocab.from_bytes(nlp.vocab.to_bytes())
    return make_features(nlp)


def assert_features(described, words):
    nlp, *described = described
    (hashes,) = TokenFeatures(NAMES).predict([Doc(nlp.vocab, words=words)])
    inputs = Features(*described)(words, np.array([len(words)]))
    for i, name in enumerate(NAMES):
        rows = inputs[f"feature_{i}"]
        rows = rows if name.startswith("BIGRAM") else rows[inputs["tokens"]]
        expected = NumpyOps().hash(np.ascontiguousarray(hashes[:, i]), i + 1) % ROWS
        assert (rows == expected).all(), name


@given(WORDS)
@settings(max_examples=50, deadline=None)
def test_features_of_chinese(chinese, words):
    assert_features(chinese, words)


@given(WORDS)
@settings(max_examples=50, deadline=None)
def test_features_of_english(english, words):
    assert_features(english, words)


def test_norms_of_the_tokenizer_and_of_tables(english):
    assert_features(english, ["colour", "cos", "Colour", "X", "”", "ain't", "'Cause", "$", "£"])


@given(st.text(CHARACTERS | st.sampled_from(" \t\n\u3000北京"), max_size=30))
@settings(max_examples=150, deadline=None)
def test_tokens_are_those_of_spacy(text):
    doc = spacy.blank("zh").make_doc(text) if text else []
    assert _split_characters(text)[1:] == ([w.text for w in doc], [w.idx for w in doc])


@given(st.lists(st.text(st.sampled_from("北京大学王明 \n"), min_size=1, max_size=12), min_size=1))
@settings(max_examples=50, deadline=None)
def test_words_of_the_dictionary_are_those_of_the_layer(chinese, texts):
    nlp, config, arrays = chinese
    layer = read_network(nlp.get_pipe("crf_ner").model).find("lexicon_embed")
    docs = [nlp.make_doc(text) for text in texts]
    rows, tokens = lexicon_features(layer, TokenBatch(docs), 0.0)
    split = [_split_characters(text) for text in texts]
    offsets = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])]).tolist()
    starts = np.array([o + i for o, text in zip(offsets, split) for i in text.starts])
    ends = starts + [len(word) for text in split for word in text.words]
    n_rows = 10 * len(config["classes"])
    inputs = Dictionary(Trie("trie", arrays), len(config["classes"]))(texts, starts, ends)
    found = inputs["lexicon_rows"][inputs["lexicon_sets"]]
    expected = [rows[tokens == i].tolist() for i in range(len(starts))]
    assert [[row for row in some if row < n_rows] for some in found.tolist()] == expected


def test_joined_words():
    assert _join(["a", "bc", "d"], ", ") == ("a, bc, d", ["a", "bc", "d"], [0, 3, 7])
    assert _join([], " ") == ("", [], [])
