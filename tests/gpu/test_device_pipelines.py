"""Pipelines trained on a GPU with the project's configs work on a CPU, and back on the GPU."""

import numpy as np
import pytest
import spacy
from released import allow_old, assert_finds, each_version, expected_in, package_in
from small_training import (
    SENTENCES,
    confidences_in,
    entities_in,
    entities_without_gpu,
    train_small,
)
from thinc.api import to_numpy, use_ops
from util import make_examples

# A config, and steps and a learning rate with which it finds something.
CONFIGS = [
    ("bilstm", 2, 0.02),
    ("bilstm_words", 2, 0.02),
    ("bilstm_attention", 6, 0.005),
    ("transformer", 4, 0.002),
    ("transformer_bilstm", 2, 0.002),
]


@pytest.mark.parametrize(("name", "steps", "learn_rate"), CONFIGS)
def test_trained_here_used_there(name, steps, learn_rate, tmp_path):
    path = train_small(name, tmp_path, steps=steps, learn_rate=learn_rate)
    nlp = spacy.load(path)
    texts = ["", *(text for text, _ in SENTENCES[nlp.lang])]
    expected = list(nlp.pipe(texts))
    assert any(doc.ents for doc in expected)
    assert entities_without_gpu(path, texts) == entities_in(expected)
    with use_ops("numpy"):
        on_cpu = spacy.load(path)
        docs = list(on_cpu.pipe(texts))
        on_cpu.to_disk(tmp_path / "from_cpu")
    back = list(spacy.load(tmp_path / "from_cpu").pipe(texts))
    for found in (docs, back):
        assert entities_in(found) == entities_in(expected)
        assert confidences_in(found) == pytest.approx(confidences_in(expected), abs=1e-4)
    with use_ops("numpy"):
        assert_learns(spacy.load(path), tmp_path / "learned_on_cpu")
    assert_learns(spacy.load(tmp_path / "learned_on_cpu"), tmp_path / "learned_on_gpu")


def assert_learns(nlp, output):
    """A pipeline that was saved on the other device can be trained on."""
    before = weights_of(nlp)
    losses = nlp.update(make_examples(nlp, SENTENCES[nlp.lang]), sgd=nlp.resume_training())
    assert losses["crf_ner"] > 0
    after = weights_of(nlp)
    assert len(after) == len(before)
    assert all(np.isfinite(weight).all() for weight in after)
    assert not all(np.array_equal(*both) for both in zip(after, before))
    nlp.to_disk(output)


def weights_of(nlp):
    nodes = nlp.get_pipe("crf_ner").model.walk()
    return [
        to_numpy(node.get_param(name)).copy()
        for node in nodes
        for name in node.param_names
        if node.has_param(name)
    ]


@allow_old
@each_version
def test_packages_of_each_version(folder, monkeypatch, tmp_path):
    """They were written on a CPU."""
    monkeypatch.syspath_prepend(folder)
    nlp, expected = spacy.load(package_in(folder)), expected_in(folder)
    assert nlp.get_pipe("crf_ner").model.ops.name == "cupy"
    assert_finds(nlp, expected)
    nlp.to_disk(tmp_path)
    with use_ops("numpy"):
        assert_finds(spacy.load(tmp_path), expected)
