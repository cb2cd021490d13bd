"""A loss or a gradient that is not finite stops training, and the weights stay."""

from io import StringIO

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_model_from_config
from thinc.api import Adam, PyTorchWrapper
from torch import full, inf, nn, tensor
from util import make_examples, make_nlp, make_trained, small

from spacy_crf_ner.layers.finite import all_finite
from spacy_crf_ner.pipeline.finite import explain_gradients

HUGE = 3e38


def weights_of(nlp):
    return {
        (name, i, param): node.get_param(param).copy()
        for name, pipe in nlp.pipeline
        for i, node in enumerate(pipe.model.walk())
        for param in node.param_names
    }


def gradients_of(model):
    return [node.get_grad(name) for node in model.walk() for name in node.grad_names]


def assert_stops(nlp, match):
    """Whether the next update stops and changes nothing, and the one after it can go on."""
    examples, before = make_examples(nlp), weights_of(nlp)
    with pytest.raises(ValueError, match=match):
        nlp.update(examples, sgd=Adam(0.001))
    for key, weights in weights_of(nlp).items():
        np.testing.assert_array_equal(weights, before[key])
    assert not any(gradient.any() for gradient in gradients_of(nlp.get_pipe("crf_ner").model))


def test_sums_that_overflow_are_no_fault():
    assert all_finite([tensor([HUGE, HUGE]), tensor([HUGE])])
    assert all_finite([])
    for bad in (np.nan, np.inf, -np.inf):
        assert not all_finite([tensor([1.0]), tensor([HUGE, bad])])
    assert not all_finite([tensor([np.inf]), tensor([-np.inf])])


@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_scores_that_overflow(epsilon):
    nlp = make_trained()
    pipe = nlp.get_pipe("crf_ner")
    pipe.adversarial_epsilon = epsilon
    nlp.update(make_examples(nlp), sgd=Adam(0.001))
    pipe.model.get_ref("output_layer").get_param("W")[:] = HUGE
    with np.errstate(all="ignore"):
        assert_stops(nlp, r"^\[crf_ner\] Step 1: the loss is not finite\. Most likely the learning")


def test_weights_that_were_damaged_before():
    nlp = make_trained()
    nlp.get_pipe("crf_ner").model.get_ref("crf").get_param("transitions")[0, 0] = np.nan
    assert_stops(nlp, r"Step 0: the loss.*layer 'crf' are not: they were damaged before")


def test_vectors_of_another_component():
    nlp = make_trained(tok2vec=True)
    for node in nlp.get_pipe("tok2vec").model.walk():
        if node.name == "layernorm":
            node.get_param("b")[0] = np.inf
    assert_stops(nlp, "the loss is not finite. The vectors from the component 'tok2vec' are not")


def test_vectors_of_the_vocab():
    nlp = spacy.blank("zh")
    for i, char in enumerate("王明北京"):
        nlp.vocab.set_vector(char, np.eye(4, dtype="f")[i])
    tok2vec = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": True,
        "width": 16,
        "depth": 1,
        "embed_size": 50,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": True,
    }
    model = {"@architectures": "spacy_crf_ner.CRFTagger.v2", "tok2vec": tok2vec}
    nlp.add_pipe("crf_ner", config={"model": model})
    nlp.initialize(lambda: make_examples(nlp))
    nlp.vocab.vectors.data[0, 0] = np.nan
    assert_stops(nlp, "the loss is not finite. The vectors in the vocab are not")


@pytest.mark.parametrize("bad", [np.nan, 1e6])
def test_pretrained_vectors_are_checked_before_training(bad):
    model = small()["model"]
    model["tok2vec"]["embed"] = {
        "@architectures": "spacy_crf_ner.VectorsEmbed.v1",
        "width": 4,
        "rows": 50,
    }
    nlp = make_nlp(model=model)
    for char in "王明北":
        nlp.vocab.set_vector(char, np.ones(4, dtype="f"))
    nlp.vocab.set_vector("京", np.array([1, 2, bad, 4], dtype="f"))
    with pytest.raises(ValueError, match="1 of the pretrained vectors.*such as that of '京'"):
        nlp.initialize(lambda: make_examples(nlp))


def spoil_gradient(nlp, layer, name, monkeypatch, from_step=0):
    """From some step on, let the backward pass of a layer add NaN to a gradient of its."""
    pipe = nlp.get_pipe("crf_ner")
    (node,) = (node for node in pipe.model.walk() if node.name == layer)
    forward = node._func

    def spoiled(model, X, is_train):
        Y, backprop = forward(model, X, is_train)

        def backprop_nan(dY):
            dX = backprop(dY)
            if pipe._steps >= from_step:
                model.get_grad(name)[0] = np.nan
            return dX

        return Y, backprop_nan

    monkeypatch.setattr(node, "_func", spoiled)


def test_a_gradient(monkeypatch):
    nlp = make_trained()
    spoil_gradient(nlp, "bilstm", "bias_ih_l0", monkeypatch)
    assert_stops(nlp, r"^\[crf_ner\] Step 0: the gradient of the layer 'bilstm' is not finite")
    monkeypatch.undo()
    assert nlp.update(make_examples(nlp), sgd=Adam(0.001))["crf_ner"] < 10


def test_a_gradient_while_rehearsing(monkeypatch):
    nlp = make_trained()
    optimizer = nlp.resume_training()
    examples, before = make_examples(nlp), weights_of(nlp)
    spoil_gradient(nlp, "bilstm", "bias_ih_l0", monkeypatch)
    with pytest.raises(ValueError, match="gradient of the layer 'bilstm' is not finite"):
        nlp.rehearse(examples, sgd=optimizer)
    for key, weights in weights_of(nlp).items():
        np.testing.assert_array_equal(weights, before[key])


@pytest.mark.parametrize("scaled", [False, True])
def test_gradients_of_torch_modules(scaled):
    """Infinite gradients that are scaled are left to the scaler, which skips the step."""
    model = PyTorchWrapper(nn.Linear(2, 2))
    (shim,) = model.shims
    shim._grad_scaler._enabled = scaled
    assert explain_gradients(model) is None
    shim._model.weight.grad = full((2, 2), inf)
    assert (explain_gradients(model) is None) == scaled


@pytest.mark.parametrize("tok2vec", [False, True])
def test_spacy_train_saves_the_weights_before_the_step(tok2vec, tmp_path, monkeypatch):
    corpus = tmp_path / "corpus.spacy"
    DocBin(docs=[eg.reference for eg in make_examples(spacy.blank("zh"))]).to_disk(corpus)
    config = load_model_from_config(make_nlp(tok2vec=tok2vec).config, auto_fill=True).config
    config["paths"].update(train=str(corpus), dev=str(corpus))
    config["training"].update(max_steps=9, eval_frequency=1)
    nlp = init_nlp(config)
    spoil_gradient(nlp, "crf", "transitions", monkeypatch, from_step=3)
    seen = []
    pipe = nlp.get_pipe("crf_ner")
    update = pipe.update

    def watched(examples, **settings):
        seen.append(weights_of(nlp))
        return update(examples, **settings)

    monkeypatch.setattr(pipe, "update", watched)
    with pytest.raises(ValueError, match=r"\[crf_ner\] Step 3: the gradient of the layer 'crf'"):
        train(nlp, tmp_path, stdout=StringIO(), stderr=StringIO())
    assert len(seen) == 4
    saved = weights_of(spacy.load(tmp_path / "model-last"))
    for key, weights in seen[-1].items():
        np.testing.assert_array_equal(saved[key], weights)
        assert np.isfinite(weights).all()


@pytest.mark.slow
def test_an_encoder_checks_its_gradients(tmp_path):
    from tiny_encoders import add_transformer, make_encoder

    nlp = spacy.blank("zh")
    model = add_transformer(nlp, make_encoder(tmp_path / "encoder")).model
    weights = next(model.transformer.parameters())
    before = weights.detach().clone()
    weights.grad = full(weights.shape, inf)
    with pytest.raises(ValueError, match="Step 0: a gradient of the encoder is not finite"):
        model.finish_update(Adam(0.001))
    assert (weights == before).all()
    weights.grad = full(weights.shape, 1.0)
    model.finish_update(Adam(0.001))
    assert not (weights == before).any()
