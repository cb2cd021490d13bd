"""The BiLSTM against torch's packed one, and alone against in company."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from thinc.api import Ragged, fix_random_seed
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from spacy_crf_ner.layers import bidirectional
from spacy_crf_ner.layers.bilstm import LSTM, BiLSTM, BiLSTMEncoder
from spacy_crf_ner.layers.padding import MAX_PADDING, groups_of_similar_length

# One far longer than the others, so that they fall into several groups.
LENGTHS = [7, 3, 0, 1, 120, 7, 2, 0, 5]


def make_sequences(width, lengths=LENGTHS, seed=0):
    random = np.random.RandomState(seed)
    return [random.normal(size=(length, width)).astype("f") for length in lengths]


def make_ragged(sequences):
    return Ragged(np.concatenate(sequences), np.array([len(x) for x in sequences], dtype="i"))


def make_pair(nI=6, nO=8):
    """The layer and a torch.nn.LSTM of the same weights."""
    fix_random_seed(0)
    layer = BiLSTM(nO, nI)
    layer.initialize()
    lstm = torch.nn.LSTM(nI, nO // 2, bidirectional=True, batch_first=True)
    lstm.load_state_dict(
        {name: torch.from_numpy(layer.get_param(name)) for name in layer.param_names}
    )
    return layer, lstm


def run_packed(lstm, sequences):
    inputs = [torch.from_numpy(x).requires_grad_() for x in sequences if len(x)]
    outputs, _ = lstm(pack_sequence(inputs, enforce_sorted=False))
    padded, lengths = pad_packed_sequence(outputs, batch_first=True)
    return inputs, torch.cat([y[:n] for y, n in zip(padded, lengths.tolist())])


def test_bfloat16_is_near_and_for_training_only():
    layer, _ = make_pair()
    half = BiLSTM(8, 6, "bfloat16")
    half.initialize()
    for name in layer.param_names:
        half.set_param(name, layer.get_param(name))
    X = make_ragged(make_sequences(6))
    dY = np.random.RandomState(1).normal(size=(len(X.dataXd), 8)).astype("f")
    (Y, backprop), (near, backprop_near) = (model.begin_update(X) for model in (layer, half))
    assert 0 < abs(near.dataXd - Y.dataXd).max() < 0.02
    dX, d_near = (function(Ragged(dY, X.lengths)).dataXd for function in (backprop, backprop_near))
    assert_allclose(d_near, dX, atol=0.05)
    for name in layer.param_names:
        gradient = layer.get_grad(name)
        assert half.get_grad(name).dtype == gradient.dtype == "f"
        # CPUs differ in how they add up products of bfloat16.
        assert_allclose(half.get_grad(name), gradient, atol=0.03 * abs(gradient).max())
    assert_allclose(half.predict(X).dataXd, layer.predict(X).dataXd)


@pytest.mark.parametrize("is_train", [True, False])
def test_cudnn_is_told_whether_there_will_be_a_backward_pass(is_train, monkeypatch):
    """cuDNN refuses it otherwise, which no CPU does."""
    layer, _ = make_pair()
    calls = []

    def lstm(**arguments):
        calls.append(arguments)
        return torch_lstm(**arguments)

    torch_lstm = torch.lstm
    monkeypatch.setattr(torch, "lstm", lstm)
    parameters = {name: torch.from_numpy(layer.get_param(name)) for name in layer.param_names}
    X = torch.zeros(sum(LENGTHS), 6, requires_grad=is_train)
    with torch.set_grad_enabled(is_train):
        # Called directly, because predictions on a CPU do without it.
        lengths = np.array(LENGTHS)
        bidirectional._run_padded(X, unit=LSTM, lengths=lengths, dtype=X.dtype, **parameters)
    assert len(calls) > 2
    assert {call["train"] for call in calls} == {is_train}
    assert {call["input"].requires_grad for call in calls} == {is_train}


def test_weights_lie_together_as_cudnn_wants_them(monkeypatch):
    layer, _ = make_pair()
    calls = []

    def lstm(**arguments):
        calls.append(arguments["params"])
        return torch_lstm(**arguments)

    torch_lstm = torch.lstm
    monkeypatch.setattr(torch, "lstm", lstm)
    layer.begin_update(make_ragged(make_sequences(6)))
    for weights in calls:
        storages = {weight.untyped_storage().data_ptr() for weight in weights}
        size = sum(weight.numel() for weight in weights)
        assert len(storages) == 1
        assert weights[0].untyped_storage().size() == 4 * size
        offsets = [weight.storage_offset() for weight in weights]
        assert offsets == list(np.cumsum([0, *(weight.numel() for weight in weights[:-1])]))


def test_tf32_is_off_while_predicting_and_as_it_was_afterwards():
    # The setting of torch 2.9 and newer, or the one before.
    settings, name = torch.backends.cudnn, "allow_tf32"
    if hasattr(getattr(settings, "rnn", None), "fp32_precision"):
        settings, name = settings.rnn, "fp32_precision"
    before = getattr(settings, name)
    with bidirectional.no_tf32():
        assert getattr(settings, name) in (False, "ieee")
    assert getattr(settings, name) == before
    with pytest.raises(KeyError), bidirectional.no_tf32():
        raise KeyError
    assert getattr(settings, name) == before


def test_outputs_and_gradients_are_those_of_a_packed_lstm():
    layer, lstm = make_pair()
    sequences = make_sequences(6)
    Y, backprop = layer.begin_update(make_ragged(sequences))
    inputs, expected = run_packed(lstm, sequences)
    assert_allclose(Y.dataXd, expected.detach().numpy(), atol=1e-6)
    assert Y.lengths.tolist() == LENGTHS

    dY = np.random.RandomState(1).normal(size=Y.dataXd.shape).astype("f")
    dX = backprop(Ragged(dY, Y.lengths))
    expected.backward(torch.from_numpy(dY))
    assert_allclose(dX.dataXd, torch.cat([x.grad for x in inputs]).numpy(), atol=1e-5)
    for name, parameter in lstm.named_parameters():
        assert_allclose(layer.get_grad(name), parameter.grad.numpy(), atol=1e-4, err_msg=name)


def test_a_sequence_is_encoded_the_same_alone_and_in_any_batch():
    fix_random_seed(0)
    model = BiLSTMEncoder(8, depth=2)
    sequences = make_sequences(6)
    model.initialize(X=sequences)
    together = model.predict(sequences)
    for i, sequence in enumerate(sequences):
        (alone,) = model.predict([sequence])
        # LayerNorm of a few numbers that are nearly the same makes more of rounding.
        assert_allclose(together[i], alone, atol=1e-5)
        # Beside the longest one only, where its padding would be largest.
        assert_allclose(model.predict([sequence, sequences[4]])[0], alone, atol=1e-5)


def test_groups_cover_the_batch_and_are_not_mostly_padding():
    lengths = np.random.RandomState(0).geometric(0.02, size=500) - 1
    groups = list(groups_of_similar_length(lengths))
    assert sorted(np.concatenate(groups)) == np.flatnonzero(lengths).tolist()
    assert len(groups) < 20
    for group in groups:
        assert len(group) * lengths[group].max() <= MAX_PADDING * lengths[group].sum()


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_nothing_to_encode(lengths):
    layer, _ = make_pair()
    X = Ragged(np.zeros((0, 6), dtype="f"), np.array(lengths, dtype="i"))
    Y, backprop = layer.begin_update(X)
    assert Y.dataXd.shape == (0, 8)
    assert backprop(Y).dataXd.shape == (0, 6)


@pytest.mark.parametrize("layer_norm", [True, False])
def test_outputs_are_normalized_or_not(layer_norm):
    model = BiLSTMEncoder(8, depth=2, layer_norm=layer_norm)
    sequences = make_sequences(6)
    model.initialize(X=sequences)
    outputs = np.concatenate(model.predict(sequences))
    assert outputs.shape[1] == model.get_dim("nO") == 8
    assert np.allclose(outputs.std(axis=1), 1, atol=1e-2) == layer_norm


def test_saved_encoders_stay_readable():
    """The order and grouping of layers is how their weights are found."""
    layer = "bilstm>>with_array(layernorm>>dropout)"
    assert BiLSTMEncoder(8, depth=2).name == (
        f"list2ragged>>with_array(dropout)>>{layer}>>{layer}>>ragged2list"
    )


def test_dropout_is_only_for_training():
    model = BiLSTMEncoder(8, dropout=0.5)
    sequences = make_sequences(6)
    model.initialize(X=sequences)
    fixed = model.predict(sequences)
    assert_allclose(np.concatenate(fixed), np.concatenate(model.predict(sequences)))
    trained, _ = model.begin_update(sequences)
    assert not np.allclose(np.concatenate(trained), np.concatenate(fixed))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"width": 7}, "width must be a positive even number.*got 7"),
        ({"width": 0}, "width must be a positive even number.*got 0"),
        ({"width": 8, "depth": 0}, "depth must be at least 1, got 0"),
        ({"width": 8, "dropout": 1.0}, "dropout must be.*got 1.0"),
    ],
)
def test_impossible_settings_say_which(kwargs, message):
    with pytest.raises(ValueError, match=message):
        BiLSTMEncoder(**kwargs)
