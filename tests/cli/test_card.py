"""`crf card`, and what `spacy package` makes of the card."""

import warnings

import pytest
import spacy
import srsly
from spacy.cli.package import package
from spacy.tokens import DocBin
from typer.testing import CliRunner
from util import TRAIN, make_examples, make_trained

from spacy_crf_ner.cli import app


@pytest.fixture
def paths(tmp_path):
    """A pipeline, a corpus, and what its author says."""
    nlp = make_trained()
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "corpus").mkdir()
    docs = [eg.reference for eg in make_examples(nlp, TRAIN)]
    DocBin(docs=docs).to_disk(tmp_path / "corpus" / "test.spacy")
    (tmp_path / "about.md").write_text("---\nlicense: MIT\n---\n## Limits\n\nMany.\n", "utf8")
    return {
        "model": tmp_path / "model",
        "data": tmp_path / "corpus" / "test.spacy",
        "about": tmp_path / "about.md",
    }


def card(paths, *options):
    arguments = ["card", paths["model"], paths["data"], "--about", paths["about"], *options]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_card_becomes_the_readme_of_the_package(paths, tmp_path):
    result = card(paths, "--name", "mine_sm", "--version", "1.2.3")
    assert result.exit_code == 0, result.output
    text = (paths["model"] / "README.md").read_text(encoding="utf8")
    assert text.startswith("# zh_mine_sm\n")
    assert "Many." in text
    assert "On `corpus/test.spacy`: 5 documents" in text
    (tmp_path / "packages").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # spaCy leaves files open
        package(paths["model"], tmp_path / "packages", create_sdist=False)
    folder = tmp_path / "packages" / "zh_mine_sm-1.2.3"
    assert (folder / "README.md").read_text(encoding="utf8") == text
    meta = srsly.read_json(folder / "meta.json")
    assert (meta["name"], meta["version"], meta["license"]) == ("mine_sm", "1.2.3", "MIT")
    assert meta["performance"]["ents_f"] == 1


def test_a_name_and_a_version_are_kept(paths):
    assert card(paths, "--name", "mine_sm", "--version", "1.2.3").exit_code == 0
    assert card(paths).exit_code == 0
    meta = spacy.load(paths["model"]).meta
    assert (meta["name"], meta["version"]) == ("mine_sm", "1.2.3")


@pytest.mark.parametrize("missing", ["model", "data", "about"])
def test_what_is_missing_is_named_and_nothing_written(paths, missing, tmp_path):
    meta = (paths["model"] / "meta.json").read_bytes()
    result = card({**paths, missing: tmp_path / "nowhere"})
    assert result.exit_code == 1
    assert str(tmp_path / "nowhere") in result.output
    assert (paths["model"] / "meta.json").read_bytes() == meta
    assert not (paths["model"] / "README.md").exists()
