"""`Tok2Vec` against spaCy's, of the same weights."""

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from spacy.ml.models.tok2vec import MaxoutWindowEncoder, MultiHashEmbed, build_Tok2Vec_model
from spacy.tokens import Doc
from thinc.api import Linear, chain, concatenate, fix_random_seed, with_array

from spacy_crf_ner.layers.attention import SelfAttentionEncoder
from spacy_crf_ner.layers.bilstm import BiLSTMEncoder
from spacy_crf_ner.layers.char_cnn import CharacterCNN
from spacy_crf_ner.layers.embeddings import embed_in_parts
from spacy_crf_ner.layers.feature_embed import FeatureEmbed
from spacy_crf_ner.layers.lexicon import LexiconEmbed
from spacy_crf_ner.layers.tok2vec import Tok2Vec
from spacy_crf_ner.layers.tokens import TokenBatch
from spacy_crf_ner.layers.vectors import VectorsEmbed
from spacy_crf_ner.lexicon import set_lexicon

FEATURES = ["NORM", "BIGRAM_LEFT", "SUFFIX_2", "BIGRAM_RIGHT", "TYPE", "SHAPE"]
TEXTS = ["let's see what 's new", "", "Let us see", "see", "we saw nothing new , we said"]


def features():
    return FeatureEmbed(FEATURES, [4, 3, 2, 3, 2, 2], [50] * 6)


EMBEDS = {
    "features": features,
    "one feature": lambda: FeatureEmbed(["NORM"], [4], [50]),
    "vectors": lambda: VectorsEmbed(4, 10),
    "characters": lambda: CharacterCNN(4, 4),
    "words": lambda: LexiconEmbed(4),
    "all of them": lambda: concatenate(
        features(), VectorsEmbed(4, 10), CharacterCNN(4, 4), LexiconEmbed(4)
    ),
    "spaCy's": lambda: MultiHashEmbed(8, ["NORM", "SHAPE"], [50, 50], False),
}
ENCODERS = {
    "BiLSTM": lambda: BiLSTMEncoder(6, depth=2),
    "attention": lambda: SelfAttentionEncoder(BiLSTMEncoder(6)),
    "spaCy's": lambda: chain(with_array(Linear(6)), MaxoutWindowEncoder(6, 1, 2, 1)),
}


@pytest.fixture(scope="module")
def docs():
    nlp = spacy.blank("en")
    set_lexicon(nlp.vocab, [("see what", "phrase"), ("new", "word"), ("ew", "none")])
    docs = [nlp(text) for text in TEXTS]
    # The same text with another NORM.
    assert docs[0][1].text == docs[0][4].text
    assert docs[0][1].norm != docs[0][4].norm
    return docs


def make(architecture, embed, encode, docs):
    fix_random_seed(0)
    model = architecture(embed(), encode())
    model.initialize(X=docs)
    return model


@pytest.mark.parametrize("name", EMBEDS)
def test_the_parts_are_what_the_layer_predicts(name, docs):
    fix_random_seed(0)
    embed = EMBEDS[name]()
    embed.initialize(X=docs)
    embed(docs, is_train=True)  # gives tokens their vectors
    parts = embed_in_parts(embed, docs)
    assert_allclose(parts.array(), np.concatenate(embed.predict(docs)), rtol=1e-6)
    assert parts.lengths.tolist() == [len(doc) for doc in docs]
    assert embed_in_parts(embed, docs[1:2]).array().shape == (0, parts.array().shape[1])


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("embed", ["features", "all of them", "spaCy's"])
def test_vectors_and_gradients_are_those_of_spacys(embed, encode, docs):
    ours, theirs = (
        make(kind, EMBEDS[embed], ENCODERS[encode], docs) for kind in (Tok2Vec, build_Tok2Vec_model)
    )
    # A pipeline that was trained with one loads with the other.
    ours.from_bytes(theirs.to_bytes())
    assert ours.get_dim("nO") == theirs.get_dim("nO")
    for mine, other in zip(ours.predict(docs), theirs.predict(docs)):
        assert_allclose(mine, other, atol=1e-5)
    for model in (ours, theirs):
        Y, backprop = model.begin_update(docs)
        backprop([np.ones_like(y) for y in Y])
    for mine, other in zip(ours.walk(), theirs.walk()):
        for name in mine.param_names:
            assert_allclose(mine.get_grad(name), other.get_grad(name), atol=1e-5)


@pytest.mark.parametrize("docs", [[], [Doc(spacy.blank("zh").vocab)]])
def test_nothing_to_embed(docs):
    model = make(Tok2Vec, features, ENCODERS["BiLSTM"], [spacy.blank("zh")("一二三")])
    assert [vectors.shape for vectors in model.predict(docs)] == [(0, 6)] * len(docs)


def test_what_depends_on_the_text_alone_is_there_once_per_text(docs):
    fix_random_seed(0)
    embed = EMBEDS["all of them"]()
    embed.initialize(X=docs)
    n_tokens, n_texts = sum(map(len, docs)), len({t.text for doc in docs for t in doc})
    shapes = [(part.of_texts, len(part.vectors)) for part in embed_in_parts(embed, docs).parts]
    # NORM is not the same for all 's, so neither are bigrams.
    assert shapes == [
        *[(False, n_tokens)] * 2,
        (True, n_texts),
        (False, n_tokens),
        *[(True, n_texts)] * 4,
        (False, n_tokens),
    ]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.sampled_from(["一", "𠀀", "ab", "e\u0301", " ", "\n"]), max_size=6)))
def test_joined_texts_are_those_of_the_documents(words):
    vocab = spacy.blank("zh").vocab
    docs = [Doc(vocab, ws, spaces=[len(w) % 2 == 0 for w in ws]) for ws in words]
    batch = TokenBatch(docs)
    if not len(batch.rows):
        return
    text, starts, ends = batch.joined("|")
    assert text == "".join(doc.text + "|" for doc in docs if len(doc))
    assert [text[a:b] for a, b in zip(starts, ends)] == [t.text for doc in docs for t in doc]
