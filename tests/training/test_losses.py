"""What may be added to the likelihood, and second forward passes."""

import math

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from thinc.api import Adam, set_dropout_rate
from util import LISTENER, TRAIN, make_examples, make_nlp, small

from spacy_crf_ner.gold import MISSING
from spacy_crf_ner.layers.tagger import LEARN_RATE, CRFTagger
from spacy_crf_ner.training.learn_rates import finish_update
from spacy_crf_ner.training.losses import NO_EXTRAS, Extras, divergence, extras, token_loss
from spacy_crf_ner.training.passes import backpropagate

EMISSIONS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5], [0.0, 3.0, 1.0]])


def gradients_of(model):
    return {
        (i, name): node.get_grad(name).copy()
        for i, node in enumerate(model.walk())
        for name in node.param_names
        if node.has_grad(name)
    }


def prepared():
    """A function that runs the forward passes over a batch, without dropout, and returns the loss
    and the gradients."""
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

    def run(settings):
        for node in pipe.model.walk():
            for name in node.param_names:
                if node.has_param(name):
                    node.set_grad(name, node.get_param(name) * 0)
        value = backpropagate(
            pipe.model, docs, lambda scores: pipe.get_loss(examples, scores), settings
        )
        return value, gradients_of(pipe.model)

    return run


@pytest.mark.parametrize(("smoothing", "focusing"), [(0.0, 0.0), (0.1, 0.0), (0.0, 2.0)])
def test_token_loss_by_hand(smoothing, focusing):
    tags = torch.tensor([0, MISSING, 2])
    expected = 0.0
    for scores, tag in ((EMISSIONS[0], 0), (EMISSIONS[2], 2)):
        logs = [float(x) - math.log(sum(math.exp(y) for y in scores)) for x in scores]
        loss = -(1 - smoothing) * logs[tag] - smoothing * sum(logs) / 3
        expected += loss * (1 - math.exp(logs[tag])) ** focusing
    settings = Extras(1.0, smoothing, focusing)
    losses = token_loss(EMISSIONS, tags, settings)
    assert losses[1] == 0
    assert losses.sum().item() == pytest.approx(expected, rel=1e-5)


def test_divergence():
    first, second = EMISSIONS.numpy(), EMISSIONS.flip(0).numpy()
    p, q = (np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (first, second))
    both_ways = (p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()
    value, d_first, d_second = divergence(first, second)
    assert value == pytest.approx(both_ways / 2, rel=1e-5)
    step = 1e-2
    for i, gradient in enumerate((d_first, d_second)):
        moved = [first.copy(), second.copy()]
        moved[i][1, 2] += step
        assert divergence(*moved)[0] - value == pytest.approx(step * gradient[1, 2], abs=1e-4)
    assert divergence(first, first)[0] == 0


def test_two_forward_passes_without_dropout_are_as_one():
    """They agree, so that the divergence and its gradient are 0."""
    run = prepared()
    loss, gradients = run(NO_EXTRAS)
    loss_twice, gradients_twice = run(Extras(consistency=5.0))
    assert loss_twice == pytest.approx(loss, rel=1e-5)
    for key, gradient in gradients.items():
        assert np.allclose(gradients_twice[key], gradient, atol=1e-5)


def test_a_perturbation_hurts():
    run = prepared()
    loss, _ = run(NO_EXTRAS)
    losses = [run(Extras(perturbation=length))[0] for length in (1e-6, 0.01, 0.1)]
    assert losses[0] == pytest.approx(loss, rel=1e-4)
    assert losses[0] < losses[1] < losses[2]


def test_a_tiny_perturbation_doubles_the_gradient():
    run = prepared()
    _, gradients = run(NO_EXTRAS)
    _, doubled = run(Extras(perturbation=1e-7))
    for key, gradient in gradients.items():
        assert np.allclose(doubled[key], 2 * gradient, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"cross_entropy": 1.0, "label_smoothing": 0.1, "focusing": 1.0},
        pytest.param({"consistency": 1.0}, marks=pytest.mark.slow),
        pytest.param({"perturbation": 0.1}, marks=pytest.mark.slow),
    ],
)
def test_learns_in_a_config(settings):
    nlp = make_nlp(extras={"@losses": "spacy_crf_ner.extras.v1", **settings})
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


def test_cross_entropy_adds_to_the_loss():
    nlp = make_nlp(extras={"@losses": "spacy_crf_ner.extras.v1", "cross_entropy": 0.5})
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("crf_ner")
    scores = pipe.model.predict([eg.predicted for eg in examples])
    with_it, _ = pipe.get_loss(examples, scores)
    pipe.extras = NO_EXTRAS
    without, _ = pipe.get_loss(examples, scores)
    # All emissions are 0 before training.
    n_tokens = sum(len(eg.predicted) for eg in examples)
    expected = 0.5 * n_tokens * math.log(len(pipe.tag_set)) / len(examples)
    assert with_it - without == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cross_entropy": -1.0}, "negative"),
        ({"label_smoothing": 0.1}, "Set cross_entropy"),
        ({"focusing": 1.0}, "Set cross_entropy"),
        ({"cross_entropy": 1.0, "label_smoothing": 1.0}, "below 1"),
        ({"consistency": 1.0, "perturbation": 1.0}, "not both"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        extras(**settings)


def test_perturbation_needs_an_embedding():
    nlp = make_nlp(extras={"@losses": "spacy_crf_ner.extras.v1", "perturbation": 0.1})
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    nlp.get_pipe("crf_ner").model.get_ref("tok2vec").set_ref("embed", None)
    with pytest.raises(ValueError, match="Set it to 0"):
        nlp.update(examples)


def test_what_listens_has_no_second_pass():
    nlp = make_nlp(tok2vec=True, extras={"@losses": "spacy_crf_ner.extras.v1", "consistency": 0.1})
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match="tok2vec-listener.*Set it to 0"):
        nlp.update(examples)


def test_what_an_encoder_listens_to_learns_from_both_passes():
    model = small(LISTENER)["model"]
    encode = {"@architectures": "spacy_crf_ner.BiLSTMEncoder.v1", "width": 32}
    model["tok2vec"] = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": model["tok2vec"],
        "encode": encode,
    }

    def gradients(perturbation):
        extras = {"@losses": "spacy_crf_ner.extras.v1", "perturbation": perturbation}
        nlp = make_nlp(tok2vec=True, model=model, extras=extras)
        examples = make_examples(nlp, TRAIN)
        nlp.initialize(lambda: examples)
        nlp.get_pipe("crf_ner").model.get_ref("output_layer").get_param("W")[:] = np.eye(9, 32)
        nlp.update(examples, sgd=None, drop=0.0)
        return gradients_of(nlp.get_pipe("tok2vec").model)

    once, twice, far = (gradients(length) for length in (0.0, 1e-7, 1.0))
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
    pipe.model.get_ref("output_layer").attrs[LEARN_RATE] = 3.0
    pipe.model.get_ref("crf").attrs[LEARN_RATE] = 10.0
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


def test_learning_rates_are_settings_and_survive_new_labels():
    tok2vec = make_nlp().get_pipe("crf_ner").model.get_ref("tok2vec")
    model = CRFTagger(tok2vec, 3, output_learn_rate=3.0, crf_learn_rate=10.0)
    model.attrs["resize_output"](model, 5)
    assert model.get_ref("output_layer").attrs[LEARN_RATE] == 3.0
    assert model.get_ref("crf").attrs[LEARN_RATE] == 10.0


def test_empty_documents_teach_nothing():
    nlp = make_nlp(extras={"@losses": "spacy_crf_ner.extras.v1", "consistency": 1.0})
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    empty = examples[0].from_dict(Doc(nlp.vocab), {"entities": []})
    assert nlp.update([empty]) == {"crf_ner": 0.0}
    losses = nlp.update([examples[0], empty], sgd=Adam(0.001))
    assert losses["crf_ner"] > 0
