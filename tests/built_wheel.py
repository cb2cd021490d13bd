"""The wheel, built and installed alone: a plugin of the tests that use it, see conftest.py."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "spacy_crf_ner"
SOURCE = ROOT / PACKAGE
needs_source = pytest.mark.skipif(not SOURCE.is_dir(), reason=f"needs the source folder {PACKAGE}")

# Hides the checkout from every process that has this file's folder on its path, however the
# package is installed in the environment of the tests (an editable install is a finder or a path).
GUARD = """
import os, sys

checkout = os.environ["CHECKOUT"]
sys.path[:] = [path for path in sys.path if os.path.realpath(path or os.getcwd()) != checkout]
sys.meta_path[:] = [
    finder for finder in sys.meta_path if not finder.__module__.startswith("__editable__")
]
"""

# Each process that imports the package ends with this.
ALL_FROM_TARGET = """
import sys
from pathlib import Path

def require_target():
    target = Path(sys.argv[1]).resolve()
    names = [name for name in sys.modules if name.split(".")[0] == "spacy_crf_ner"]
    assert names
    for name in names:
        assert target in Path(sys.modules[name].__file__).resolve().parents, name
"""


def run(*arguments, **kwargs):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf8", **kwargs)


def output_of(*arguments, **kwargs):
    result = run(*arguments, **kwargs)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def has_hatchling():
    """Whether the environment has the build backend that pyproject.toml asks for."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf8")
    needed = re.search(r'"hatchling>=(\d+)\.(\d+)"', text).groups()
    try:
        found = version("hatchling").split(".")
    except PackageNotFoundError:
        return False
    return tuple(map(int, found[:2])) >= tuple(map(int, needed))


def copy_checkout(folder):
    """Copy what hatchling may find in a checkout, with leftovers such as old ones have."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    for name in (PACKAGE, "benchmarks", "configs", "docs", "tests"):
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    leftovers = [
        f"{PACKAGE}/__pycache__/tags.cpython-310.pyc",
        f"{PACKAGE}/__pycache__/cpu.compiled-1.py310.1.nbc",
        f"{PACKAGE}/moved_away/__pycache__/module.cpython-310.pyc",
        f"{PACKAGE}/tags.py.orig",
        "configs/bilstm.cfg.orig",
        "configs/__pycache__/module.cpython-310.pyc",
        f"build/lib/{PACKAGE}/removed.py",
        f"dist/{PACKAGE}-0.0.1.tar.gz",
    ]
    for name in leftovers:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    remembered = folder / f"{PACKAGE}.egg-info"
    remembered.mkdir()
    (remembered / "entry_points.txt").write_text("[spacy_factories]\nold = old:old\n")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A folder with the sdist and the wheel built from it, as `python -m build` makes them."""
    folder = tmp_path_factory.mktemp("built")
    copy_checkout(folder / "checkout")
    options = ["--no-isolation"] if has_hatchling() else []
    result = run("-m", "build", *options, "--outdir", folder / "dist", folder / "checkout")
    if not options and "Could not find a version" in result.stdout + result.stderr:
        pytest.skip("needs a recent hatchling, and there is no network to install one from")
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(list((folder / "dist").iterdir())) == 2
    return folder / "dist"


@pytest.fixture(scope="session")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def target(wheel, tmp_path_factory):
    """A folder in which there is the wheel, installed, and nothing else."""
    folder = tmp_path_factory.mktemp("target")
    options = ["-q", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", folder]
    output_of("-m", "pip", "install", *options, wheel, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def installed(target, tmp_path_factory):
    """The environment of a process that has the installed wheel and no checkout."""
    guard = tmp_path_factory.mktemp("guard")
    (guard / "sitecustomize.py").write_text(GUARD, encoding="utf8")
    return {
        **os.environ,
        "CHECKOUT": os.path.realpath(ROOT),
        "PYTHONPATH": os.pathsep.join([str(guard), str(target)]),
        "PYTHONUTF8": "1",
    }
