"""What `make release` builds works with the packages that its wheel requires, and no others.

One of the pipelines is built as the Makefile says, but on the demo corpus and in two steps.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.metadata import distribution, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
NAME = "zh_crf_ner_chisiec_sm"
SETTINGS = [f"MODELS={NAME}", "CORPUS=demo", "STEPS=2", "VERSION=1.2.3"]

USE_IT = f"""
import importlib.util
import spacy

for name in ("jieba", "gensim", "matplotlib", "seqeval", "spacy_transformers", "transformers"):
    assert importlib.util.find_spec(name) is None, name
nlp = spacy.load("{NAME}")
docs = list(nlp.pipe(["王明昨天到北京大学报到。", ""]))
assert all(doc.has_annotation("ENT_IOB") for doc in docs)
print(*nlp.get_pipe("crf_ner").labels)
"""


def run(command, **kwargs):
    result = subprocess.run(command, capture_output=True, encoding="utf8", **kwargs)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder in which the commands of `make release` have run."""
    folder = tmp_path_factory.mktemp("release")
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copytree(ROOT / "assets" / "demo", folder / "assets" / "demo")
    (folder / "assets" / "models").mkdir()
    shutil.copy(ROOT / "assets" / "models" / "chisiec.md", folder / "assets" / "models" / "demo.md")
    commands = run(
        [
            "make",
            "-n",
            "--no-print-directory",
            "-o",
            "none/.installed",
            "release",
            "VENV=none",
            *SETTINGS,
        ],
        cwd=ROOT,
    )
    commands = commands.replace("none/bin/python", sys.executable)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    run(["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=env)
    return folder


@pytest.fixture(scope="module")
def wheel(project):
    (path,) = (project / "packages" / f"{NAME}-1.2.3" / "dist").iterdir()
    return path


def closure(requirements):
    """The packages that some requirements need, and the packages that these need, and so on."""
    names, todo = set(), list(requirements)
    while todo:
        requirement = Requirement(todo.pop())
        name = canonicalize_name(requirement.name)
        if name not in names and (
            not requirement.marker or requirement.marker.evaluate({"extra": ""})
        ):
            names.add(name)
            todo += requires(name) or []
    return names


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"{NAME}-1.2.3.dist-info/METADATA").decode("utf8")
    return Parser().parsestr(text)


@pytest.mark.slow
def test_the_wheel_requires_this_package_and_spacy(metadata):
    expected = {"spacy-crf-ner", "spacy"}
    found = {r.name: r for r in map(Requirement, metadata.get_all("Requires-Dist"))}
    assert set(found) == expected
    for name, requirement in found.items():
        assert requirement.specifier.contains(version(name), prereleases=True)
        major, minor = version(name).split(".")[:2]
        assert f"<{major}.{int(minor) + 1}.0" in str(requirement.specifier)
    assert not {"jieba", "gensim", "matplotlib", "transformers"} & closure(expected)


@pytest.mark.slow
def test_the_wheel_has_the_card(metadata, project):
    card = (project / "training" / NAME / "model-best" / "README.md").read_text(encoding="utf8")
    assert card.startswith(f"# {NAME}\n")
    assert "| training steps at most | 2 |" in card
    assert metadata.get_payload().strip() == card.strip()
    assert metadata["License"].startswith("none is stated")


@pytest.mark.slow
def test_it_is_a_small_pipeline(wheel):
    with zipfile.ZipFile(wheel) as archive:
        config = archive.read(f"{NAME}/{NAME}-1.2.3/config.cfg").decode("utf8")
    assert re.search(r"^adversarial_epsilon = 0$", config, re.MULTILINE)
    assert re.search(r"^width = 192$", config, re.MULTILINE)


def link_packages(names, folder):
    """Make a folder in which Python finds some of the packages of this environment."""
    for package in map(distribution, names):
        for name in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
            path = folder / name
            # Packages may share a folder.
            if not path.exists():
                path.symlink_to(package.locate_file(name))


@pytest.mark.slow
def test_it_works_with_its_requirements_only(wheel, metadata, tmp_path):
    site = tmp_path / "site"
    options = ["-q", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", site]
    run([sys.executable, "-m", "pip", "install", *options, wheel], cwd=tmp_path)
    link_packages(closure(metadata.get_all("Requires-Dist")), site)
    # -S: without the packages of this environment. An editable install of ours is in the checkout.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "PYTHONUTF8": "1"}
    output = run([sys.executable, "-S", "-c", USE_IT], cwd=tmp_path, env=env)
    assert output.split() == ["LOCATION", "ORGANIZATION", "PERSON", "TIME"]
