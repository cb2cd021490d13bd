"""An update: adversarial training, and a learning rate for each part."""

import numpy as np
import pytest
from spacy.tokens import Doc
from thinc.api import Adam, set_dropout_rate
from util import LISTENER, TRAIN, make_examples, make_nlp, small

from spacy_crf_ner.layers.tagger import LR_SCALE, CRFTagger
from spacy_crf_ner.pipeline.update import backpropagate, finish_update


def gradients_of(model):
    return {
        (i, name): node.get_grad(name).copy()
        for i, node in enumerate(model.walk())
        for name in node.param_names
        if node.has_grad(name)
    }


def prepared():
    """A function that runs the passes over a batch, without dropout, and returns the loss and the
    gradients."""
    nlp = make_nlp()
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    for _ in range(3):  # so that the output layer is not 0 any more
        nlp.update(examples, sgd=Adam(0.01))
    pipe = nlp.get_pipe("crf_ner")
    set_dropout_rate(pipe.model, 0.0)
    for node in pipe.model.walk():
        if "feature_dropout" in node.attrs:
            node.attrs["feature_dropout"] = 0.0
    docs = [eg.predicted for eg in examples]

    def run(epsilon):
        for node in pipe.model.walk():
            for name in node.param_names:
                if node.has_param(name):
                    node.set_grad(name, node.get_param(name) * 0)
        value = backpropagate(
            pipe.model, docs, lambda scores: pipe.get_loss(examples, scores), epsilon
        )
        return value, gradients_of(pipe.model)

    return run


def test_the_loss_grows_with_epsilon():
    run = prepared()
    loss, _ = run(0.0)
    losses = [run(epsilon)[0] for epsilon in (1e-6, 0.01, 0.1)]
    assert losses[0] == pytest.approx(loss, rel=1e-4)
    assert losses[0] < losses[1] < losses[2]


def test_a_tiny_epsilon_doubles_the_gradient():
    run = prepared()
    _, gradients = run(0.0)
    _, doubled = run(1e-7)
    for key, gradient in gradients.items():
        assert np.allclose(doubled[key], 2 * gradient, rtol=1e-3, atol=1e-4)


def test_adversarial_training_learns():
    nlp = make_nlp(adversarial_epsilon=0.1)
    examples = make_examples(nlp, TRAIN)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(60):
        nlp.update(examples, sgd=optimizer, drop=0.1)
    for eg in examples:
        found = nlp(eg.text)
        assert [(e.text, e.label_) for e in found.ents] == [
            (e.text, e.label_) for e in eg.reference.ents
        ]


def test_adversarial_training_needs_an_embedding():
    nlp = make_nlp(adversarial_epsilon=0.1)
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    nlp.get_pipe("crf_ner").model.get_ref("tok2vec").set_ref("embed", None)
    with pytest.raises(ValueError, match="Set it to 0"):
        nlp.update(examples)


def test_what_an_encoder_listens_to_learns_from_both_passes():
    model = small(LISTENER)["model"]
    encode = {"@architectures": "spacy_crf_ner.BiLSTMEncoder.v1", "width": 32}
    model["tok2vec"] = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": model["tok2vec"],
        "encode": encode,
    }

    def gradients(epsilon):
        nlp = make_nlp(tok2vec=True, model=model, adversarial_epsilon=epsilon)
        examples = make_examples(nlp, TRAIN)
        nlp.initialize(lambda: examples)
        nlp.get_pipe("crf_ner").model.get_ref("output_layer").get_param("W")[:] = np.eye(9, 32)
        nlp.update(examples, sgd=None, drop=0.0)
        return gradients_of(nlp.get_pipe("tok2vec").model)

    once, twice, far = (gradients(epsilon) for epsilon in (0.0, 1e-7, 1.0))
    assert once.keys() == twice.keys()
    assert max(abs(gradient).max() for gradient in once.values()) > 0.01
    for key, gradient in once.items():
        assert np.allclose(twice[key], 2 * gradient, rtol=1e-3, atol=1e-4)
    assert any(not np.allclose(far[key], twice[key], rtol=0.1, atol=1e-3) for key in once)


def test_each_part_learns_at_its_own_rate():
    """The first step of Adam moves each weight by the learning rate."""
    nlp = make_nlp()
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("crf_ner")
    pipe.model.get_ref("output_layer").attrs[LR_SCALE] = 3.0
    pipe.model.get_ref("crf").attrs[LR_SCALE] = 10.0
    pipe.update(examples)  # gradients only
    weights = {
        name: (node, parameter, node.get_param(parameter).copy())
        for name, parameter in (("output_layer", "b"), ("crf", "transitions"))
        for node in [pipe.model.get_ref(name)]
    }
    gradients = {name: node.get_grad(p).copy() for name, (node, p, _) in weights.items()}
    finish_update(pipe.model, Adam(0.001, L2=0.0, grad_clip=0.0, use_averages=False))
    for name, rate in (("output_layer", 3.0), ("crf", 10.0)):
        node, parameter, before = weights[name]
        moved = np.abs(node.get_param(parameter) - before)[np.abs(gradients[name]) > 1e-3]
        assert len(moved)
        assert moved.tolist() == pytest.approx([0.001 * rate] * len(moved), rel=0.01)


def test_lr_scales_are_settings_and_survive_new_labels():
    tok2vec = make_nlp().get_pipe("crf_ner").model.get_ref("tok2vec")
    model = CRFTagger(tok2vec, 3, output_lr_scale=3.0, crf_lr_scale=10.0)
    model.attrs["resize_output"](model, 5)
    assert model.get_ref("output_layer").attrs[LR_SCALE] == 3.0
    assert model.get_ref("crf").attrs[LR_SCALE] == 10.0


def test_empty_documents_teach_nothing():
    nlp = make_nlp(adversarial_epsilon=0.1)
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    empty = examples[0].from_dict(Doc(nlp.vocab), {"entities": []})
    assert nlp.update([empty]) == {"crf_ner": 0.0}
    losses = nlp.update([examples[0], empty], sgd=Adam(0.001))
    assert losses["crf_ner"] > 0
