"""spaCy's own commands, on the shipped configs and on trained pipelines."""

from pathlib import Path

import pytest
import spacy
import srsly
from conformance_pipelines import (
    CRF_KINDS,
    GOLD,
    TEXTS,
    TRAIN,
    first_is_quick,
    found,
    is_trained,
    kinds,
)
from spacy.cli._util import app
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_config
from typer.testing import CliRunner
from util import make_examples

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.cfg"))
ENGLISH = [
    ("Ann Lee lives in New York .", [(0, 7, "PER"), (17, 25, "LOC")]),
    ("It rains .", []),
]

# They train, build and start processes.
pytestmark = pytest.mark.slow
# Two commands open files that they never close.
spacy_leaves_files_open = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


def run(*arguments) -> str:
    result = CliRunner().invoke(app, [str(x) for x in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Some commands write where they run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save_corpus(path, lang, train, times=20):
    # With fewer than 100 documents `debug data` calls it an error.
    examples = make_examples(spacy.blank(lang), train * times)
    DocBin(docs=[eg.reference for eg in examples]).to_disk(path)
    return path


# On the shipped configs


@pytest.fixture(scope="module", params=first_is_quick(CONFIGS), ids=lambda path: path.stem)
def shipped(request):
    if request.param.stem.startswith("transformer"):
        pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")
    return request.param


@pytest.fixture(scope="module")
def overrides(shipped, tmp_path_factory, request):
    """What the user of a shipped config would set, and a few words instead of jieba's."""
    folder = tmp_path_factory.mktemp("overrides")
    words = shipped.stem == "bilstm_words"
    corpus = folder / "train.spacy"
    save_corpus(corpus, "en", ENGLISH, 50) if words else save_corpus(corpus, "zh", TRAIN)
    settings = {"paths.train": corpus, "paths.dev": corpus}
    config = load_config(shipped)
    if config["initialize"].get("before_init"):
        (folder / "places.txt").write_text("北京\n上海\n", encoding="utf8")
        settings["initialize.before_init.jieba"] = "false"
        settings["initialize.before_init.gazetteers"] = f'["{folder / "places.txt"}"]'
    if "transformer" in config["components"]:
        settings["paths.encoder"] = request.getfixturevalue("encoder")
        settings["components.transformer.model.window"] = 24
        settings["components.transformer.model.stride"] = 8
    return [x for key, value in settings.items() for x in (f"--{key}", value)]


@pytest.fixture(scope="module")
def filled(shipped, tmp_path_factory):
    """The same config as `init fill-config` completes it."""
    path = tmp_path_factory.mktemp("filled") / "filled.cfg"
    run("init", "fill-config", shipped, path)
    return path


def changes(before, after, path="config"):
    """The settings that are gone or other than before. There may be more of them."""
    if not isinstance(before, dict):
        return [] if before == after else [f"{path} = {after}"]
    return [
        change
        for key, value in before.items()
        for change in changes(value, after.get(key, "gone"), f"{path}.{key}")
    ]


def test_fill_config_changes_no_setting(shipped, filled):
    assert changes(load_config(shipped), load_config(filled)) == []


# spaCy's commands for debugging fill in no defaults themselves.


def test_debug_config(filled, overrides):
    output = run("debug", "config", filled, *overrides, "--show-functions")
    assert "Config is valid" in output
    assert "spacy_crf_ner.CRFTagger.v2" in output


def test_debug_data(filled, overrides):
    output = run("debug", "data", filled, *overrides, "--verbose")
    assert "Pipeline can be initialized with data" in output
    assert "Corpus is loadable" in output
    assert "100 evaluation docs" in output


def test_debug_model(filled, overrides):
    output = run("debug", "model", filled, "crf_ner", *overrides, "-P0", "-P1", "-P2", "-P3")
    assert "STEP 3 - prediction" in output
    assert "model looks good" in output


def test_debug_diff_config(shipped, filled):
    output = run("debug", "diff-config", shipped)
    assert "spacy_crf_ner.CRFTagger.v2" in output
    assert "spacy.TransitionBasedParser" not in output
    output = run("debug", "diff-config", filled, "--compare-to", shipped, "--markdown")
    assert "+ init_tok2vec = null" in output


def test_init_labels(shipped, overrides, folder):
    run("init", "labels", shipped, folder / "labels", *overrides)
    assert srsly.read_json(folder / "labels" / "crf_ner.json") == ["LOC", "PER"]


def test_a_pipeline_of_a_shipped_config_is_trained_on(shipped, overrides, folder):
    """By `nlp.update` alone, which steps on no schedule: the learning rate begins above 0."""
    run("init", "nlp", shipped, folder / "pipeline", *overrides)
    nlp = spacy.load(folder / "pipeline")
    optimizer = nlp.resume_training()
    output_layer = nlp.get_pipe("crf_ner").model.get_ref("output_layer")
    before = output_layer.get_param("W").copy()
    nlp.update(make_examples(nlp, ENGLISH if nlp.lang == "en" else TRAIN), sgd=optimizer)
    assert (output_layer.get_param("W") != before).any()


# On trained pipelines


@pytest.fixture
def config(nlp, corpus, folder):
    """The pipeline's config on disk, with the corpus."""
    config = nlp.config.copy()
    config["paths"].update(train=str(corpus), dev=str(corpus))
    config.to_disk(folder / "config.cfg")
    return folder / "config.cfg"


@pytest.fixture
def texts(folder):
    """The texts as JSON lines."""
    srsly.write_jsonl(folder / "texts.jsonl", [{"text": text} for text in TEXTS])
    return folder / "texts.jsonl"


def test_debug_config_of_a_pipeline(config):
    assert "Config is valid" in run("debug", "config", config)


def test_debug_data_of_a_pipeline(config, folder):
    """A divider of its own has only spaCy's `ner`; for others there is `spacy crf summarize`."""
    corpus = save_corpus(folder / "large.spacy", "zh", TRAIN)
    output = run("debug", "data", config, "--paths.train", corpus, "--paths.dev", corpus)
    assert "Pipeline can be initialized with data" in output
    assert "100 training docs" in output


def test_debug_model_of_a_pipeline(config, name):
    output = run("debug", "model", config, name, "-P0", "-P1", "-P2", "-P3", "-DIM", "-PAR")
    assert "STEP 3 - prediction" in output
    assert "model looks good" in output


@spacy_leaves_files_open
def test_debug_profile(path, texts):
    output = run("debug", "profile", path, texts, "--n-texts", "3")
    assert "Profile stats" in output
    assert "predict" in output


def test_debug_diff_config_of_a_pipeline(config, name):
    assert f"[components.{name}" in run("debug", "diff-config", config)


def test_init_labels_of_a_pipeline(config, name, nlp, folder):
    """They initialize another pipeline, which then has the same."""
    run("init", "labels", config, folder / "labels")
    file = folder / "labels" / f"{name}.json"
    reader = {"@readers": "spacy.read_labels.v1", "path": str(file), "require": True}
    other = init_nlp(load_config(config, {f"initialize.components.{name}": {"labels": reader}}))
    assert other.get_pipe(name).labels == nlp.get_pipe(name).labels


@pytest.mark.parametrize("command", [["evaluate"], ["benchmark", "accuracy"]])
def test_evaluate(command, path, corpus, folder):
    output = run(*command, path, corpus, "--output", folder / "scores.json")
    assert "NER F" in output
    scores = srsly.read_json(folder / "scores.json")
    assert scores["ents_p"] == scores["ents_r"] == scores["ents_f"] == 1.0
    assert set(scores["ents_per_type"]) == {"LOC", "PER"}


def test_evaluate_per_component(path, corpus, name, folder):
    run("evaluate", path, corpus, "--output", folder / "scores.json", "--per-component")
    assert srsly.read_json(folder / "scores.json")[name]["ents_f"] == 1.0


# What spaCy says of the sentence without entities.
@pytest.mark.filterwarnings("ignore:.*W006:UserWarning")
def test_evaluate_with_pictures(path, corpus, kind, folder):
    """As it is: spaCy draws entities only if a component's factory is called `ner`."""
    (folder / "pictures").mkdir()
    run("evaluate", path, corpus, "--displacy-path", folder / "pictures")
    assert (folder / "pictures" / "entities.html").exists() == (kind == "ner")


def test_benchmark_speed(path, corpus):
    output = run("benchmark", "speed", path, corpus, "--batches", 30, "-b", 2, "--warmup", 0)
    assert "words/s (95% CI" in output


def test_assemble(path, config, nlp, folder):
    settings = [x for pipe in nlp.pipe_names for x in (f"--components.{pipe}.source", path)]
    assembled = load_config(config)
    for pipe in nlp.pipe_names:
        assembled["components"][pipe] = {"source": ""}
    assembled.to_disk(folder / "assemble.cfg")
    run("assemble", folder / "assemble.cfg", folder / "assembled", *settings)
    assert is_trained(spacy.load(folder / "assembled"))


@pytest.mark.parametrize("n_process", [1, 2])
def test_apply(path, texts, folder, n_process):
    run("apply", path, texts, folder / "found.spacy", "--n-process", n_process)
    docs = DocBin().from_disk(folder / "found.spacy").get_docs(spacy.blank("zh").vocab)
    assert found(docs) == GOLD


@spacy_leaves_files_open
def test_package(path, kind, name, folder):
    run("package", path, folder, "--build", "none", "--name", kind, "--version", "1.2.3")
    project = folder / f"zh_{kind}-1.2.3"
    meta = srsly.read_json(project / "meta.json")
    assert sorted(meta["labels"][name]) == ["LOC", "PER"]
    assert any(x.startswith("spacy-crf-ner") for x in meta["requirements"]) == (kind != "ner")
    assert f"`{name}`" in (project / "README.md").read_text(encoding="utf8")
    assert is_trained(spacy.load(project / f"zh_{kind}" / project.name))


def test_info(path, name):
    assert name in run("info", path)
    assert name in run("info", path, "--markdown")


# `ner` has no threshold.
@kinds(*CRF_KINDS)
@pytest.mark.parametrize("decoding", ["viterbi", "entities"])
def test_find_threshold(decoding, path, corpus, folder):
    """From 0 on, which leaves nothing out, to 1, which leaves nothing."""
    settings = {"decoding": decoding, "threshold": 0.45}
    spacy.load(path, config={"components": {"crf_ner": settings}}).to_disk(folder / "pipeline")
    arguments = (corpus, "crf_ner", "threshold", "ents_f", "--n_trials", 3)
    output = run("find-threshold", folder / "pipeline", *arguments)
    rows = [line.split() for line in output.splitlines() if line[:2] in ("0.", "1.")]
    assert rows == [["0.0", "1.0"], ["0.5", "1.0"], ["1.0", "0.0"]]
    assert "with ents_f value of 1.0" in output


# An encoder is pretrained already, and the `tok2vec` of `ner` alone ends in a layer that spaCy's
# objectives cannot take: there it must be a component.
@kinds("bilstm", "cnn", "tok2vec")
def test_pretrain(config, kind, texts, folder):
    component, layer = ("tok2vec", "") if kind == "tok2vec" else ("crf_ner", "tok2vec")
    run("init", "fill-config", config, folder / "pretrain.cfg", "--pretraining")
    pretraining = load_config(folder / "pretrain.cfg")
    pretraining["paths"]["raw_text"] = str(texts)
    pretraining["pretraining"].update(component=component, layer=layer, max_epochs=2)
    pretraining["pretraining"]["objective"].update(n_characters=2, hidden_size=8)
    pretraining.to_disk(folder / "pretrain.cfg")
    run("pretrain", folder / "pretrain.cfg", folder / "weights")
    losses = [line["epoch_loss"] for line in srsly.read_jsonl(folder / "weights" / "log.jsonl")]
    assert losses[0] > losses[1] > 0
    # Training begins with these weights.
    weights = folder / "weights" / "model-last.bin"
    settings = {"paths.init_tok2vec": str(weights), "initialize.init_tok2vec": str(weights)}
    nlp = init_nlp(load_config(folder / "pretrain.cfg", settings))
    model = nlp.get_pipe(component).model
    assert (model.get_ref(layer) if layer else model).to_bytes() == weights.read_bytes()
