"""Weights as safetensors: round trips, and what is refused."""

import base64
import pickle
import shutil

import numpy as np
import pytest
import spacy
import srsly
import torch
from safetensors.numpy import load, save
from thinc.api import Linear, Model, PyTorchShim, PyTorchWrapper, chain
from util import TEXTS, fit, small

from spacy_crf_ner.lexicon import set_lexicon
from spacy_crf_ner.pipeline.serialize import from_safetensors, to_safetensors


def make_model(nO=3):
    return chain(Linear(4), PyTorchWrapper(torch.nn.Linear(4, 2)), Linear(nO))


def initialized(model):
    model.initialize(X=np.random.RandomState(0).normal(size=(5, 6)).astype("f"))
    return model


def test_round_trip_with_torch_inside():
    model, other = initialized(make_model()), make_model()
    X = np.random.RandomState(1).normal(size=(7, 6)).astype("f")
    from_safetensors(other, to_safetensors(model))
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    assert to_safetensors(other) == to_safetensors(model)


def test_loaded_weights_can_be_trained_on():
    model = make_model()
    from_safetensors(model, to_safetensors(initialized(make_model())))
    assert model.layers[0].get_param("W").flags.writeable


def test_the_payload_is_plain_safetensors():
    tensors = load(to_safetensors(initialized(make_model())))
    assert tensors["1.W"].shape == (4, 6)
    assert tensors["2.shim0.weight"].shape == (2, 4)
    structure = srsly.json_loads(tensors["structure"].tobytes().decode("utf8"))
    assert structure["nodes"][1]["dims"] == {"nO": 4, "nI": 6}


def as_before(data, without=()):
    """A payload as it once was: attributes are part of the JSON."""
    tensors = load(data)
    structure = srsly.json_loads(tensors.pop("structure").tobytes().decode("utf8"))
    structure["attrs"] = [{} for _ in structure["nodes"]]
    for key in [key for key in tensors if key.split(".")[1] == "attrs"]:
        i, _, name = key.split(".", 2)
        value = base64.b64encode(tensors.pop(key).tobytes()).decode("ascii")
        if name not in without:
            structure["attrs"][int(i)][name] = value
    encoded = srsly.json_dumps(structure).encode("utf8")
    tensors["structure"] = np.frombuffer(encoded, dtype="u1")
    return save(tensors)


def test_payloads_of_before_are_read():
    model, other = initialized(make_model()), make_model()
    model.layers[0].attrs["note"] = {"a": [1, 2]}
    X = np.random.RandomState(1).normal(size=(7, 6)).astype("f")
    data = as_before(to_safetensors(model))
    assert data != to_safetensors(model)
    from_safetensors(other, data)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    assert other.layers[0].attrs["note"] == {"a": [1, 2]}


def test_a_pipeline_of_before_takes_its_vectors_and_lexicon_from_the_vocab(tmp_path):
    embed = {
        "@architectures": "spacy_crf_ner.Concatenate.v1",
        "*": {
            "vectors": {"@architectures": "spacy_crf_ner.VectorsEmbed.v1", "width": 4, "rows": 50},
            "lexicon": {"@architectures": "spacy_crf_ner.LexiconEmbed.v1", "width": 4},
        },
    }
    model = small()["model"]
    model["tok2vec"]["embed"] = embed
    nlp = spacy.blank("zh")
    for i, char in enumerate("王明李雷去上海北京"):
        nlp.vocab.set_vector(char, np.eye(9, dtype="f")[i])
    set_lexicon(nlp.vocab, [("北京", "place"), ("王明", "name")])
    nlp.add_pipe("crf_ner", config={"model": model, "spans_key": "crf"})
    fit(nlp)
    nlp.to_disk(tmp_path)
    expected = [doc.to_json() for doc in nlp.pipe(TEXTS)]
    assert any(doc["ents"] for doc in expected)
    path = tmp_path / "crf_ner" / "model.safetensors"
    new = ("vectors", "has_vectors", "lexicon", "has_lexicon")
    path.write_bytes(as_before(path.read_bytes(), without=new))
    before = spacy.load(tmp_path)
    assert [doc.to_json() for doc in before.pipe(TEXTS)] == expected
    # From then on it carries them.
    before.to_disk(tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "vocab" / "vectors", ignore_errors=True)
    again = spacy.load(tmp_path / "again", exclude=["vocab"])
    assert [doc.to_json() for doc in again.pipe(TEXTS)] == expected


def test_uninitialized_models_round_trip():
    other = make_model(None)
    from_safetensors(other, to_safetensors(make_model(None)))
    assert not other.layers[0].has_param("W")


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no weights at all",
        pickle.dumps(Evil()),
        srsly.msgpack_dumps({"nodes": []}),
        initialized(make_model()).to_bytes(),
    ],
)
def test_other_payloads_are_refused(payload):
    with pytest.raises(ValueError, match="not a safetensors payload"):
        from_safetensors(make_model(), payload)


def test_weights_of_another_model_are_refused():
    data = to_safetensors(initialized(make_model()))
    with pytest.raises(ValueError, match="mismatched structure"):
        from_safetensors(Linear(3), data)


def test_a_component_refuses_a_pickle_on_disk(tmp_path):
    nlp = spacy.blank("zh")
    nlp.add_pipe("crf_ner")
    nlp.to_disk(tmp_path)
    (tmp_path / "crf_ner" / "model.safetensors").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="not a safetensors payload"):
        spacy.load(tmp_path)


def test_shims_that_only_pickle_are_refused_before_training():
    class OtherShim(PyTorchShim):
        pass

    model = Model("mine", lambda model, X, is_train: (X, lambda dX: dX))
    model.shims.append(OtherShim(torch.nn.Linear(2, 2)))
    with pytest.raises(ValueError, match=r"layer 'mine' \(OtherShim\).*its listener"):
        to_safetensors(model)
