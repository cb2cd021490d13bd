"""The network: emissions from any tok2vec, and transitions beside them."""

import copy

import numpy as np
import spacy
import torch
from numpy.testing import assert_allclose
from spacy.ml.models.tok2vec import build_hash_embed_cnn_tok2vec
from thinc.api import SGD, Adam, PyTorchWrapper, fix_random_seed

from spacy_crf_ner.layers.tagger import (
    LR_SCALE,
    CRFTagger,
    count_trained_tags,
    resize_output,
)
from spacy_crf_ner.layers.types import Scores
from spacy_crf_ner.pipeline.update import finish_update


def make_model(nO=5, texts=("北京欢迎你", "", "他")):
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    tok2vec = build_hash_embed_cnn_tok2vec(
        width=8,
        depth=1,
        embed_size=100,
        window_size=1,
        maxout_pieces=2,
        subword_features=False,
        pretrained_vectors=None,
    )
    docs = [nlp.make_doc(text) for text in texts]
    model = CRFTagger(tok2vec, nO)
    model.initialize(X=docs)
    return model, docs


def test_shapes():
    model, docs = make_model()
    scores = model.predict(docs)
    assert scores.emissions.shape == (6, 5)
    assert scores.lengths.tolist() == [5, 0, 1]
    assert scores.start.shape == scores.end.shape == (5,)
    assert scores.transitions.shape == (5, 5)


def test_gradients_reach_all_parameters():
    model, docs = make_model()
    scores, backprop = model.begin_update(docs)
    ones = [np.ones_like(scores[i]) for i in (0, 2, 3, 4)]
    backprop(Scores(ones[0], scores.lengths, *ones[1:]))
    crf = model.get_ref("crf")
    for name in crf.param_names:
        assert_allclose(crf.get_grad(name), np.ones_like(crf.get_param(name)))
    assert np.abs(model.get_ref("output_layer").get_grad("W")).sum() > 0


def test_resizing_keeps_the_old_scores():
    model, docs = make_model()
    scores, backprop = model.begin_update(docs)
    gradient = Scores(scores.emissions + 1, scores.lengths, *(x + 1 for x in scores[2:]))
    optimizer = Adam(0.1)
    backprop(gradient)
    model.finish_update(optimizer)
    before = copy.deepcopy(model.predict(docs))  # the optimizer changes transitions in place
    model.attrs["resize_output"](model, 9)
    after = copy.deepcopy(model.predict(docs))
    assert after.emissions.shape == (6, 9)
    assert_allclose(after.emissions[:, :5], before.emissions, atol=1e-6)
    assert_allclose(after.transitions[:5, :5], before.transitions)
    assert not after.transitions[5:].any()
    assert not after.emissions[:, 5:].any()
    # The same optimizer goes on, although it has moments of the old shapes.
    scores, backprop = model.begin_update(docs)
    backprop(Scores(scores.emissions + 1, scores.lengths, *(x + 1 for x in scores[2:])))
    model.finish_update(optimizer)
    assert not np.allclose(model.predict(docs).transitions, after.transitions)


def test_the_tok2vec_has_a_learn_rate_of_its_own():
    model, docs = make_model()
    rated = CRFTagger(model.get_ref("tok2vec"), 5, tok2vec_lr_scale=3.0)
    rated.initialize(X=docs)
    nodes = [node for node in rated.get_ref("tok2vec").walk() if node.param_names]
    before = {node: node.get_param(node.param_names[0]).copy() for node in nodes}
    for node in nodes:
        node.set_grad(node.param_names[0], np.ones_like(before[node]))
    finish_update(rated, SGD(0.01, grad_clip=0.0))
    for node in nodes:
        assert_allclose(node.get_param(node.param_names[0]), before[node] - 0.03, atol=1e-6)


def test_a_torch_module_in_the_tok2vec_learns_at_its_rate():
    module = torch.nn.Linear(3, 2, bias=False)
    model = PyTorchWrapper(module)
    model.attrs[LR_SCALE] = 3.0
    before = module.weight.detach().clone()
    module.weight.grad = torch.ones_like(before)
    finish_update(model, SGD(0.01, grad_clip=0.0))
    assert_allclose(module.weight.detach(), before - 0.03, atol=1e-6)


def test_added_tags_are_untrained_until_they_have_a_weight():
    model, _ = make_model(nO=5)
    output_layer = model.get_ref("output_layer")
    output_layer.set_param("W", np.ones_like(output_layer.get_param("W")))
    resize_output(model, 9)
    assert count_trained_tags(model) == 5
    model.get_ref("output_layer").get_param("W")[7, 0] = 0.1
    assert count_trained_tags(model) == 8
    model.get_ref("output_layer").get_param("W")[:] = 0
    assert count_trained_tags(model) == 9
