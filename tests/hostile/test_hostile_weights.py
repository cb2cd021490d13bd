"""Damaged files of a trained component are refused when they are loaded, all or nothing."""

import gc
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
import torch
from hostile_pipelines import make_pipeline
from load_damaged import KINDS, check, load_all
from mutations import FEW, MANY
from safetensors.torch import load, save

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("x") / "pipeline"
    make_pipeline().to_disk(path)
    return path


@pytest.fixture(scope="module")
def loaded(folder):
    return spacy.load(folder).get_pipe("crf_ner")


@pytest.fixture
def pipe(loaded, folder):
    yield loaded
    loaded.from_disk(folder / "crf_ner", exclude=["vocab"])


@pytest.fixture
def tensors(folder):
    return load((folder / "crf_ner" / "model.safetensors").read_bytes())


def load_into(pipe, tensors, **cfg):
    cfg = json.dumps({**pipe.cfg, **cfg})
    pipe.from_bytes(srsly.msgpack_dumps({"cfg": cfg, "model": save(tensors)}), exclude=["vocab"])


def refuse(pipe, tensors, match, **cfg):
    before = pipe.to_bytes(exclude=["vocab"])
    with pytest.raises(ValueError, match=match) as info:
        load_into(pipe, tensors, **cfg)
    assert "get it again" in str(info.value)
    assert pipe.to_bytes(exclude=["vocab"]) == before


def of_bytes(data):
    return torch.from_numpy(np.frombuffer(data, dtype="u1").copy())


def packed(value):
    return of_bytes(srsly.msgpack_dumps(value))


def key_of(tensors, ending):
    # safetensors has no order.
    return min(key for key in tensors if key.endswith(ending))


def with_structure(tensors, change):
    structure = json.loads(tensors["structure"].numpy().tobytes())
    change(structure["nodes"])
    return {**tensors, "structure": of_bytes(json.dumps(structure).encode())}


def test_what_is_whole_is_loaded(pipe, tensors, folder):
    before = pipe.to_bytes(exclude=["vocab"])
    load_into(pipe, tensors)
    assert pipe.to_bytes(exclude=["vocab"]) == before
    check(spacy.load(folder))


# Tensors


def test_a_missing_tensor(pipe, tensors):
    del tensors[key_of(tensors, ".weight_hh_l0")]
    refuse(pipe, tensors, r"'weight_hh_l0' of layer \d+ \(bilstm\): .*shape \(24, 6\), got none")


@pytest.mark.parametrize("name", ["0.x", "x", "999.W", "-1.W", "1_0.W", "٣.W"])
def test_an_extra_tensor(pipe, tensors, name):
    refuse(pipe, {**tensors, name: torch.zeros(2)}, "expected none, got one of this name")


@pytest.mark.parametrize("ending", [".transitions", ".E", ".query", ".G", ".bias_ih_l0_reverse"])
def test_another_shape(pipe, tensors, ending):
    key = key_of(tensors, ending)
    refuse(pipe, {**tensors, key: tensors[key][:-1].clone()}, rf"'{ending[1:]}' of layer")
    refuse(pipe, {**tensors, key: tensors[key].flatten()[:1].clone()}, rf"'{ending[1:]}' of layer")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.int64, torch.bool])
def test_another_type(pipe, tensors, dtype):
    key = key_of(tensors, ".transitions")
    refuse(pipe, {**tensors, key: tensors[key].to(dtype)}, "expected torch.float32, got torch")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite(pipe, tensors, value):
    for key in (key_of(tensors, ".E"), key_of(tensors, ".b"), key_of(tensors, ".end_transitions")):
        tensor = tensors[key].clone()
        tensor.view(-1)[-1] = value
        refuse(pipe, {**tensors, key: tensor}, "expected finite numbers, got NaN or infinity")


def test_huge_numbers_are_finite(pipe, tensors, folder):
    key = key_of(tensors, ".transitions")
    load_into(pipe, {**tensors, key: torch.full_like(tensors[key], 1e30)})
    assert pipe.model.get_ref("crf").get_param("transitions").max() == np.float32(1e30)


# Dimensions and references


@pytest.mark.parametrize("size", [-1, 0, 10**12, 2**31, 1.5, "9", True, [9], 10**30])
@pytest.mark.parametrize("dim", ["nO", "nI"])
def test_dimensions_are_sizes(pipe, tensors, dim, size):
    def change(nodes):
        next(node for node in nodes if node["name"] == "bilstm")["dims"][dim] = size

    refuse(pipe, with_structure(tensors, change), "dimension|mismatched|safetensors payload")


def test_layers_fit_together(folder, tensors):
    """A BiLSTM that is whole, but takes more than it is given."""
    config = spacy.util.load_config(folder / "config.cfg")
    pipe = spacy.util.load_model_from_config(config).get_pipe("crf_ner")
    pipe.cfg["labels"] = ["LOC", "PER"]

    def change(nodes):
        next(node for node in nodes if node["name"] == "bilstm")["dims"]["nI"] += 1

    changed = with_structure(tensors, change)
    for key in [key for key in changed if ".weight_ih_l0" in key]:
        changed[key] = torch.nn.functional.pad(changed[key], (0, 1))
    refuse(pipe, changed, r"bilstm takes: expected 36, which it is given, got 37")


def test_the_structure_is_that_of_the_model(pipe, tensors):
    refuse(pipe, with_structure(tensors, lambda nodes: nodes.pop()), "mismatched structure")
    refuse(pipe, with_structure(tensors, lambda nodes: nodes[0].update(refs={"crf": 1})), "refer")
    refuse(pipe, with_structure(tensors, lambda nodes: nodes[0].update(dims=[])), "a table")


def test_names_of_layers_mean_nothing(pipe, tensors):
    def change(nodes):
        for node in nodes:
            node["name"] = "vectors_embed"

    names = [node.name for node in pipe.model.walk()]
    load_into(pipe, with_structure(tensors, change))
    assert [node.name for node in pipe.model.walk()] == names


# Attributes


@pytest.mark.parametrize(
    ("ending", "value", "match"),
    [
        (".heads", 0, "2, as in the config"),
        (".window", 0, "4, as in the config"),
        (".window_size", 10**9, "1, as in the config"),
        (".features", ["NORM"], "as in the config"),
        (".features", "NORM", "a list"),
        (".column", 99, "as in the config"),
        (".pad", -1, "0, as in the config"),
        (".seed", -1, "a number below"),
        (".seed", 2**32, "a number below"),
        (".precision", "load", "float32 or bfloat16"),
        (".dropout_rate", 2.0, "a rate from 0 to 1"),
        (".feature_dropout", float("nan"), "a rate from 0 to 1"),
        (".lr_scale", float("inf"), "a number of at least 0"),
        (".classes", ["place", "place"], "each once"),
        (".classes", ["place"], r"'W' of layer .* expected \(10, 4\)"),
        (".classes", [1, 2], "must be strings"),
        (".index", {1: 13}, "has the row"),
        (".index", {1: 10**9}, "has the row"),
        (".index", {1: -1}, "has the row"),
        (".index", {"x": 1}, "has the row"),
        (".index", [], "a dict"),
        (".has_vectors", 1, "a bool"),
    ],
)
def test_attributes(pipe, tensors, ending, value, match):
    refuse(pipe, {**tensors, key_of(tensors, f".attrs{ending}"): packed(value)}, match)


def vectors_of(**changes):
    keys, rows = np.array([5, 6], dtype="u8"), np.array([0, 1], dtype="i4")
    whole = {"keys": keys, "rows": rows, "table": np.ones((3, 6), dtype="f2")}
    return packed({**whole, **changes})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"rows": np.array([0, 3], dtype="i4")}, "one of the 3 vectors"),
        ({"rows": np.array([-1, 0], dtype="i4")}, "one of the 3 vectors"),
        ({"rows": np.array([0], dtype="i4")}, "one of the 3 vectors"),
        ({"rows": np.array([0.0, 1.0])}, "rows are no array"),
        ({"rows": [0, 1]}, "rows are no array"),
        ({"keys": "x"}, "keys are no array"),
        ({"table": np.ones((3, 1), dtype="f2")}, "width 1"),
        ({"table": np.ones(3, dtype="f2")}, "table are no array"),
        ({"table": np.full((3, 6), np.nan, dtype="f2")}, "NaN"),
        (
            {
                "table": np.ones((0, 6), dtype="f2"),
                "keys": np.zeros(0, "u8"),
                "rows": np.zeros(0, "i4"),
            },
            "no vector for words",
        ),
    ],
)
def test_vectors(pipe, tensors, changes, match):
    key = key_of(tensors, ".attrs.vectors")
    load_into(pipe, {**tensors, key: vectors_of()})
    refuse(pipe, {**tensors, key: vectors_of(**changes)}, match)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"x", "no table of words"),
        (zlib.compress(b"x"), "no table of words"),
        (zlib.compress(srsly.msgpack_dumps({"place": 1})), "strings"),
        (zlib.compress(srsly.msgpack_dumps({"other": "北京"})), "'other', which has no weights"),
        (zlib.compress(b"\xa1" * 10**7), "times as long"),
        (zlib.compress(srsly.msgpack_dumps({"place": "北京"}))[:-2], "cut off"),
    ],
)
def test_the_lexicon(pipe, tensors, data, match):
    refuse(pipe, {**tensors, key_of(tensors, ".attrs.lexicon"): of_bytes(data)}, match)


def test_functions_are_not_replaced(pipe, tensors):
    for name in ("0.attrs.resize_output", key_of(tensors, ".attrs.index")[:-5] + "check_loaded"):
        refuse(pipe, {**tensors, name: packed("print")}, "expected a function")


def test_the_garbage_collector_stays_on(pipe, tensors):
    gc.enable()
    refuse(pipe, {**tensors, key_of(tensors, ".attrs.index"): of_bytes(b"\xc1")}, "index")
    assert gc.isenabled()
    with pytest.raises(ValueError, match="get it again"):
        pipe.from_bytes(b"\xc1")
    assert gc.isenabled()


# Settings


@pytest.mark.parametrize(
    "cfg",
    [
        {"labels": ["LOC"]},
        {"labels": ["LOC", "PER", "ORG"]},
        {"labels": ["LOC", "LOC"]},
        {"labels": ["LOC", ""]},
        {"labels": ["LOC", 1]},
        {"labels": ["LOC", "\ud800"]},
        {"labels": "LP"},
        {"labels": None},
        {"labels": {"LOC": 0, "PER": 1}},
        {"tag_scheme": "BIO"},
        {"tag_scheme": "IO"},
        {"tag_scheme": []},
        {"temperature": 0},
        {"temperature": -1.0},
        {"temperature": 10**400},
        {"temperature": "1"},
        {"temperature": True},
        {"temperature": None},
    ],
)
def test_settings(pipe, tensors, cfg):
    refuse(pipe, tensors, "in cfg|The file cfg", **cfg)


def test_files_are_named_and_nothing_is_half_loaded(folder, pipe, tmp_path):
    before = pipe.to_bytes(exclude=["vocab"])
    pipe.to_disk(tmp_path, exclude=["vocab"])
    for name, content in (("cfg", "[]"), ("cfg", '{"labels": ["A"]}'), ("cfg", "{"), ("cfg", "")):
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match="cfg"):
            pipe.from_disk(tmp_path, exclude=["vocab"])
        assert pipe.to_bytes(exclude=["vocab"]) == before


@pytest.mark.parametrize(
    "message",
    [b"", b"x", {}, [], {"cfg": "{}"}, {"cfg": 1, "model": b""}, {"cfg": "[]", "model": b""}],
)
def test_payloads_of_something_else(pipe, message):
    data = message if isinstance(message, bytes) else srsly.msgpack_dumps(message)
    before = pipe.to_bytes(exclude=["vocab"])
    with pytest.raises(ValueError, match="get it again"):
        pipe.from_bytes(data, exclude=["vocab"])
    assert pipe.to_bytes(exclude=["vocab"]) == before


# Fuzzing


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_refused_or_harmless(folder, kind):
    outcomes = load_all(spacy.load(folder), kind, range(FEW // 2))
    assert set(outcomes) <= {"refused", "loaded"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_much_damage_is_refused_or_harmless(folder, kind):
    """In a process of its own, so that a crash is seen."""
    command = [sys.executable, str(HERE / "load_damaged.py"), str(folder), kind]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE.parent}"}
    run = subprocess.run([*command, str(MANY)], capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr[-3000:]
    outcomes = json.loads(run.stdout)
    assert sum(outcomes.values()) == MANY
    assert set(outcomes) == {"refused", "loaded"}
