"""`crf tune` with a tiny config: what it says and writes, and that a kill loses no trial."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from spacy.tokens import DocBin
from spacy.util import load_config
from typer.testing import CliRunner
from util import make_examples, make_nlp

from spacy_crf_ner.cli import app

ROOT = Path(__file__).resolve().parents[2]
SPACE = """\
[training]
dropout = {"low": 0.0, "high": 0.6}

[training.optimizer]
learn_rate = {"low": 0.0001, "high": 0.1, "log": true}

[components.crf_ner]
tag_scheme = ["BIOES", "BIO"]
"""


@pytest.fixture
def files(tmp_path):
    """A config for a small model, a search space, and a corpus of five sentences."""
    nlp = make_nlp()
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(tmp_path / "train.spacy")
    config = nlp.config.copy()
    config["training"].update(max_steps=4, eval_frequency=2)
    config["training"]["optimizer"]["learn_rate"] = 0.01
    text = config.to_str(interpolate=False).replace("[training]", "# Short.\n[training]")
    (tmp_path / "config.cfg").write_text(text)
    (tmp_path / "space.cfg").write_text(SPACE)
    return tmp_path


def arguments(files, *options):
    corpora = [f"--paths.{name}={files / 'train.spacy'}" for name in ("train", "dev")]
    paths = [files / "config.cfg", files / "space.cfg", "--output", files / "tuned"]
    return ["tune", *map(str, (*paths, *corpora, *options))]


def tune(files, *options):
    return CliRunner().invoke(app, arguments(files, *options))


def start(files, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "spacy", "crf", *arguments(files, *options)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(files):
    """How many trials the journal says are complete or pruned, by the numbers of their states."""
    journal = files / "tuned" / ".tune" / "journal.log"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return sum('"state":1' in line or '"state":2' in line for line in lines)


def test_the_best_config_is_written_and_trains(files):
    result = tune(files, "--trials", 3)
    assert result.exit_code == 0, result.output
    assert "trial   0" in result.output
    assert "the values of the config" in result.output
    assert "3 trials: 3 complete" in result.output
    best = files / "tuned" / "best.cfg"
    config = load_config(best)
    assert config["paths"]["train"] is None
    assert config["corpora"]["train"]["path"] == "${paths.train}"
    assert "# Short.\n[training]" in best.read_text()
    assert "<svg" in (files / "tuned" / "history.html").read_text()
    (command,) = (line for line in result.output.splitlines() if "To train with it" in line)
    assert f"train {best} --output training/best --paths.train=" in command
    trained = ["train", str(best), *command.split()[-2:]]
    result = CliRunner().invoke(app, trained)
    assert result.exit_code == 0, result.output


def test_the_same_command_goes_on(files):
    assert tune(files, "--trials", 1).exit_code == 0
    result = tune(files, "--trials", 2, "--metric", "ents_p")
    assert result.exit_code == 1
    assert "--metric was None, now 'ents_p'" in result.output
    result = tune(files, "--trials", 2)
    assert "going on after 1 trials" in result.output
    assert "trial   1" in result.output
    assert "trial   0  " not in result.output
    assert tune(files, "--trials", 3, "--timeout", 0).exit_code == 0
    assert finished(files) == 2


def test_a_trial_that_fails_is_counted(files):
    (files / "space.cfg").write_text('[components.crf_ner]\ntag_scheme = ["BIOES", "nonsense"]\n')
    result = tune(files, "--trials", 3)
    assert result.exit_code == 0, result.output
    assert "failed: " in result.output
    assert "nonsense" in result.output
    assert "0 failed" not in result.output
    assert (
        load_config(files / "tuned" / "best.cfg")["components"]["crf_ner"]["tag_scheme"] == "BIOES"
    )


def test_the_first_failure_ends_the_search(files):
    result = tune(files, "--metric", "ents_x")
    assert result.exit_code == 1
    assert "--metric ents_x: no such score. The pipeline has" in result.output
    assert "ents_f" in result.output
    result = tune(files, "--metric", "ents_f", "--trials", 1)
    assert result.exit_code == 0, result.output
    result = tune(files, "--paths.train", str(files / "none.spacy"), "--output", str(files / "2"))
    assert result.exit_code == 1
    assert "none.spacy" in result.output


def test_settings_of_the_command_line_and_values_outside_are_named(files):
    (files / "space.cfg").write_text(SPACE.replace('"low": 0.0001', '"low": 0.05'))
    result = tune(files, "--trials", 1, "--training.dropout", "0.2")
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "the command line sets it: training.dropout" in said
    assert "config's own training.optimizer.learn_rate is not in the search space" in said


def test_errors_are_one_line(files, monkeypatch):
    (files / "space.cfg").write_text("[training]\ndropuot = [1, 2]\n")
    result = tune(files)
    assert result.exit_code == 1
    assert "Is it training.dropout?" in result.output
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = tune(files)
    assert result.exit_code == 1
    assert "pip install 'spacy-crf-ner[tune]'" in result.output


@pytest.mark.slow
def test_a_killed_search_loses_no_finished_trial(files):
    process = start(files, "--trials", 1000)
    wait_until(lambda: finished(files) >= 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    n_finished = finished(files)
    page = (files / "tuned" / "history.html").read_text()
    result = tune(files, "--trials", n_finished + 2)
    assert result.exit_code == 0, result.output
    assert f"going on after {n_finished} trials" in result.output
    assert f"{n_finished + 2} trials: " in result.output
    assert finished(files) == n_finished + 2
    after = (files / "tuned" / "history.html").read_text()
    for row in page.split("<tr")[2:-1]:
        assert row.split("<td>")[5:] in [other.split("<td>")[5:] for other in after.split("<tr")]


@pytest.mark.slow
def test_two_processes_share_a_study(files):
    processes = [start(files, "--trials", 8) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    lines = [line.split()[1] for text in said for line in text.splitlines() if "trial  " in line]
    assert sorted(lines, key=int) == [str(number) for number in range(8)]
    assert finished(files) == 8
    journal = (files / "tuned" / ".tune" / "journal.log").read_text().splitlines()
    assert all(json.loads(line) for line in journal)


def wait_until(happened, seconds=300):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
