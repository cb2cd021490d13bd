"""The whole path, from the demo corpus to an installed package that spaCy loads by name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.util import load_config, load_model_from_config

ROOT = Path(__file__).resolve().parents[1]
RUN = ["-m", "spacy", "project", "run", "all", ".", "--vars.max_steps", "2"]


def python(*arguments, cwd, **env):
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "project.yml", folder)
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copytree(ROOT / "assets" / "demo", folder / "assets" / "demo")
    python(*RUN, cwd=folder, SPACY_CONFIG_OVERRIDES="--training.batcher.size 700")
    return folder


@pytest.mark.slow
def test_every_step_leaves_its_outputs(project):
    for path in ("corpus/demo/train.spacy", "training/demo-bilstm/model-best/config.cfg"):
        assert (project / path).exists()
    page = (project / "reports" / "demo-bilstm.html").read_text(encoding="utf8")
    assert "<title>demo-bilstm/model-best on demo/test.spacy</title>" in page
    metrics = srsly.read_json(project / "metrics" / "demo-bilstm-0.json")
    assert metrics["docs"] == 200
    assert set(metrics["ents_support"]) == {"LOCATION", "ORGANIZATION", "PERSON", "TIME"}


@pytest.mark.slow
def test_settings_of_the_environment_reach_the_config(project):
    """`make run GPU=0` passes its larger batches so."""
    config = load_config(project / "training" / "demo-bilstm" / "model-best" / "config.cfg")
    assert config["training"]["batcher"]["size"] == 700


@pytest.mark.slow
def test_nothing_runs_again_without_need(project):
    output = python(*RUN, cwd=project)
    assert output.count("nothing changed") == 5
    assert "Running command" not in output


@pytest.mark.slow
def test_the_package_loads_by_name_and_tags(project, tmp_path):
    (wheel,) = project.glob("packages/zh_crf_ner-0.1.0/dist/zh_crf_ner-0.1.0-*.whl")
    site = tmp_path / "site"
    python("-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel, cwd=tmp_path)
    output = python(
        *("-m", "spacy", "crf", "annotate", "zh_crf_ner", ROOT / "assets/sample.zh.txt"),
        cwd=tmp_path,
        PYTHONPATH=str(site),
    )
    assert len(output.splitlines()) == 12


@pytest.mark.slow
def test_the_package_says_what_it_needs_and_comes_from(project):
    meta = srsly.read_json(project / "packages" / "zh_crf_ner-0.1.0" / "zh_crf_ner" / "meta.json")
    assert any(line.startswith("spacy-crf-ner") for line in meta["requirements"])
    assert meta["labels"]["crf_ner"] == ["LOCATION", "ORGANIZATION", "PERSON", "TIME"]
    names = [source["name"] for source in meta["sources"]]
    assert names == ["jieba (dictionary)", "demo (corpus)"]
    readme = (project / "packages" / "zh_crf_ner-0.1.0" / "README.md").read_text(encoding="utf8")
    assert "demo (corpus)" in readme
    assert "`ENTS_F`" in readme


def test_the_config_has_the_default_network():
    """And beside it what needs more than texts: vectors, a lexicon and a pretrained network."""
    shipped = load_config(ROOT / "configs" / "bilstm.cfg")
    full = load_model_from_config(shipped, auto_fill=True).config.interpolate()
    config = full["components"]["crf_ner"]["model"]
    embeddings = config["tok2vec"]["embed"].pop("*")
    assert set(embeddings) == {"characters", "vectors", "lexicon", "pretrained", "words"}
    config["tok2vec"]["embed"] = embeddings["characters"]
    nlp = spacy.blank("zh")
    nlp.add_pipe("crf_ner")
    default = nlp.config["components"]["crf_ner"]["model"]
    rates = {f"{part}_lr_scale": 1.0 for part in ("tok2vec", "output", "crf")}
    assert config == {**default, "nO": None, **rates}


def test_assets_are_published_with_checksums():
    assets = srsly.read_yaml(ROOT / "project.yml")["assets"]
    corpora = {Path(asset["dest"]).parent.name for asset in assets}
    assert corpora == {"badou", "chisiec", "cluener", "conll2003"}
    for asset in assets:
        assert asset["url"].startswith("https://")
        assert len(asset["checksum"]) == 32


def test_checksums_are_those_of_the_real_corpora(corpora):
    from weasel.util import get_checksum

    for asset in srsly.read_yaml(ROOT / "project.yml")["assets"]:
        path = corpora / Path(asset["dest"]).relative_to("assets")
        assert get_checksum(path) == asset["checksum"], path


OFFLINE = """
import socket, sys

def refuse(*args, **kwargs):
    raise OSError("there is no network")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse

import spacy

nlp = spacy.load("zh_encoded")
text = "王明昨天到北京大学报到。"
doc = nlp(text)
encoded = nlp.get_pipe("transformer").predict([nlp.make_doc(text)])
print(nlp.pipe_names, doc._.trf_data, encoded.model_output.last_hidden_state.shape)
"""


@pytest.mark.slow
def test_a_package_with_a_transformer_needs_neither_network_nor_the_encoder(tmp_path):
    pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")
    from tiny_encoders import make_encoder

    folder = tmp_path / "project"
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "project.yml", folder)
    shutil.copytree(ROOT / "assets" / "demo", folder / "assets" / "demo")
    encoder = make_encoder(tmp_path / "tiny-encoder", longest=512)
    settings = {"config": "transformer", "encoder": encoder, "name": "encoded"}
    python(*RUN, *(f"--vars.{key}={value}" for key, value in settings.items()), cwd=folder)
    shutil.rmtree(encoder)
    (wheel,) = folder.glob("packages/*/dist/*.whl")
    site = tmp_path / "site"
    python("-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel, cwd=tmp_path)
    output = python("-c", OFFLINE, cwd=tmp_path, PYTHONPATH=str(site))
    # The cleaner is there, and has been: nothing of the encoder is left on the document.
    assert output == "['transformer', 'crf_ner', 'doc_cleaner'] None torch.Size([1, 14, 32])\n"
    meta = srsly.read_json(next(site.glob("zh_encoded/meta.json")))
    names = [source["name"] for source in meta["sources"]]
    assert names == ["demo (corpus)", "tiny-encoder (encoder)"]
    assert any(line.startswith("spacy-transformers") for line in meta["requirements"])
