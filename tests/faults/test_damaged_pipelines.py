"""Pipelines that are damaged, or newer than the package: one line that says which file and what to
do."""

import shutil

import pytest
import spacy
import srsly
from typer.testing import CliRunner
from util import make_trained

from spacy_crf_ner.cli import app
from spacy_crf_ner.cli.faults import explain_loading, find_damage

FILES = (
    "config.cfg",
    "meta.json",
    "crf_ner/cfg",
    "crf_ner/model.safetensors",
    "vocab/strings.json",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model-best"
    make_trained().to_disk(folder)
    return folder


@pytest.fixture
def model(saved, tmp_path):
    """A pipeline, to be damaged."""
    return shutil.copytree(saved, tmp_path / "model-best")


def damage(path, how):
    if how == "missing":
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] if how == "truncated" else b"")


def explain(model, **settings):
    """Why a pipeline cannot be loaded."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 (of all kinds)
        spacy.load(model)
    line = explain_loading(str(model), caught.value, **settings)
    assert len(line.splitlines()) == 1
    return line


@pytest.mark.parametrize("how", ["missing", "empty", "truncated"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named(model, name, how):
    assert find_damage(model) is None
    damage(model / name, how)
    line = explain(model)
    assert str(model / name) in line
    assert line.endswith("Copy the pipeline again from where it was made, or train it again.")


def test_other_damaged_files(model):
    """Those that only spaCy reads are told apart by its error."""
    damage(model / "vocab" / "vectors", "truncated")
    assert explain(model).startswith(f"{model}: it cannot be loaded (EOF")


def test_a_damaged_model_best_beside_a_whole_model_last(model):
    shutil.copytree(model, model.with_name("model-last"))
    damage(model / "meta.json", "empty")
    assert f"Use {model.with_name('model-last')}, which" in explain(model)


@pytest.mark.parametrize("name", ["cfg", "model.safetensors"])
@pytest.mark.parametrize("how", ["missing", "empty", "truncated"])
def test_spacy_load_names_the_files_of_the_component(model, name, how):
    path = model / "crf_ner" / name
    damage(path, how)
    expected = "the file is missing" if how == "missing" else "The file is damaged"
    with pytest.raises(ValueError, match=expected) as caught:
        spacy.load(model)
    assert str(caught.value).startswith(f"{path}: ")


def change_config(model, old, new):
    path = model / "config.cfg"
    text = path.read_text(encoding="utf8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf8")


@pytest.mark.parametrize(
    ("old", "new", "unknown"),
    [
        ("CRFTagger.v2", "CRFTagger.v9", "spacy_crf_ner.CRFTagger.v9"),
        ("threshold = 0.0", "threshold = 0.0\nsharpness = 2", "the setting crf_ner.sharpness"),
        (
            "depth = 1",
            "depth = 1\nheight = 2",
            "the setting crf_ner.model.tok2vec.encode.height",
        ),
    ],
)
def test_a_pipeline_of_a_newer_version(model, old, new, unknown):
    change_config(model, old, new)
    line = explain(model)
    assert f"does not have {unknown}. The pipeline was saved by a newer version" in line
    assert "pip install -U spacy-crf-ner" in line


def test_a_setting_that_the_user_got_wrong_is_none_of_a_newer_version(model):
    change_config(model, "threshold = 0.0", "threshold = 0.0\nsharpness = 2")
    with pytest.raises(ValueError, match="sharpness") as caught:
        spacy.load(model)
    assert explain_loading(str(model), caught.value, is_changed=True) == str(caught.value)


def test_a_value_that_is_not_known(model):
    change_config(model, 'decoding = "viterbi"', 'decoding = "magic"')
    assert "cannot be loaded (Config error for 'crf_ner': crf_ner -> decoding" in explain(model)


@pytest.mark.parametrize(
    ("meta", "needed"),
    [
        ({"requirements": ["jieba>=0.1", "spacy-crf-ner>=9.1"]}, "spacy-crf-ner>=9.1"),
        ({"spacy_version": ">=9.1"}, "spacy>=9.1"),
    ],
)
def test_a_package_that_needs_newer_packages(model, meta, needed):
    path = model / "meta.json"
    srsly.write_json(path, {**srsly.read_json(path), **meta})
    # What spaCy raises then, which says nothing of versions.
    line = explain_loading(str(model), ValueError("[E002] Can't find factory"))
    assert line == f"{model}: it needs {needed}: pip install -U '{needed}'."


def test_missing_packages_and_names_are_left_to_spacy(model):
    assert explain_loading(str(model), ImportError("pip install it")) == "pip install it"
    assert explain_loading("zh_none", OSError("[E050] no such model")) == "[E050] no such model"


COMMANDS = {
    "evaluate": ["{model}", "{corpus}"],
    "calibrate": ["{model}", "{corpus}", "{output}"],
    "card": ["{model}", "{corpus}"],
    "annotate": ["{model}", "{texts}"],
    "update": ["{model}", "{corpus}", "{output}"],
    "distill": ["{model}", "{config}", "{output}"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_say_it_in_one_line(command, model, tmp_path):
    damage(model / "crf_ner" / "cfg", "truncated")
    paths = {"model": model, "output": tmp_path / "new", "corpus": tmp_path / "corpus.spacy"}
    paths.update(texts=tmp_path / "texts.txt", config=tmp_path / "config.cfg")
    for path in (paths["corpus"], paths["texts"]):
        path.write_text("王明\n", encoding="utf8")
    shutil.copy(model / "config.cfg", paths["config"])
    arguments = [argument.format(**paths) for argument in COMMANDS[command]]
    result = CliRunner().invoke(app, [command, *arguments])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith(f"{model / 'crf_ner' / 'cfg'}: the file is damaged")
    assert len(result.stderr.splitlines()) == 1
