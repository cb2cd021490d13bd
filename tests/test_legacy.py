"""Packages that each released version wrote still load, and find what they found."""

from importlib.metadata import version

import pytest
import spacy
import write_fixture
from packaging.requirements import Requirement
from packaging.version import Version
from released import (
    FIXTURES,
    FOLDERS,
    allow_old,
    assert_finds,
    each_version,
    expected_in,
    package_in,
)
from spacy.util import get_model_meta, get_package_path, registry
from thinc.api import Config


def load(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    return spacy.load(package_in(folder))


def test_there_is_a_package_of_the_first_version_and_of_this():
    major, minor = Version(version("spacy-crf-ner")).release[:2]
    assert {"pipeline-0.1", f"pipeline-{major}.{minor}"} <= {folder.name for folder in FOLDERS}


@allow_old
@each_version
def test_a_package_finds_what_it_found(folder, monkeypatch):
    expected = expected_in(folder)
    assert sum(map(len, expected.values())) > 4
    assert_finds(load(folder, monkeypatch), expected)


@allow_old
@each_version
def test_it_can_be_trained_on_and_saved(folder, monkeypatch, tmp_path):
    nlp, expected = load(folder, monkeypatch), expected_in(folder)
    doc = nlp(next(iter(expected)))
    example = spacy.training.Example(nlp.make_doc(doc.text), doc)
    losses = nlp.update([example], sgd=nlp.resume_training())
    assert losses["crf_ner"] > 0
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    for ours, theirs in zip(again.pipe(expected), nlp.pipe(expected)):
        assert ours.to_json() == theirs.to_json()


@allow_old
@each_version
def test_it_requires_the_minor_version_that_wrote_it(folder, monkeypatch):
    """`spacy package` adds this, so pip takes a newer one for incompatible, although it is not."""
    monkeypatch.syspath_prepend(folder)
    meta = get_model_meta(get_package_path(package_in(folder)))
    (specifier,) = (r.specifier for r in map(Requirement, meta["requirements"]) if "crf" in r.name)
    major, minor = map(int, folder.name.removeprefix("pipeline-").split("."))
    assert specifier.contains(f"{major}.{minor}.9")
    assert not specifier.contains(f"{major}.{minor + 1}.0")


@pytest.mark.slow
def test_the_script_writes_such_a_folder(tmp_path):
    write_fixture.main(tmp_path)
    name = package_in(tmp_path)
    (pipeline,) = (tmp_path / name).glob(f"{name}-*")
    assert_finds(spacy.load(pipeline), expected_in(tmp_path))
    assert any(tmp_path.glob(f"{name}-*.dist-info/METADATA"))


@pytest.fixture
def first(monkeypatch):
    """The pipeline of version 0.1."""
    with pytest.warns(DeprecationWarning, match="spacy_crf_ner") as warnings:
        nlp = load(FIXTURES / "pipeline-0.1", monkeypatch)
    texts = [str(warning.message) for warning in warnings]
    assert any("FeatureEmbed.v1" in text for text in texts)
    assert any("ignored cross_entropy" in text for text in texts)
    return nlp


@allow_old
def test_settings_of_0_1_are_those_of_today(first):
    pipe = first.get_pipe("crf_ner")
    assert pipe.adversarial_epsilon == 0.1
    assert pipe.model.get_ref("crf").attrs["lr_scale"] == 2.0
    assert pipe.spans_key == "crf_ner"


def test_extras_that_are_all_known_raise_no_warning(recwarn):
    config = Config().from_str('[extras]\n@losses = "spacy_crf_ner.extras.v1"\nperturbation = 0.5')
    assert registry.resolve(config) == {"extras": 0.5}
    assert not recwarn.list


def test_the_fixture_has_the_names_of_0_1():
    (path,) = (FIXTURES / "pipeline-0.1").rglob("config.cfg")
    config = path.read_text(encoding="utf8")
    for name in ("CharacterEmbed.v1", "CRFTagger.v1", "tok2vec_learn_rate", "crf_ner.extras]"):
        assert name in config
    assert "regularization" not in config
