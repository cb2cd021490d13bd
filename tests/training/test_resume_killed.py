"""A training that is killed again and again ends in the same weights as one that never was."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from test_resume import files_in, kill_after, log_in, make_config, resume, run
from thinc.api import Config
from util import make_examples

from spacy_crf_ner.training.checkpoint import NAME

ROOT = Path(__file__).resolve().parents[2]
N_KILLS, N_STEPS = 10, 150
CODE = """
from spacy import registry
from spacy_crf_ner.training.loggers import json_lines_logger

registry.loggers("test_resume.json_lines.v1", func=json_lines_logger)
"""


def start(folder, output, *options):
    """Start a training as a process."""
    paths = ["--output", output, "--code", folder / "code.py"]
    command = [sys.executable, "-m", "spacy", "crf", "train", folder / "config.cfg", *paths]
    return subprocess.Popen(
        [*map(str, command), *options],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_change(path, process, before):
    while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
        time.sleep(0.01)
    assert process.returncode in (0, None), process.communicate()[0]


def end(process):
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path):
    config = make_config(tmp_path)
    config["training"].update(max_steps=N_STEPS, eval_frequency=3)
    config["training"]["optimizer"]["learn_rate"]["total_steps"] = 2 * N_STEPS
    config.to_disk(tmp_path / "config.cfg")
    (tmp_path / "code.py").write_text(CODE)
    end(start(tmp_path, tmp_path / "whole"))
    output, rng = tmp_path / "killed", random.Random(0)
    checkpoint = output / NAME
    for _ in range(N_KILLS):
        exists = checkpoint.exists()
        before = checkpoint.stat().st_mtime_ns if exists else None
        process = start(tmp_path, output, *(["--resume"] if exists else []))
        wait_for_change(checkpoint, process, before)
        time.sleep(rng.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        # If it was complete, it was not killed often enough.
        assert process.returncode == -signal.SIGKILL
    end(start(tmp_path, output, "--resume"))
    assert files_in(output) == files_in(tmp_path / "whole")
    assert log_in(output) == log_in(tmp_path / "whole")
    assert [line["step"] for line in log_in(output)] == list(range(0, N_STEPS + 1, 3))


@pytest.mark.slow
def test_an_encoder_goes_on_too(tmp_path, monkeypatch):
    pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")
    from tiny_encoders import make_encoder

    nlp = spacy.blank("zh")
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(tmp_path / "train.spacy")
    config = Config().from_disk(ROOT / "configs" / "transformer.cfg", interpolate=False)
    corpus = str(tmp_path / "train.spacy")
    encoder = make_encoder(tmp_path / "bert")
    config["paths"].update(train=corpus, dev=corpus, encoder=encoder)
    model = config["components"]["transformer"]["model"]
    model.update(window=20, stride=16, frozen_steps=1)
    config["training"].update(max_steps=4, eval_frequency=1, accumulate_gradient=2)
    config["training"]["logger"] = {"@loggers": "test_resume.json_lines.v1"}
    config["training"]["optimizer"]["learn_rate"].update(warmup_steps=1, total_steps=9)
    kill_after(monkeypatch, tmp_path, 2)
    run(config, tmp_path / "whole")
    monkeypatch.undo()
    resume(config, tmp_path / "after")
    assert files_in(tmp_path / "after") == files_in(tmp_path / "whole")
    assert log_in(tmp_path / "after") == log_in(tmp_path / "whole")
