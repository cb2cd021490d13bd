"""Tests of `python -m spacy crf train`, by one process and by two."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
from spacy.cli.train import train as spacy_train
from spacy.tokens import DocBin
from thinc.api import Config
from typer.testing import CliRunner
from util import make_examples, make_nlp

from spacy_crf_ner.cli import app

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
# Imported by each process with --code.
CODE = """
import os
from pathlib import Path
from spacy import registry

folder, rank = Path(__file__).parent, os.environ["RANK"]
(folder / f"{rank}.pid").write_text(str(os.getpid()))

@registry.callbacks("test_train.fail.v1")
def fail():
    def fail_later(nlp, info):
        if rank == "1" and info["step"] == 3:
            raise ValueError("this document is too good")
    return fail_later
"""


@pytest.fixture
def files(tmp_path):
    """A config for a small model, a corpus of five sentences, and code."""
    nlp = make_nlp()
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(tmp_path / "train.spacy")
    config = nlp.config.copy()
    config["paths"].update(dict.fromkeys(("train", "dev"), str(tmp_path / "train.spacy")))
    config["training"].update(max_steps=6, eval_frequency=2)
    config["training"]["logger"] = {"@loggers": "spacy.ConsoleLogger.v3", "output_file": None}
    config.to_disk(tmp_path / "config.cfg")
    (tmp_path / "code.py").write_text(CODE)
    return tmp_path


def arguments(files, *options):
    paths = ["--output", files / "output", "--code", files / "code.py"]
    return ["train", *map(str, (files / "config.cfg", *paths, *options))]


def start(files, *options):
    """Start two processes, with the output of each in a file of its own."""
    command = [*TORCHRUN, "--redirects=3", f"--log-dir={files / 'logs'}", "-m", "spacy", "crf"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *arguments(files, *options)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output_of(files, rank, stream="*"):
    (folder,) = (files / "logs").glob(f"*/attempt_0/{rank}")
    return "".join(path.read_text() for path in folder.glob(f"{stream}.log"))


def test_alone_it_is_spacy_train(files, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    result = CliRunner().invoke(
        app, [*arguments(files), "--training.logger.output_file", str(files / "ours.jsonl")]
    )
    assert result.exit_code == 0, result.output
    assert "Saved pipeline to output directory" in result.output
    overrides = {"training.logger.output_file": str(files / "theirs.jsonl")}
    spacy_train(files / "config.cfg", files / "theirs", overrides=overrides)
    logs = [(files / name).read_text().splitlines() for name in ("ours.jsonl", "theirs.jsonl")]
    assert [json.loads(line)["step"] for line in logs[0]] == [0, 2, 4, 6]
    assert logs[0] == logs[1]
    for name in ("model-best", "model-last"):
        weights = [
            (files / folder / name / "crf_ner" / "model.safetensors").read_bytes()
            for folder in ("output", "theirs")
        ]
        assert weights[0] == weights[1]


def test_settings_that_cannot_be_are_errors(files, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    result = CliRunner().invoke(app, [*arguments(files), "--training.max_steps", "many"])
    assert result.exit_code == 1
    assert "max_steps" in result.output
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    result = CliRunner().invoke(app, arguments(files))
    assert result.exit_code == 1
    assert "Start all of them with torchrun" in result.output


@pytest.mark.slow
def test_two_ranks_train_and_rank_0_reports(files):
    process = start(files)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert output_of(files, 1) == ""
    assert "2 processes share each batch" in output_of(files, 0)
    assert "Saved pipeline" in output_of(files, 0)
    assert spacy.load(files / "output" / "model-best").pipe_names == ["crf_ner"]


@pytest.mark.slow
def test_a_killed_rank_ends_the_other(files):
    process = start(files, "--training.max_steps", 0, "--training.patience", 0)
    wait_for(files / "output" / "model-best" / "meta.json")
    os.kill(int((files / "1.pid").read_text()), signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Rank 0 of 2 ends, because it lost another rank" in output_of(files, 0, "stderr")
    # What torchrun says.
    assert "Root Cause" in said
    assert "rank      : 1" in said
    spacy.load(files / "output" / "model-last")


@pytest.mark.slow
def test_a_rank_that_fails_says_so(files):
    config = Config().from_disk(files / "config.cfg", interpolate=False)
    config["training"]["before_update"] = {"@callbacks": "test_train.fail.v1"}
    config.to_disk(files / "config.cfg")
    process = start(files)
    process.communicate(timeout=300)
    assert process.returncode != 0
    said = output_of(files, 1, "stderr")
    assert "Rank 1 of 2 failed, and so all ranks end" in said
    assert "this document is too good" in said
    assert "Rank 0 of 2 ends, because it lost another rank" in output_of(files, 0, "stderr")


def wait_for(path, seconds=300):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} was not written"
        time.sleep(0.1)
