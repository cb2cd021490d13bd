"""Token embeddings from a pretrained bidirectional GRU."""

import numpy as np
import pytest
import spacy
import torch
from numpy.testing import assert_allclose
from thinc.api import Ragged

from spacy_crf_ner.layers.bigru import BiGRU
from spacy_crf_ner.layers.embeddings import embed_in_parts
from spacy_crf_ner.layers.pretrained_bigru import BiGRUWeights, PretrainedBiGRU

TEXTS = ["王明在北京", "", "国", "北京" * 20, "在国王国"]
CHARACTERS = {"王": 1, "明": 2, "国": 3, "國": 3, "北": 4}


@pytest.fixture
def nlp():
    return spacy.blank("zh")


def make_modules():
    torch.manual_seed(0)
    return [torch.nn.GRU(width, 4, bidirectional=True) for width in (5, 8)]


def read_weights():
    layers = [
        {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}
        for module in make_modules()
    ]
    embeddings = np.random.RandomState(0).normal(size=(5, 5)).astype("f")
    return BiGRUWeights(CHARACTERS, embeddings, layers, {"name": "random"})


def make_layer(**settings):
    layer = PretrainedBiGRU(read_weights, **settings)
    layer.initialize(X=[])
    return layer


def run_torch(text):
    states = torch.from_numpy(read_weights().embeddings[[CHARACTERS.get(c, 0) for c in text]])
    for module in make_modules():
        states = module(states)[0].detach()
    return states.numpy()


def test_states_are_those_of_torch(nlp):
    docs = list(map(nlp, TEXTS))
    states = make_layer().predict(docs)
    for text, found in zip(TEXTS, states):
        assert found.shape == (len(text), 8)
        if text:
            assert_allclose(found, run_torch(text), atol=1e-6)


@pytest.mark.parametrize("trainable", [False, True])
def test_states_in_training_are_those_in_prediction(nlp, trainable):
    docs = list(map(nlp, TEXTS))
    layer = make_layer(trainable=trainable)
    states, _ = layer.begin_update(docs)
    for found, expected in zip(states, layer.predict(docs)):
        assert_allclose(found, expected, atol=1e-6)


def test_parts_are_the_states(nlp):
    docs = list(map(nlp, TEXTS))
    layer = make_layer()
    assert_allclose(embed_in_parts(layer, docs).array(), np.concatenate(layer.predict(docs)))


def test_frozen_weights_have_no_gradients(nlp):
    layer = make_layer()
    states, backprop = layer.begin_update([nlp("王明")])
    assert backprop([np.ones_like(states[0])]) == []
    assert not any(node.has_grad(name) for node in layer.walk() for name in node.param_names)


def test_gradients_are_those_of_torch(nlp):
    docs = list(map(nlp, TEXTS))
    layer = make_layer(trainable=True)
    states, backprop = layer.begin_update(docs)
    random = np.random.RandomState(1)
    d_states = [random.normal(size=each.shape).astype("f") for each in states]
    backprop(d_states)
    E = torch.from_numpy(read_weights().embeddings).requires_grad_()
    modules = make_modules()
    for text, d_state in zip(TEXTS, d_states):
        if text:
            expected = E[[CHARACTERS.get(char, 0) for char in text]]
            for module in modules:
                expected = module(expected)[0]
            expected.backward(torch.from_numpy(d_state))
    assert_allclose(layer.get_grad("E"), E.grad.numpy(), atol=1e-5)
    for node, module in zip(layer.layers, modules):
        for name, parameter in module.named_parameters():
            assert_allclose(node.get_grad(name), parameter.grad.numpy(), atol=1e-4, err_msg=name)


def test_a_document_has_the_same_states_alone_and_in_any_batch(nlp):
    layer = make_layer()
    together = layer.predict(list(map(nlp, TEXTS)))
    for text, states in zip(TEXTS, together):
        assert_allclose(layer.predict([nlp(text)])[0], states, atol=1e-6)


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_no_tokens(nlp, texts):
    states, backprop = make_layer(trainable=True).begin_update(list(map(nlp, texts)))
    assert [each.shape for each in states] == [(0, 8)] * len(texts)
    assert backprop(states) == []


def test_it_is_saved_with_its_weights(nlp):
    layer = make_layer()
    loaded = PretrainedBiGRU(lambda: 1 / 0).from_bytes(layer.to_bytes())
    docs = list(map(nlp, TEXTS))
    for found, expected in zip(loaded.predict(docs), layer.predict(docs)):
        assert (found == expected).all()
    assert loaded.attrs["source"] == {"name": "random"}


def test_a_row_that_is_not_there_is_refused():
    check = make_layer().attrs["check_loaded"]
    with pytest.raises(ValueError, match="the character '国' has the row 5 of 5"):
        check({"nV": 5}, {"characters": {"王": 0, "国": 5}})


def test_nothing_goes_through_a_layer():
    layer = BiGRU(8, 5)
    X = Ragged(np.zeros((0, 5), dtype="f"), np.array([0], dtype="i"))
    Y, backprop = layer.begin_update(X)
    assert Y.dataXd.shape == (0, 8)
    assert backprop(Y).dataXd.shape == (0, 5)
