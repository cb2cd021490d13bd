"""Each layer computes the same on a GPU as on the CPU, forward and back."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from spacy.ml.models import build_Tok2Vec_model
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import fix_random_seed, get_current_ops, to_numpy, use_ops

from spacy_crf_ner.layers.attention import SelfAttentionEncoder
from spacy_crf_ner.layers.bilstm import BiLSTMEncoder
from spacy_crf_ner.layers.char_cnn import CharacterCNN
from spacy_crf_ner.layers.concatenate import Concatenate
from spacy_crf_ner.layers.feature_embed import FeatureEmbed
from spacy_crf_ner.layers.lexicon import LexiconEmbed
from spacy_crf_ner.layers.pretrained_bigru import BiGRUWeights, PretrainedBiGRU
from spacy_crf_ner.layers.tagger import CRFTagger
from spacy_crf_ner.layers.types import Scores
from spacy_crf_ner.layers.vectors import VectorsEmbed
from spacy_crf_ner.lexicon import set_lexicon

SENTENCES = [["王明", "在", "北京", "，"], [], ["上海"], ["在", "北", "京", "大学", "上", "班"]]
LEXICON = [("北京", "place"), ("京大学", "school"), ("王明", "name"), ("上", "verb")]
WIDTH = 6


def characters():
    return FeatureEmbed(["NORM", "BIGRAM_LEFT", "TYPE"], [4, 2, 3], [50, 20, 10])


def vectors():
    return VectorsEmbed(3, rows=20)


def bigru(trainable):
    def read_weights():
        random = np.random.RandomState(0)
        layers = [
            {
                f"{name}_l0{way}": random.normal(size=shape).astype("f")
                for way in ("", "_reverse")
                for name, shape in {
                    "weight_ih": (9, width),
                    "weight_hh": (9, 3),
                    "bias_ih": (9,),
                    "bias_hh": (9,),
                }.items()
            }
            for width in (5, 6)
        ]
        embeddings = random.normal(size=(3, 5)).astype("f")
        return BiGRUWeights({"北": 1, "京": 2}, embeddings, layers, {"name": "random"})

    return PretrainedBiGRU(read_weights, trainable)


def tagger():
    model = CRFTagger(build_Tok2Vec_model(characters(), BiLSTMEncoder(8)), nO=5)
    model.get_ref("output_layer").initialize()
    return model


EMBEDDINGS = {
    "characters": characters,
    "one feature": lambda: FeatureEmbed(["SUFFIX_2"], [4], [50]),
    "letters": lambda: CharacterCNN(6, char_width=4, kernel_sizes=(1, 3)),
    "vectors": vectors,
    "lexicon": lambda: LexiconEmbed(4),
    "pretrained": lambda: bigru(trainable=True),
    "side by side": lambda: Concatenate(characters(), vectors()),
    "tagger": tagger,
}
ENCODERS = {
    "bilstm": lambda: BiLSTMEncoder(8),
    "two bilstms": lambda: BiLSTMEncoder(8, depth=2),
    "no norm": lambda: BiLSTMEncoder(8, layer_norm=False),
    "attention": lambda: SelfAttentionEncoder(BiLSTMEncoder(8), heads=2),
    "attention in windows": lambda: SelfAttentionEncoder(BiLSTMEncoder(8), window=3),
}


def make_docs(sentences, pretrained):
    """Documents whose vocab has a lexicon and perhaps vectors, on the current device."""
    vocab = Vocab()
    set_lexicon(vocab, LEXICON)
    if pretrained:
        data = np.random.RandomState(0).normal(size=(3, 5)).astype("f")
        keys = [vocab.strings.add(word) for word in ("北京", "王明", ",")]
        vocab.vectors = Vectors(data=get_current_ops().asarray(data), keys=keys)
    return [Doc(vocab, words=words, spaces=[False] * len(words)) for words in sentences]


def make_arrays(lengths, seed=0):
    random = np.random.RandomState(seed)
    arrays = [random.normal(size=(length, WIDTH)).astype("f") for length in lengths]
    return [get_current_ops().asarray2f(array) for array in arrays]


def random_like(output, seed=1):
    """A gradient for an output: a list of arrays, or scores."""
    random = np.random.RandomState(seed)

    def like(array):
        return get_current_ops().asarray(random.normal(size=array.shape).astype("f"))

    if isinstance(output, Scores):
        emissions, lengths, *crf = output
        return Scores(like(emissions), lengths, *map(like, crf))
    return [like(array) for array in output]


def parameters(model):
    return [(node, name) for node in model.walk() for name in node.param_names]


def run(make_model, make_input, weights=None):
    """The arrays that a layer returns, forward and back, and its weights: all NumPy's. It starts
    with the weights given, or with its own."""
    fix_random_seed(0)
    model, X = make_model(), make_input()
    model.initialize(X=X)
    if weights is not None:
        for (node, name), weight in zip(parameters(model), weights):
            node.set_param(name, node.ops.asarray(weight))
    weights = [to_numpy(node.get_param(name)).copy() for node, name in parameters(model)]
    predicted = model.predict(X)
    output, backprop = model.begin_update(X)
    d_input = backprop(random_like(output))
    gradients = [node.get_grad(name) for node, name in parameters(model)]
    on_device = [*predicted, *output, *gradients]
    if isinstance(output, Scores):
        on_device = [x for x in on_device if x is not predicted.lengths and x is not output.lengths]
    assert all(isinstance(x, model.ops.xp.ndarray) for x in on_device)
    results = [*predicted, *output, *d_input, *gradients]
    return [to_numpy(x) for x in results], weights


def assert_same_on_both(make_model, make_input):
    with use_ops("numpy"):
        expected, weights = run(make_model, make_input)
    found, _ = run(make_model, make_input, weights)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        assert ours.dtype == theirs.dtype
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize("name", EMBEDDINGS)
def test_embeddings_and_the_tagger(name, pretrained):
    assert_same_on_both(EMBEDDINGS[name], lambda: make_docs(SENTENCES, pretrained))


def test_frozen_weights():
    def run_frozen():
        model, docs = bigru(trainable=False), make_docs(SENTENCES, pretrained=False)
        model.initialize(X=docs)
        output, backprop = model.begin_update(docs)
        assert backprop(output) == []
        assert not any(node.has_grad(name) for node, name in parameters(model))
        return [to_numpy(x) for x in output]

    with use_ops("numpy"):
        expected = run_frozen()
    for ours, theirs in zip(run_frozen(), expected):
        assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("lengths", [[5, 0, 1, 20, 4, 0], [2]])
def test_encoders(name, lengths):
    assert_same_on_both(ENCODERS[name], lambda: make_arrays(lengths))


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_documents_without_tokens(name):
    docs = make_docs([[], []], pretrained=False)
    model = EMBEDDINGS[name]()
    model.initialize(X=make_docs(SENTENCES, pretrained=False))
    output = model.predict(docs)
    sizes = [len(output.emissions)] if isinstance(output, Scores) else [len(x) for x in output]
    assert not any(sizes)
