"""Pipelines trained on a GPU with the project's configs work on a CPU, and back on the GPU."""

import pytest
import spacy
from small_training import SENTENCES, confidences_in, entities_in, train_small
from thinc.api import use_ops

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
    with use_ops("numpy"):
        on_cpu = spacy.load(path)
        docs = list(on_cpu.pipe(texts))
        on_cpu.to_disk(tmp_path / "from_cpu")
    back = list(spacy.load(tmp_path / "from_cpu").pipe(texts))
    for found in (docs, back):
        assert entities_in(found) == entities_in(expected)
        assert confidences_in(found) == pytest.approx(confidences_in(expected), abs=1e-4)
