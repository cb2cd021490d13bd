"""`crf annotate --engine ray` on a local cluster of two workers."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from util import TEXTS, make_trained

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = pytest.mark.slow
# Its parts are small, so that there is time to kill a worker.
N_TEXTS = 6000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    make_trained().to_disk(folder / "model")
    lines = [json.dumps({"text": TEXTS[i % len(TEXTS)], "id": i}) for i in range(N_TEXTS)]
    lines[7] = '{"id": 7}'
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf8")
    return folder


def start(folder, output, *args):
    command = [sys.executable, "-m", "spacy", "crf", "annotate", "model", "a.jsonl"]
    options = ["-o", output, "--rejects", "r.jsonl", "--part-size", "20", *args]
    with (folder / "log").open("w") as log:
        return subprocess.Popen([*command, *options], cwd=folder, stdout=log, stderr=log)


def find_actors():
    """The ids of the processes that annotate, by their titles."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "(_Actor)" in line]


def test_a_killed_worker_costs_nothing(folder):
    assert start(folder, "local.jsonl").wait(600) == 0, (folder / "log").read_text()
    process = start(folder, "ray.jsonl", "--engine", "ray", "--n-process", "2")
    parts = folder / "ray.jsonl.parts"
    while process.poll() is None and len(list(parts.glob("part-*"))) < 30:
        time.sleep(0.1)
    os.kill(find_actors()[0], signal.SIGKILL)
    assert process.wait(600) == 0, (folder / "log").read_text()
    output = (folder / "log").read_text()
    assert (folder / "ray.jsonl").read_bytes() == (folder / "local.jsonl").read_bytes()
    assert f"{N_TEXTS - 1:,} documents" in output
    assert "1 records rejected" in output
