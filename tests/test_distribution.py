"""What is published: the sdist, and the wheel built from it, which is installed alone, trained and
loaded where the checkout can't be imported.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "spacy_crf_ner"
SOURCE = ROOT / PACKAGE
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SOURCE.is_dir(), reason=f"needs the source folder {PACKAGE}"),
]

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

LOAD_ENTRY_POINTS = """
from importlib.metadata import distribution, entry_points

ours = distribution("spacy-crf-ner")
assert Path(ours.locate_file("")).resolve() == Path(sys.argv[1]).resolve()
assert ours.entry_points
for entry_point in ours.entry_points:
    # What spaCy finds under the name is this one, not that of another installation.
    (found,) = entry_points(group=entry_point.group, name=entry_point.name)
    assert found == entry_point
    assert entry_point.load() is not None
require_target()
print(len(ours.entry_points))
"""

WRITE_CONFIG = """
import spacy

nlp = spacy.blank("zh")
nlp.add_pipe("crf_ner")
nlp.config.to_disk("config.cfg")
require_target()
"""

TAG = """
import spacy

nlp = spacy.load("trained/model-last")
docs = list(nlp.pipe(["王明在北京工作", "", "上海有雨"]))
assert all(doc.has_annotation("ENT_IOB") for doc in docs)
assert {ent.label_ for doc in docs for ent in doc.ents} <= {"LOCATION", "PERSON"}
require_target()
print(*nlp.get_pipe("crf_ner").labels)
"""


def line(text, person, place):
    label = {
        name: {mention: [[text.index(mention), text.index(mention) + len(mention) - 1]]}
        for name, mention in (("PERSON", person), ("LOCATION", place))
    }
    return json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n"


CORPUS = line("王明在北京工作", "王明", "北京") + line("李雷去上海", "李雷", "上海")


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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def target(wheel, tmp_path_factory):
    """A folder in which there is the wheel, installed, and nothing else."""
    folder = tmp_path_factory.mktemp("target")
    options = ["-q", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", folder]
    output_of("-m", "pip", "install", *options, wheel, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(target, tmp_path_factory):
    """Settings of a process in an empty folder that has the installed wheel and no checkout."""
    guard = tmp_path_factory.mktemp("guard")
    (guard / "sitecustomize.py").write_text(GUARD, encoding="utf8")
    env = {
        **os.environ,
        "CHECKOUT": os.path.realpath(ROOT),
        "PYTHONPATH": os.pathsep.join([str(guard), str(target)]),
        "PYTHONUTF8": "1",
    }
    return {"env": env, "cwd": tmp_path_factory.mktemp("empty")}


def source_files():
    """The files of the package, by their path from above it."""
    paths = [path for path in SOURCE.rglob("*") if path.is_file()]
    return {path.relative_to(ROOT).as_posix() for path in paths if "__pycache__" not in path.parts}


def template_files():
    """The repository's own project, which is the template of `crf init`."""
    return {"project.yml", *(f"configs/{path.name}" for path in ROOT.glob("configs/*.cfg"))}


def test_the_sdist_has_what_it_is_built_from(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    root = f"{path.name.removesuffix('.tar.gz')}/"
    assert all(name.startswith(root) for name in names)
    assert {name.removeprefix(root) for name in names} == {
        *source_files(),
        *template_files(),
        *("CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"),
        # hatchling adds these.
        *("PKG-INFO", ".gitignore"),
    }


def test_the_wheel_has_the_package_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    info = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    assert f"{PACKAGE}/py.typed" in files
    assert {name for name in files if not name.startswith(f"{info}/")} == {
        *source_files(),
        *(f"{PACKAGE}/project/template/{name}" for name in template_files()),
    }
    assert f"{info}/licenses/LICENSE" in files
    assert wheel.name.endswith("-py3-none-any.whl")


def test_nothing_is_left_of_an_earlier_build(target):
    (path,) = target.glob("*.dist-info/entry_points.txt")
    assert "old" not in path.read_text(encoding="utf8").split()
    assert {path.name for path in target.iterdir()} == {PACKAGE, path.parent.name}


def test_entry_points_resolve(target, installed):
    code = ALL_FROM_TARGET + LOAD_ENTRY_POINTS
    assert int(output_of("-c", code, target, **installed)) > 10


def test_the_checkout_is_out_of_reach(target, installed):
    """Or else the tests here would say nothing."""
    guard, _ = installed["env"]["PYTHONPATH"].split(os.pathsep)
    settings = {**installed, "env": {**installed["env"], "PYTHONPATH": guard}}
    code = f"import importlib.util; print(importlib.util.find_spec('{PACKAGE}'))"
    assert str(SOURCE) not in output_of("-c", code, **settings)


def test_it_converts_trains_loads_and_tags(target, installed):
    folder = installed["cwd"]
    assert not list(folder.iterdir())
    (folder / "corpus").mkdir()
    for name in ("train", "dev"):
        (folder / "corpus" / f"{name}.json").write_text(CORPUS, encoding="utf8")
    output_of("-m", "spacy", "crf", "convert", "corpus", "converted", "--lang", "zh", **installed)
    output_of("-c", ALL_FROM_TARGET + WRITE_CONFIG, target, **installed)
    output_of(
        *("-m", "spacy", "train", "config.cfg", "--output", "trained"),
        *("--paths.train", "converted/train.spacy", "--paths.dev", "converted/dev.spacy"),
        *("--training.max_steps", "2", "--training.eval_frequency", "1"),
        **installed,
    )
    labels = output_of("-c", ALL_FROM_TARGET + TAG, target, **installed)
    assert labels.split() == ["LOCATION", "PERSON"]
