"""The Dockerfile of docs/deployment.md, without Docker: its commands run in a folder that stands
for the container's root. pip may find torch elsewhere than in the index that is named there.

Not tested are the two images that it starts from, and the user `nobody`.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from blocks import ROOT
from util import TEXTS

pytestmark = pytest.mark.slow
# Not needed here, but this takes minutes, so it runs with the other recipes only.
pytest.importorskip("fastapi", reason="runs where the extra 'deployment' is installed")
# Assumed for python:3.13-slim on amd64, unpacked. Docker would know.
BASE = 130e6
FOLDERS = re.compile(r"(?<![\w.}])/(?=app\b|wheels\b)")


def instructions(recipes: Path) -> list[tuple[str, str]]:
    text = (recipes / "Dockerfile").read_text(encoding="utf8")
    text = re.sub("^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]


def run(command, cwd, env):
    result = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    if "Could not find a version" in result.stderr:
        pytest.skip("needs packages that pip cannot find here")
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"


@pytest.fixture(scope="module")
def wheels(wheel, model_wheel, tmp_path_factory) -> Path:
    """The folder `wheels`."""
    folder = tmp_path_factory.mktemp("wheels")
    for path in (wheel, model_wheel):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def container(recipes, wheels, tmp_path_factory) -> Path:
    """The root of a container, with what the first stage of the build makes."""
    root = tmp_path_factory.mktemp("container")
    (root / "bin").mkdir()
    for name, module in (("python", ""), ("pip", "-m pip")):
        (root / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (root / "bin" / name).chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
    }
    env.pop("PYTHONPATH", None)
    stages = 0
    for instruction, argument in instructions(recipes):
        stages += instruction == "FROM"
        if stages == 2:
            break
        argument = FOLDERS.sub(f"{root}/", argument)
        if instruction == "WORKDIR":
            Path(argument).mkdir()
        elif instruction == "COPY":
            source, target = argument.split()
            copy = shutil.copytree if source == "wheels" else shutil.copy
            copy(wheels if source == "wheels" else recipes / source, target)
        elif instruction == "RUN":
            run(["sh", "-c", argument], root / "app", env)
    return root


@pytest.fixture
def server(recipes, container):
    """The address of the server, started as the image starts it."""
    found = dict(instructions(recipes))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = json.loads(FOLDERS.sub(f"{container}/", found["CMD"]).replace("8000", port))
    env = dict([found["ENV"].split("=")])
    with subprocess.Popen(command, cwd=container / "app", env=env) as process:
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for(port: str, process: subprocess.Popen) -> None:
    for _ in range(240):
        with socket.socket() as client:
            if not client.connect_ex(("127.0.0.1", int(port))):
                return
        assert process.poll() is None, "the server has ended"
        time.sleep(0.5)
    pytest.fail("the server did not start")


def size_of(folder: Path) -> int:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.stat().st_size for path in files)


def test_the_second_stage_has_only_what_the_first_one_made(recipes):
    found = instructions(recipes)
    (start,) = (i for i, (_, argument) in enumerate(found) if argument == "python:3.13-slim")
    assert [name for name, _ in found[start:]] == [
        *("FROM", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE", "CMD")
    ]
    assert shlex.split(dict(found[start:])["COPY"])[-2:] == ["/app", "/app"]


def test_the_image_has_less_than_a_gigabyte(container):
    size = size_of(container / "app")
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf8")
    stated = float(re.search(r"`/app` takes (0\.\d+) GB", page)[1])
    assert size + BASE < 1e9
    assert size / 1e9 == pytest.approx(stated, abs=0.03)


def test_there_is_no_cuda(container):
    names = {path.name for path in container.glob("app/lib/python3*/site-packages/*")}
    assert "torch" in names
    assert not {name for name in names if name.startswith(("nvidia", "triton", "cupy"))}


def test_the_server_answers(server, nlp):
    request = urllib.request.Request(
        f"{server}/entities",
        data=json.dumps([TEXTS[0], ""]).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        found, nothing = json.load(response)
    assert nothing == []
    assert [(ent["text"], ent["confidence"]) for ent in found] == [
        (ent.text, pytest.approx(ent._.confidence)) for ent in nlp(TEXTS[0]).ents
    ]
