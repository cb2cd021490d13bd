"""The option --gpu-id of commands, where there is no GPU."""

import pytest
import torch
from typer.testing import CliRunner

from spacy_crf_ner.cli import app


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "model", "texts.txt"],
        ["calibrate", "model", "texts.txt", "output"],
        ["annotate", "model", "texts.txt"],
        ["distill", "model", "texts.txt", "output"],
    ],
)
def test_without_a_gpu_they_say_what_to_do(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text("上海\n", encoding="utf8")
    result = CliRunner().invoke(app, [*arguments, "--gpu-id", "0"])
    assert result.exit_code == 1
    assert "spacy crf doctor" in result.output


def test_processes_cannot_share_a_gpu(tmp_path):
    result = CliRunner().invoke(
        app, ["annotate", "model", "texts.txt", "--gpu-id", "0", "--n-process", "2"]
    )
    assert result.exit_code == 1
    assert "--n-process to 1" in result.output
