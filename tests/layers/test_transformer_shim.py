"""The encoder's weights: what updates them, within which memory, and how they are stored."""

import pickle
import shutil
import socket
import warnings

import numpy as np
import pytest
import spacy
import srsly
import torch
from numpy.testing import assert_allclose

pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")

import transformers
from safetensors.torch import load
from thinc.api import SGD, Adam, ConfigValidationError
from tiny_encoders import NO_DROPOUT, WIDTH, add_transformer, make_encoder, token_vectors

from spacy_crf_ner.layers.transformer.memory import WORDPIECES_AT_ONCE

DIRECTION = torch.linspace(-1, 1, WIDTH) ** 3
TEXTS = ["王明在北京大学工作，上海有雨。" * n for n in (1, 4, 1, 2)] + ["王"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture(scope="module")
def bert(folder):
    return make_encoder(folder / "bert", **NO_DROPOUT)


def make_pipe(name, **settings):
    nlp = spacy.blank("zh")
    pipe = add_transformer(nlp, name, **settings)
    return pipe, [nlp.make_doc(text) for text in TEXTS]


def shim_of(pipe):
    return pipe.model.layers[0].shims[0]


def backpropagate(pipe, docs):
    """Ask of all wordpieces to move the same way; returns their vectors."""
    batch, backprop = pipe.model.begin_update(docs)
    output = batch.model_output.last_hidden_state
    rows = torch.from_numpy(batch.align.dataXd).long()
    d_output = torch.zeros_like(output)
    d_output.view(-1, WIDTH)[rows] = DIRECTION
    batch.model_output.last_hidden_state = d_output
    backprop(batch)
    return output.view(-1, WIDTH)[rows]


def gradients(pipe):
    named = pipe.model.transformer.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


def weights(pipe):
    named = pipe.model.transformer.named_parameters()
    return {name: p.detach().clone() for name, p in named}


def assert_same(ours, theirs, **tolerance):
    assert set(ours) == set(theirs)
    for name, tensor in ours.items():
        assert_allclose(tensor, theirs[name], err_msg=name, **tolerance)


def moved(pipe, before):
    """How far the weights of each part are from where they were."""
    parts = {}
    for name, new in weights(pipe).items():
        part = name.split(".")[0] if "layer." not in name else name.split("layer.")[1][0]
        distance = float((new - before[name]).abs().max())
        parts[part] = max(distance, parts.get(part, 0.0))
    return parts


# Updates


def test_gradients_are_those_of_torch(bert):
    pipe, docs = make_pipe(bert)
    docs = [docs[0], docs[4]]
    backpropagate(pipe, docs)
    ours = gradients(pipe)
    pipe.model.transformer.zero_grad()
    encoded = pipe.model.tokenizer([doc.text for doc in docs], return_tensors="pt", padding=True)
    output = pipe.model.transformer(**encoded).last_hidden_state
    pieces = (encoded["input_ids"] > 4)[..., None]
    (output * pieces * DIRECTION).sum().backward()
    assert_same(ours, gradients(pipe), rtol=1e-4, atol=1e-4)


def test_gradients_of_several_batches_add_up(bert):
    pipe, docs = make_pipe(bert)
    single = []
    for batch in (docs[:2], docs[2:]):
        backpropagate(pipe, batch)
        single.append(gradients(pipe))
        pipe.model.transformer.zero_grad()
    for batch in (docs[:2], docs[2:]):
        backpropagate(pipe, batch)
    total = {name: single[0][name] + single[1][name] for name in single[0]}
    assert_same(gradients(pipe), total, rtol=1e-5, atol=1e-5)
    before = weights(pipe)
    pipe.finish_update(SGD(0.01, grad_clip=0.0))
    for name, gradient in total.items():
        assert_allclose(weights(pipe)[name], before[name] - 0.01 * gradient, atol=1e-4)
    assert not gradients(pipe)


def test_each_layer_has_its_own_learning_rate(bert):
    pipe, docs = make_pipe(bert, layer_decay=0.5)
    before = weights(pipe)
    backpropagate(pipe, docs)
    # Adam's first step is as long as the learning rate.
    pipe.finish_update(Adam(0.01, L2=0.0, grad_clip=0.0))
    assert moved(pipe, before) == {
        "embeddings": pytest.approx(0.0025, rel=1e-2),
        "0": pytest.approx(0.005, rel=1e-2),
        "1": pytest.approx(0.01, rel=1e-2),
        "pooler": 0.0,
    }


@pytest.mark.parametrize(("frozen", "still"), [(1, "0"), (2, "1")])
def test_frozen_layers_stay(bert, frozen, still):
    pipe, docs = make_pipe(bert, frozen_layers=frozen)
    loaded, _ = make_pipe(bert, frozen_layers=frozen)
    loaded.from_bytes(pipe.to_bytes())
    for each in (pipe, loaded):
        before = weights(each)
        for _ in range(2):
            backpropagate(each, docs)
            each.finish_update(Adam(0.01))
        distances = moved(each, before)
        assert distances["embeddings"] == distances["0"] == distances[still] == 0
        assert (distances["1"] > 0) == (frozen == 1)


def test_frozen_steps_come_first(bert):
    pipe, docs = make_pipe(bert, frozen_steps=2)
    optimizer = Adam(0.01)
    distances = []
    for _ in range(4):
        before = weights(pipe)
        backpropagate(pipe, docs)
        pipe.finish_update(optimizer)
        distances.append(max(moved(pipe, before).values()))
    assert distances[:2] == [0, 0]
    assert min(distances[2:]) > 0


def test_averages_are_used(bert):
    pipe, docs = make_pipe(bert)
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(3):
        backpropagate(pipe, docs)
        pipe.finish_update(optimizer)
    last = weights(pipe)
    with pipe.model.use_params(optimizer.averages):
        for name, average in weights(pipe).items():
            if not name.startswith("pooler"):
                expected = optimizer.averages[shim_of(pipe).id, name]
                assert_allclose(average, expected)
                assert not np.array_equal(average, last[name])
    assert_same(weights(pipe), last)


# Precision


def test_bfloat16_says_nearly_the_same(bert):
    pipe, docs = make_pipe(bert)
    other, _ = make_pipe(bert, precision="bfloat16")
    exact, rounded = (backpropagate(each, docs) for each in (pipe, other))
    assert rounded.dtype == torch.float32
    assert 1e-6 < (exact - rounded).abs().max() < 0.1
    exact, rounded = (
        torch.cat([gradient.flatten() for gradient in gradients(each).values()])
        for each in (pipe, other)
    )
    assert rounded.dtype == torch.float32
    assert (exact - rounded).norm() < 0.05 * exact.norm()


def test_float16_is_for_training_on_gpus(bert):
    pipe, docs = make_pipe(bert, precision="float16")
    if shim_of(pipe).device.type == "cpu":
        with pytest.raises(ValueError, match='"float16" needs a GPU'):
            pipe.model.begin_update(docs)
    exact, _ = make_pipe(bert)
    for ours, theirs in zip(*(token_vectors(p.predict(docs).doc_data) for p in (pipe, exact))):
        assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("is_train", [False, True])
def test_what_overflows_in_float16_is_computed_in_float32(bert, monkeypatch, is_train):
    pipe, docs = make_pipe(bert, precision="float16")
    exact, _ = make_pipe(bert)
    expected = exact.predict(docs)
    shim, precisions = shim_of(pipe), []
    run = shim._run

    def overflow(ids, mask, precision):
        precisions.append(precision)
        # In the second part of the batch only.
        factor = torch.inf if precision == "float16" and len(precisions) == 2 else 1.0
        return run(ids, mask, "float32") * factor

    monkeypatch.setattr(shim, "_run", overflow)
    shim._memory.limits = {False: 30, True: 30}
    with pytest.warns(UserWarning, match="float16 overflowed"):
        # Not begin_update, which refuses to train in float16 on a CPU.
        output, graph, precision = shim._encode_all(expected.wordpieces, is_train)
    assert set(precisions[: len(precisions) // 2]) == {"float16"}
    assert set(precisions[len(precisions) // 2 :]) == {precision} == {"float32"}
    real = expected.wordpieces.attention_mask.astype(bool)
    assert_allclose(output[real], expected.model_output.last_hidden_state[real], atol=1e-5)
    assert len(graph) == (len(precisions) // 2 if is_train else 0)


def test_unknown_precision(bert):
    with pytest.raises(ConfigValidationError, match="precision"):
        make_pipe(bert, precision="int8")


# Memory


# torch's own, cuDNN's and cuBLAS's by way of torch, and cupy's, which is a MemoryError.
OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError("Out of memory allocating 1,024 bytes (allocated so far: 0 bytes)."),
]


class Narrow:
    """An encoder with memory for so many wordpieces at once, forward, or backward if it keeps what
    it needs."""

    def __init__(self, monkeypatch, pipe, forward=10**6, backward=10**6, error=OUT_OF_MEMORY[0]):
        self.sizes, self.failures, self.error = [], 0, error
        encoder = pipe.model.transformer
        run = encoder.forward

        def narrow(*args, input_ids, **kwargs):
            size = input_ids.numel()
            self.check(size > forward)
            self.sizes.append(size)
            output = run(*args, input_ids=input_ids, **kwargs)
            vectors = output.last_hidden_state
            if vectors.requires_grad:
                vectors.register_hook(lambda gradient: self.check(size > backward))
            return output

        monkeypatch.setattr(encoder, "forward", narrow)

    def check(self, exceeded):
        if exceeded:
            self.failures += 1
            # A new one each time, as torch raises: it keeps the failed attempt alive.
            raise type(self.error)(*self.error.args)


@pytest.mark.parametrize(
    "limits", [{"forward": 50}, {"backward": 50}, {"forward": 80, "backward": 25}]
)
def test_out_of_memory_in_training(bert, monkeypatch, limits):
    pipe, docs = make_pipe(bert)
    expected = backpropagate(pipe, docs)
    expected_gradients = gradients(pipe)
    pipe, docs = make_pipe(bert)
    narrow = Narrow(monkeypatch, pipe, **limits)
    with pytest.warns(UserWarning, match=r"training\.batcher\.size"):
        output = backpropagate(pipe, docs)
    assert narrow.failures > 1
    assert_allclose(output, expected, atol=1e-5)
    assert_same(gradients(pipe), expected_gradients, rtol=1e-3, atol=1e-4)
    # From now on it knows, and computes everything twice instead.
    narrow.sizes.clear()
    n_failures = narrow.failures
    pipe.model.transformer.zero_grad()
    backpropagate(pipe, docs)
    assert narrow.failures == n_failures
    assert narrow.sizes[len(narrow.sizes) // 2 :] == narrow.sizes[: len(narrow.sizes) // 2][::-1]
    assert_same(gradients(pipe), expected_gradients, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:30])
def test_all_that_out_of_memory_may_be(bert, monkeypatch, error):
    pipe, docs = make_pipe(bert)
    expected = backpropagate(pipe, docs)
    pipe, docs = make_pipe(bert)
    narrow = Narrow(monkeypatch, pipe, forward=80, backward=25, error=error)
    with pytest.warns(UserWarning, match="out of memory"):
        assert_allclose(backpropagate(pipe, docs), expected, atol=1e-5)
    assert narrow.failures > 1


def test_other_errors_are_not_taken_for_it(bert, monkeypatch):
    pipe, docs = make_pipe(bert)
    narrow = Narrow(monkeypatch, pipe, forward=50, error=RuntimeError("CUDNN_STATUS_BAD_PARAM"))
    with pytest.raises(RuntimeError, match="BAD_PARAM"):
        backpropagate(pipe, docs)
    assert narrow.failures == 1


def test_out_of_memory_in_prediction(bert, monkeypatch):
    pipe, docs = make_pipe(bert)
    expected = token_vectors(pipe.predict(docs).doc_data)
    narrow = Narrow(monkeypatch, pipe, forward=50)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        vectors = token_vectors(pipe.predict(docs).doc_data)
    assert narrow.failures > 1
    assert len(caught) == 1
    assert "nlp.batch_size" in str(caught[0].message)
    for ours, theirs in zip(vectors, expected):
        assert_allclose(ours, theirs, atol=1e-5)
    # It says nothing of training, with other batches.
    assert shim_of(pipe)._memory.limits[True] == WORDPIECES_AT_ONCE


@pytest.mark.parametrize("is_train", [False, True])
def test_one_window_that_does_not_fit_is_an_error(bert, monkeypatch, is_train):
    pipe, docs = make_pipe(bert)
    Narrow(monkeypatch, pipe, forward=10)
    with pytest.raises(torch.OutOfMemoryError), pytest.warns(UserWarning, match="out of memory"):
        pipe.model(docs, is_train=is_train)


def test_what_failed_leaves_no_gradients(bert, monkeypatch):
    pipe, docs = make_pipe(bert)
    backpropagate(pipe, docs[:2])
    backpropagate(pipe, docs[2:])
    expected = gradients(pipe)
    pipe, docs = make_pipe(bert)
    backpropagate(pipe, docs[:2])
    Narrow(monkeypatch, pipe, backward=25)
    with pytest.warns(UserWarning, match="out of memory"):
        backpropagate(pipe, docs[2:])
    assert_same(gradients(pipe), expected, rtol=1e-3, atol=1e-4)


def test_computing_again_has_the_same_dropout(folder):
    name = make_encoder(folder / "dropout")
    pipe, docs = make_pipe(name)
    results = []
    for recompute in (False, True):
        shim_of(pipe)._memory.recompute = recompute
        torch.manual_seed(1)
        output = backpropagate(pipe, docs)
        results.append({"output": output, **gradients(pipe)})
        pipe.model.transformer.zero_grad()
    assert_same(*results, rtol=1e-5, atol=1e-5)


# Storing


@pytest.fixture
def no_pickle_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("that is not allowed")

    for module in (torch, pickle):
        for name in ("load", "loads", "save", "dumps", "dump", "Unpickler", "Pickler"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("kind", ["bert", "roberta", "guwen"])
@pytest.mark.parametrize("fast", [True, False])
def test_round_trips(tmp_path, no_pickle_no_network, kind, fast):
    name = make_encoder(tmp_path / "encoder", kind, fast=fast)
    settings = {"tokenizer_config": {"use_fast": fast}}
    pipe, docs = make_pipe(name, **settings)
    expected = token_vectors(pipe.predict(docs).doc_data)
    shutil.rmtree(name)
    pipe.to_disk(tmp_path / "pipe")
    data = pipe.to_bytes()
    for load_from in ("disk", "bytes"):
        nlp = spacy.blank("zh")
        model = {"@architectures": "spacy_crf_ner.TransformerModel.v1", "name": name, **settings}
        other = nlp.add_pipe("transformer", config={"model": {**model, "window": 24, "stride": 8}})
        if load_from == "disk":
            other.from_disk(tmp_path / "pipe")
        else:
            other.from_bytes(data)
        assert other.model.tokenizer.is_fast == fast
        assert other.model.get_dim("nO") == 32
        vectors = token_vectors(other.predict(docs).doc_data)
        for ours, theirs in zip(vectors, expected):
            assert_allclose(ours, theirs, atol=1e-6)
        assert_same(weights(other), weights(pipe))
        backpropagate(other, docs)
        other.finish_update(Adam(0.001))


def test_weights_are_safetensors(bert):
    pipe, _ = make_pipe(bert)
    message = srsly.msgpack_loads(shim_of(pipe).to_bytes())
    assert set(message["files"]) >= {"model.safetensors", "config.json", "tokenizer.json"}
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in message["files"])
    tensors = load(message["files"]["model.safetensors"])
    assert_same(weights(pipe), {name: tensors[name] for name in weights(pipe)})


def test_a_pickle_is_not_loaded(bert):
    pipe, _ = make_pipe(bert)
    message = srsly.msgpack_loads(shim_of(pipe).to_bytes())
    message["files"]["pytorch_model.bin"] = pickle.dumps({})
    del message["files"]["model.safetensors"]
    with pytest.raises(ValueError, match=r"refused the file 'pytorch_model\.bin'"):
        shim_of(pipe).from_bytes(srsly.msgpack_dumps(message))


def test_tied_weights_are_stored_once(bert):
    pipe, _ = make_pipe(bert)
    config = transformers.BartConfig(
        vocab_size=50,
        d_model=8,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        encoder_attention_heads=1,
        decoder_attention_heads=1,
    )
    shim = shim_of(pipe)
    shim._model = shim._hfmodel.transformer = transformers.BartModel(config)
    before = weights(pipe)
    shim.from_bytes(shim.to_bytes())
    assert_same(weights(pipe), before)
    encoder, decoder = pipe.model.transformer.encoder, pipe.model.transformer.decoder
    assert encoder.embed_tokens.weight is decoder.embed_tokens.weight


def test_a_pipe_that_is_not_initialized(bert):
    def make():
        model = {"@architectures": "spacy_crf_ner.TransformerModel.v1", "name": bert}
        return spacy.blank("zh").add_pipe("transformer", config={"model": model})

    other = make().from_bytes(make().to_bytes())
    assert not other.model.attrs["has_transformer"]
