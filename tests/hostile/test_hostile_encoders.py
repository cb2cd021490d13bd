"""Damaged and hostile payloads of an encoder, and code that comes with one."""

import json
import pickle
from random import Random

import pytest
import spacy
import srsly

pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")

import torch
from mutations import SEEDS, damage_bytes, damage_tensors, damage_tree
from safetensors.torch import load, save
from tiny_encoders import add_transformer, make_encoder

CODE = """
from pathlib import Path
Path({mark!r}).write_text("code was run")
from transformers import BertConfig, BertModel
class MyConfig(BertConfig): model_type = "my-bert"
class MyModel(BertModel): config_class = MyConfig
"""
AUTO_MAP = {"AutoConfig": "my_code.MyConfig", "AutoModel": "my_code.MyModel"}


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    name = make_encoder(tmp_path_factory.mktemp("x") / "bert")
    return add_transformer(spacy.blank("zh"), name)


@pytest.fixture
def shim(pipe):
    return pipe.model.layers[0].shims[0]


@pytest.fixture
def files(shim):
    return srsly.msgpack_loads(shim.to_bytes())["files"]


def refuse(shim, files, match):
    before = shim.to_bytes()
    with pytest.raises(ValueError, match=match) as info:
        shim.from_bytes(srsly.msgpack_dumps({"files": files, "use_fast": True}))
    assert "get it again" in str(info.value)
    assert shim.to_bytes() == before


def with_config(files, **changes):
    config = {**json.loads(files["config.json"]), **changes}
    return {**files, "config.json": json.dumps(config).encode()}


def with_weights(files, change):
    tensors = load(files["model.safetensors"])
    change(tensors)
    return {**files, "model.safetensors": save(tensors, metadata={"format": "pt"})}


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (self.mark, "w"))


@pytest.mark.parametrize(
    "name",
    [
        *("../../x.json", "/x.json", "..", "a/b.json", "a\\b.json", "", "x", 1),
        *("pytorch_model.bin", "my_code.py", "x.so", "x.pkl", "adapter_config.json"),
    ],
)
def test_other_files_are_not_written(shim, files, name):
    refuse(shim, {**files, name: b"{}"}, "refused the file|none of this layer")


def test_a_pickle_does_not_run(shim, files, tmp_path):
    mark = tmp_path / "mark"
    evil = pickle.dumps(Evil(str(mark)))
    refuse(shim, {**files, "pytorch_model.bin": evil}, "refused the file")
    refuse(shim, {**files, "model.safetensors": evil}, "cannot be read")
    refuse(shim, {**files, "tokenizer.json": evil}, "cannot be read")
    with pytest.raises(ValueError, match="none of this layer"):
        shim.from_bytes(evil)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, but"),
        ({"num_hidden_layers": 1}, "unexpected weights"),
        ({"num_hidden_layers": 3}, "missing weights"),
        ({"vocab_size": 10**12}, "cannot be read"),
        ({"hidden_size": 16}, "size mismatch"),
        ({"num_attention_heads": 0}, "cannot be read"),
        ({"model_type": "gpt2"}, "missing weights"),
        ({"model_type": "my-bert", "auto_map": AUTO_MAP}, "cannot be read"),
        ({"attn_implementation": "a/b:c"}, "code from elsewhere"),
    ],
)
def test_settings_that_do_not_fit_the_weights(shim, files, changes, match):
    refuse(shim, with_config(files, **changes), match)


def test_weights(shim, files):
    key = "encoder.layer.0.output.dense.weight"
    refuse(shim, with_weights(files, lambda t: t.pop(key)), f"missing weights: {key}")
    refuse(shim, with_weights(files, lambda t: t.update(x=torch.zeros(2))), "unexpected weights: x")
    refuse(
        shim, with_weights(files, lambda t: t.update({key: t[key][:1].clone()})), "size mismatch"
    )
    refuse(shim, with_weights(files, lambda t: t[key].fill_(torch.nan)), f"{key} has NaN")
    refuse(shim, {**files, "model.safetensors": files["model.safetensors"][:-1]}, "cannot be read")


@pytest.fixture
def with_code(tmp_path):
    """An encoder whose classes are in a file beside it, and the file that this one makes."""
    name = make_encoder(tmp_path / "coded")
    mark = tmp_path / "mark"
    (tmp_path / "coded" / "my_code.py").write_text(CODE.format(mark=str(mark)))
    path = tmp_path / "coded" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "model_type": "my-bert", "auto_map": AUTO_MAP}))
    return name, mark


def test_code_runs_only_if_the_config_asks_for_it(with_code, files, monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    name, mark = with_code
    with pytest.raises(ValueError, match="trust_remote_code"):
        add_transformer(spacy.blank("zh"), name)
    assert not mark.exists()
    trust = {"trust_remote_code": True}
    settings = {"tokenizer_config": trust, "transformer_config": trust}
    pipe = add_transformer(spacy.blank("zh"), name, **settings)
    assert mark.exists()
    # Not when a pipeline is loaded, whatever its config says.
    mark.unlink()
    shim = pipe.model.layers[0].shims[0]
    with pytest.raises(ValueError, match=r"refused the file 'my_code\.py'"):
        shim.to_bytes()
    coded = with_config(files, model_type="my-bert", auto_map=AUTO_MAP)
    for more in ({}, {"my_code.py": CODE.format(mark=str(mark)).encode()}):
        with pytest.raises(ValueError, match="get it again"):
            shim.from_bytes(srsly.msgpack_dumps({"files": {**coded, **more}, "use_fast": True}))
    assert not mark.exists()


def damage(random, files):
    name = random.choice(list(files))
    data = files[name]
    kind = random.randrange(3)
    if name.endswith(".json") and kind:
        data = json.dumps(damage_tree(random, json.loads(data)), default=str).encode()
    elif name.endswith(".safetensors") and kind:
        data = save(damage_tensors(random, load(data)), metadata={"format": "pt"})
    else:
        data = damage_bytes(random, data)
    return {**files, name: data}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seeds", SEEDS)
def test_damaged_encoders_are_refused_or_loaded(pipe, shim, files, seeds):
    refused = 0
    for seed in seeds:
        damaged = damage(Random(f"encoder {seed}"), files)
        try:
            shim.from_bytes(srsly.msgpack_dumps({"files": damaged, "use_fast": True}))
        except ValueError:
            refused += 1
    shim.from_bytes(srsly.msgpack_dumps({"files": files, "use_fast": True}))
    assert 0 < refused < len(seeds)
    assert pipe.predict([spacy.blank("zh")("王明")]).doc_data
