"""The benchmarks on tiny input: what they print, not how fast anything is."""

import pytest
import torch
from typer.testing import CliRunner

from benchmarks import crf, growth, pipe, train, transformer

ARGUMENTS = ["--batch", "2", "--length", "4", "--tags", "3", "--runs", "1"]


@pytest.mark.slow
def test_table_and_picture(tmp_path):
    table, picture = tmp_path / "table.md", tmp_path / "picture.png"
    arguments = [*ARGUMENTS, "--output", str(table), "--plot", str(picture)]
    result = CliRunner().invoke(crf.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    lines = table.read_text(encoding="utf8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:5]]
    assert [row[0] for row in rows] == ["likelihood + gradient", "Viterbi", "marginals"]
    assert all(row[1:4] == ["2", "4", "3"] for row in rows)
    assert all(float(row[4]) > 0 for row in rows)
    assert float(rows[0][6]) > 0
    assert rows[2][6] == ""  # pytorch-crf has no marginals
    assert "GFLOP/s" in lines[-1]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_missing_texts(tmp_path):
    result = CliRunner().invoke(pipe.app, [str(tmp_path / "no.txt"), "model"])
    assert result.exit_code == 1
    assert "no.txt" in result.output


def test_a_pipeline_that_is_not_there(tmp_path):
    (tmp_path / "texts.txt").write_text("北京\n", encoding="utf8")
    result = CliRunner().invoke(pipe.app, [str(tmp_path / "texts.txt"), "no_model"])
    assert result.exit_code == 1
    assert "no_model" in result.output


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize(
    ("benchmark", "arguments"),
    [
        (crf, []),
        (pipe, ["texts.txt", "model"]),
        (growth, ["texts.txt", "model"]),
        (transformer, ["encoder", "texts.txt"]),
        (train, ["train.spacy"]),
    ],
    ids=["crf", "pipe", "growth", "transformer", "train"],
)
def test_without_a_gpu_they_say_what_to_do(tmp_path, monkeypatch, benchmark, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text("上海\n", encoding="utf8")
    result = CliRunner().invoke(benchmark.app, [*arguments, "--gpu-id", "0"])
    assert result.exit_code == 1
    assert "spacy crf doctor" in result.output
