"""`crf annotate`, killed by `kill -9`: repeated until it is done, it writes what it would have."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import spacy
from spacy.cli._util import app as spacy_app

import spacy_crf_ner.cli  # noqa: F401  (adds the commands to spaCy's)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor kill -9"),
]
N_KILLS = 50
N_RECORDS = 3000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pipeline, and records of which some are bad."""
    folder = tmp_path_factory.mktemp("killed")
    nlp = spacy.blank("zh")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "北京"}])
    nlp.to_disk(folder / "model")
    bad = {i for i in range(N_RECORDS) if i % 97 == 0}
    lines = [json.dumps({"id": i} if i in bad else text_of(i)) for i in range(N_RECORDS)]
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf8")
    return folder


def text_of(i):
    return {"id": i, "text": f"第{i}个人在北京" * (1 + i % 5)}


def arguments(folder, output, *options, source="a.jsonl"):
    paths = [str(folder / name) for name in ("model", source)]
    rejects = str(folder / f"{output.rstrip('/')}.rejects")
    args = ["crf", "annotate", *paths, "-o", f"{folder}/{output}", "--rejects", rejects]
    return [*args, "--part-size", "10", *options]


def run(args):
    """Run a command in a copy of this process, in which everything is imported already."""
    child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            spacy_app(args)
        except SystemExit as end:
            os._exit(end.code or 0)
        finally:
            os._exit(1)
    return child


def kill_until_done(args, rng, longest):
    """Repeat a command until it ends by itself. Returns how often it was killed before."""
    n_killed = 0
    while True:
        child = run(args)
        time.sleep(rng.uniform(0, longest))
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert os.waitstatus_to_exitcode(status) == 0
            return n_killed
        os.kill(child, signal.SIGKILL)
        n_killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def contents(path):
    paths = [path] if path.is_file() else sorted(path.rglob("*"))
    return [each.read_bytes() for each in paths]


@pytest.mark.parametrize("output", ["b.jsonl", "b.spacy", "parts/"])
def test_nothing_is_lost_or_doubled_however_often_it_is_killed(folder, output):
    rng = random.Random(output)
    start = time.monotonic()
    assert os.waitpid(run(arguments(folder, f"whole-{output}")), 0)[1] == 0
    longest = (time.monotonic() - start) / 4
    n_killed = 0
    while n_killed < N_KILLS:
        name = f"{n_killed}-{output}"
        n_killed += kill_until_done(arguments(folder, name), rng, longest)
        for each in (name.rstrip("/"), f"{name.rstrip('/')}.rejects"):
            assert contents(folder / each) == contents(folder / f"whole-{each.split('-', 1)[1]}")
        assert not list(folder.glob("*.parts"))
    rejects = (folder / f"whole-{output.rstrip('/')}.rejects").read_text("utf8").splitlines()
    ids = [json.loads(line)["record"]["id"] for line in rejects]
    assert ids == list(range(0, N_RECORDS, 97))


def start_processes(folder):
    lines = (folder / "a.jsonl").read_text("utf8")
    # More than they can do before they are killed.
    (folder / "b.jsonl").write_text(f"{lines}\n" * 30, encoding="utf8")
    args = arguments(folder, "c.jsonl", "--n-process", "2", source="b.jsonl")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "spacy", *args], stdout=log, stderr=log)
    parts = folder / "c.jsonl.parts"
    while process.poll() is None and len(list(parts.glob("part-*"))) < 5:
        time.sleep(0.01)
    assert process.poll() is None, (folder / "log").read_text()
    return process


def children_of(pid):
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True
    ).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()[1:]]
    return [int(row[0]) for row in rows if int(row[1]) == pid and "spawn_main" in row[2]]


def is_running(pid):
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return listed.stdout.strip()[:1] not in ("", "Z")


@pytest.mark.parametrize("victim", ["parent", "child"])
def test_one_of_several_processes_is_killed(folder, victim):
    process = start_processes(folder)
    children = children_of(process.pid)
    assert len(children) == 2
    os.kill(process.pid if victim == "parent" else children[0], signal.SIGKILL)
    process.wait(60)
    if victim == "child":
        assert process.returncode == 1
        assert "A process died" in (folder / "log").read_text()
    end = time.monotonic() + 60
    while any(map(is_running, children)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(is_running, children))
    for output in ("c.jsonl", "d.jsonl"):
        assert os.waitpid(run(arguments(folder, output, source="b.jsonl")), 0)[1] == 0
    assert contents(folder / "c.jsonl") == contents(folder / "d.jsonl")
