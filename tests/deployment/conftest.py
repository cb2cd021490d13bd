"""The recipes of docs/deployment.md, as files, and a packaged model for them."""

import re
import warnings
import zipfile
from pathlib import Path

import pytest
import spacy
from blocks import ROOT, read_blocks
from spacy.cli.package import package
from util import make_trained


@pytest.fixture(scope="session")
def recipes(tmp_path_factory) -> Path:
    """A folder of the files that the page shows. A block's first line has the file's name."""
    folder = tmp_path_factory.mktemp("recipes")
    for block in read_blocks(ROOT / "docs" / "deployment.md"):
        if found := re.match(r"# (Dockerfile|\w+\.py)\n", block.text):
            (folder / found[1]).write_text(block.text, encoding="utf8")
    return folder


@pytest.fixture(scope="session")
def model_wheel(tmp_path_factory) -> Path:
    """The wheel of a small model `zh_crf_ner`."""
    pytest.importorskip("build", reason="needs build, which the extra 'dev' has")
    folder = tmp_path_factory.mktemp("model")
    make_trained(decoding="entities").to_disk(folder / "model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # spaCy leaves files open
        options = {"name": "crf_ner", "version": "0.1.0", "create_sdist": False, "silent": True}
        package(folder / "model", folder, create_wheel=True, **options)
    (wheel,) = folder.glob("*/dist/*.whl")
    return wheel


@pytest.fixture(scope="session")
def site(model_wheel, tmp_path_factory) -> Path:
    """A folder of packages that has `zh_crf_ner`."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(model_wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def in_recipes(recipes, site, monkeypatch) -> Path:
    """The folder of the recipes, from which they and the model can be imported."""
    monkeypatch.chdir(recipes)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(recipes))
    return recipes


@pytest.fixture
def nlp(in_recipes):
    """The model that the recipes load."""
    return spacy.load("zh_crf_ner")
