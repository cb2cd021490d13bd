"""Tests of `python -m benchmarks.ablation`."""

import json
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner

from benchmarks import ablation
from spacy_crf_ner.cli import app

ROOT = Path(__file__).resolve().parents[2]
VARIANTS = {"small": {"set": {"components.crf_ner.model.tok2vec.encode.width": 32}}}


def crf(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run(*arguments):
    return CliRunner().invoke(ablation.app, [str(argument) for argument in arguments])


@pytest.fixture
def arguments(tmp_path):
    result = crf("convert", ROOT / "assets" / "demo", tmp_path / "corpus", "--lang", "zh")
    assert result.exit_code == 0, result.output
    (tmp_path / "corpus" / "test.spacy").unlink()  # nothing may look at it
    (tmp_path / "variants.json").write_text(json.dumps(VARIANTS), encoding="utf8")
    paths = [tmp_path / name for name in ("corpus", "output", "variants.json")]
    return [ROOT / "configs" / "bilstm.cfg", *paths]


@pytest.mark.slow
def test_train_and_compare_and_train_no_more(arguments, tmp_path, monkeypatch):
    result = run(*arguments, "--seeds", 1, "--training.max_steps", 2)
    assert result.exit_code == 0, result.output
    for name, width in (("all", 384), ("small", 32)):
        nlp = spacy.load(tmp_path / "output" / name / "0" / "model-best")
        assert nlp.get_pipe("crf_ner").model.get_ref("tok2vec").get_dim("nO") == width
    table = tmp_path / "output" / "ablation.md"
    lines = table.read_text(encoding="utf8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:4]]
    assert [row[0] for row in rows] == ["all", "small"]
    assert 0 <= float(rows[0][1]) <= 100
    assert float(rows[1][3]) == pytest.approx(float(rows[1][1]) - float(rows[0][1]), abs=0.011)
    assert "2 steps" in lines[-1]
    assert (tmp_path / "output" / "ablation.png").read_bytes().startswith(b"\x89PNG")

    def train(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(ablation, "train", train)
    table.unlink()
    result = run(*arguments, "--seeds", 1, "--training.max_steps", 2)
    assert result.exit_code == 0, result.output
    assert table.read_text(encoding="utf8").splitlines() == lines


def test_what_is_missing_is_named(arguments, tmp_path):
    variants = tmp_path / "variants.json"
    variants.write_text('{"some": {"remove": ["training.depth"]}}', encoding="utf8")
    result = run(*arguments)
    assert result.exit_code == 1
    assert f'{variants}: variant "some": the config has no "training.depth"' in result.output
    variants.write_text(json.dumps(VARIANTS), encoding="utf8")
    for path in (tmp_path / "corpus" / "dev.spacy", variants):
        path.unlink()
        result = run(*arguments)
        assert result.exit_code == 1
        assert str(path) in result.output
    assert not (tmp_path / "output").exists()
