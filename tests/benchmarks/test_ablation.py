"""Variants of configs, and what is kept of trainings with them."""

import json
from pathlib import Path

import pytest
import srsly
from spacy.util import load_config, load_model_from_config
from thinc.api import Config

from benchmarks import ablation
from benchmarks.ablation import (
    ALL,
    Variant,
    ablation_configs,
    ablation_rows,
    apply_variant,
    plot_ablation,
    read_variants,
    run_ablation,
)

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CONFIG = """
[paths]
train = null

[system]
seed = 0

[model]
width = 8

[model.embed]
rows = [1,2]

[model.embed.*]

[model.embed.*.lexicon]
path = ${paths.train}
"""


def change(remove=(), **values):
    config = Config().from_str(CONFIG, interpolate=False)
    values = {path.replace("__", "."): value for path, value in values.items()}
    return apply_variant(config, Variant(Path("v.json"), "some", list(remove), values))


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf8")
    return path


@pytest.fixture
def corpus(tmp_path):
    for name in ("train", "dev"):
        (tmp_path / f"{name}.spacy").touch()
    return tmp_path


@pytest.fixture
def trained(monkeypatch):
    """The folders that were trained in, each with a score of its own."""
    folders = []

    def train(config, folder):
        assert config == folder / "config.cfg"
        seed = load_config(config)["system"]["seed"]
        scores = {"ents_f": seed / 10, "ents_macro_f": None, "loss": 7.0}
        (folder / "model-best").mkdir(parents=True, exist_ok=True)
        srsly.write_json(folder / "model-best" / "meta.json", {"performance": scores})
        folders.append("/".join(folder.parts[-2:]))

    monkeypatch.setattr(ablation, "train", train)
    return folders


def run(config, output, *, seeds=2, name="No X!"):
    reports = []
    configs = {ALL: Config().from_str(CONFIG, interpolate=False), name: config}
    return run_ablation(configs, output, seeds, reports.append), reports


def test_remove():
    config = change(["model.embed.*.lexicon", "model.width"])
    assert config["model"] == {"embed": {"rows": [1, 2], "*": {}}}


def test_set():
    config = change(model__width=None, model__new__a=1, paths__dev="x", new__b=[2])
    assert config["model"]["width"] is None
    assert config["model"]["new"] == {"a": 1}
    assert config["paths"] == {"train": None, "dev": "x"}
    assert config["new"] == {"b": [2]}


def test_a_section_is_replaced_whole():
    section = {"width": 3}
    config = change(model__embed=section, model__embed__rows=[5])
    assert config["model"]["embed"] == {"width": 3, "rows": [5]}
    assert section == {"width": 3}


def test_remove_comes_first():
    assert change(["model"], model__a=1)["model"] == {"a": 1}


def test_variables_and_the_config_itself_stay():
    config = Config().from_str(CONFIG, interpolate=False)
    variant = Variant(Path("v.json"), "some", ["model.width"], {"paths.train": "x"})
    changed = apply_variant(config, variant)
    assert changed["model"]["embed"]["*"]["lexicon"]["path"] == "${paths.train}"
    assert changed.interpolate()["model"]["embed"]["*"]["lexicon"]["path"] == "x"
    assert config == Config().from_str(CONFIG, interpolate=False)


@pytest.mark.parametrize("path", ["model.depth", "no.width", "model.width.a", "model.embed.rows.0"])
def test_nothing_to_remove(path):
    with pytest.raises(ValueError, match=rf'v\.json: variant "some": .*"{path}" to remove'):
        change([path])


@pytest.mark.parametrize("path", ["model.width.a", "paths.train.a.b"])
def test_set_within_no_section(path):
    with pytest.raises(ValueError, match=rf'v\.json: variant "some": "{path}" would be'):
        change(**{path: 1})


def test_read_variants(tmp_path):
    content = {"a": {"remove": ["x.y"]}, "b": {"set": {"x": {"y": 1}}}, "没有": {}}
    path = write(tmp_path / "v.json", content)
    assert read_variants(path) == [
        Variant(path, "a", ["x.y"], {}),
        Variant(path, "b", [], {"x": {"y": 1}}),
        Variant(path, "没有", [], {}),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "expected variants by name"),
        ({}, "expected variants by name"),
        ({"a": ["x"]}, 'variant "a": expected'),
        ({"a": {"add": {}}}, 'variant "a": unknown "add"'),
        ({"a": {"remove": "x"}}, 'variant "a": "remove" must be'),
        ({"a": {"set": ["x"]}}, 'variant "a": "set" must'),
        ({"no x": {}, "No X!": {}}, 'variant "No X!": .* that of "no x"'),
        ({"All": {}}, 'variant "All": .* that of "all"'),
        ({"?": {}}, r'variant "\?": .* empty'),
    ],
)
def test_what_is_no_variant(tmp_path, content, problem):
    with pytest.raises(ValueError, match=rf"v\.json: {problem}"):
        read_variants(write(tmp_path / "v.json", content))


def test_what_is_no_json(tmp_path):
    (tmp_path / "v.json").write_text('{"a":\n{]}', encoding="utf8")
    with pytest.raises(ValueError, match=r"v\.json, line 2: this is no JSON"):
        read_variants(tmp_path / "v.json")


def test_finished_trainings_are_kept(tmp_path, trained):
    results, reports = run(change(["model.width"]), tmp_path)
    assert trained == ["all/0", "no-x/0", "all/1", "no-x/1"]
    assert reports[3] == "4 of 4: No X!, seed 1"
    for of_name in results.values():
        assert [each["ents_f"] for each in of_name] == [0.0, 0.1]
        assert [each["ents_macro_f"] for each in of_name] == [0.0, 0.0]
        assert all(0 <= each["cpu_minutes"] < 1 for each in of_name)
    again, reports = run(change(["model.width"]), tmp_path)
    assert again == results
    assert reports[3] == "4 of 4: No X!, seed 1 (finished earlier)"
    assert len(trained) == 4


def test_what_is_not_finished_or_has_another_config_is_trained(tmp_path, trained):
    run(change(model__width=1), tmp_path)
    del trained[:]
    (tmp_path / "all" / "1" / "scores.json").unlink()
    run(change(model__width=2), tmp_path, seeds=3)
    assert trained == ["no-x/0", "all/1", "no-x/1", "all/2", "no-x/2"]


def test_a_new_config_is_not_credited_with_old_scores(tmp_path, trained, monkeypatch):
    run(change(model__width=1), tmp_path, seeds=1)

    def interrupted(config, folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ablation, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(change(model__width=2), tmp_path, seeds=1)
    del trained[:]
    run(change(model__width=2), tmp_path, seeds=1)
    assert trained == ["no-x/0"]


def scores(*pairs, minutes=1.0):
    return [{"ents_f": f, "ents_macro_f": macro, "cpu_minutes": minutes} for f, macro in pairs]


def test_means_and_standard_deviations():
    results = {
        ALL: scores((0.70, 0.5), (0.72, 0.5), (0.74, 0.5)),
        "less": scores((0.68, 0.1), (0.73, 0.2), (0.72, 0.6), minutes=0.75),
        "more": scores((0.71, 0.5), (0.73, 0.5), (0.75, 0.5)),
    }
    # less: f deviates by -3, 2, 1 and so sqrt(14 / 2); its differences are -2, 1, -2.
    assert ablation_rows(results) == [
        (ALL, "72.00 ± 2.00", "50.00 ± 0.00", "", "1.0"),
        ("less", "71.00 ± 2.65", "30.00 ± 26.46", "-1.00 ± 1.73", "0.8"),
        ("more", "73.00 ± 2.00", "50.00 ± 0.00", "+1.00 ± 0.00", "1.0"),
    ]


def test_a_single_seed_has_no_standard_deviation(tmp_path):
    results = {ALL: scores((0.7, 0.5)), "less": scores((0.68, 0.4))}
    assert ablation_rows(results) == [
        (ALL, "70.00", "50.00", "", "1.0"),
        ("less", "68.00", "40.00", "-2.00", "1.0"),
    ]
    plot_ablation(results, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_options_come_before_variants(corpus):
    values = {"initialize.vectors": None, "training.dropout": 0.1}
    variants = [Variant(Path("v.json"), "no vectors", [], values)]
    overrides = {"training.max_steps": 100, "paths.vectors": "vectors"}
    configs = ablation_configs(CONFIGS / "bilstm.cfg", corpus, variants, overrides)
    base, variant = configs[ALL], configs["no vectors"]
    for name in ("train", "dev"):
        assert base["paths"][name] == str(corpus / f"{name}.spacy")
    assert base["training"]["max_steps"] == base["training"]["eval_frequency"] == 100
    filled = load_model_from_config(base, auto_fill=True).config.interpolate()
    assert filled["initialize"]["vectors"] == "vectors"
    assert variant["initialize"]["vectors"] is None
    assert base.interpolate()["training"]["optimizer"]["learn_rate"]["total_steps"] == 100


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"training.dropout": "${no.where}"}, "the config cannot"),
        ({"training.dropout": "high"}, "the config cannot"),
        ({"training.optimizer.@optimizers": "Madam.v1"}, "the config cannot"),
        ({"components.crf_ner.model.tok2vec.encode.depht": 1}, "the config cannot"),
        ({"initialize.before_init": {"@callbacks": "nothing.v1"}}, "the config cannot"),
        ({"training.dropuot": 0.1, "training.L2": 0.1}, 'there is no setting "training.dropuot"'),
        ({"components.crf.overwrite_ents": True}, 'there is no setting "components.crf.over'),
        ({"trainin.dropout": 0.1}, "it changes nothing"),
        ({"training.dropout": 0.3}, "it changes nothing"),
        ({"components.crf_ner": {"factory": "ner"}}, '"ents_macro_f" would not be scored'),
    ],
)
def test_what_cannot_be_compared(corpus, values, problem):
    variants = [Variant(Path("v.json"), "some", [], values)]
    with pytest.raises(ValueError, match=rf'v\.json: variant "some": {problem}'):
        ablation_configs(CONFIGS / "bilstm.cfg", corpus, variants, {})


def test_another_recognizer_can_be_compared(corpus):
    ner = {"factory": "ner", "scorer": {"@scorers": "spacy_crf_ner.ner_scorer.v1"}}
    values = {"components.crf_ner": ner, "training.score_weights.ents_macro_f": None}
    variants = [Variant(Path("v.json"), "ner", [], values)]
    configs = ablation_configs(CONFIGS / "bilstm.cfg", corpus, variants, {})
    assert configs["ner"]["components"] == {"crf_ner": ner}


@pytest.mark.parametrize(
    ("file", "config"),
    [("ablation.json", "bilstm_attention.cfg"), ("ablation_bilstm.json", "bilstm.cfg")],
)
def test_the_variants_of_the_project(corpus, file, config):
    variants = read_variants(CONFIGS / file)
    # Otherwise, a variant without vectors would change nothing.
    paths = {"paths.vectors": "vectors", "paths.words": "words.vec"}
    overrides = paths if config == "bilstm.cfg" else {}
    configs = ablation_configs(CONFIGS / config, corpus, variants, overrides)
    texts = {config.to_str() for config in configs.values()}
    assert len(texts) == len(configs) == 1 + len(variants)
