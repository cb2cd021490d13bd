"""LSTMs and GRUs in prediction on a CPU, against torch's."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from spacy_crf_ner.layers import recurrence
from spacy_crf_ner.layers.bigru import GRU
from spacy_crf_ner.layers.cells import gru_cell, lstm_cell
from spacy_crf_ner.layers.embeddings import Embeddings, Part
from spacy_crf_ner.layers.recurrence import Order, Weights

LENGTHS = np.array([7, 3, 0, 1, 120, 7, 2, 0, 5], dtype="i")


def make_weights(X, width, hidden=4, forget=0.0, dtype=torch.float32):
    torch.manual_seed(0)
    module = torch.nn.LSTM(width, hidden, batch_first=True)
    with torch.no_grad():
        module.bias_ih_l0[hidden : 2 * hidden] = forget
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    parameters = [getattr(module, name).detach() for name in names]
    return Weights.of(X, dtype, *parameters), module


def make_embeddings(lengths, seed=0):
    """Two columns per token, three per text of which there are five, and another one per token."""
    random = np.random.RandomState(seed)
    n = sum(lengths)
    rows = np.append(np.arange(5), random.randint(5, size=n))[:n] if n > 5 else np.arange(n)
    parts = [
        Part(random.normal(size=(n, 2)).astype("f"), of_texts=False),
        Part(random.normal(size=(len(set(rows)), 3)).astype("f"), of_texts=True),
        Part(random.normal(size=(n, 1)).astype("f"), of_texts=False),
    ]
    return Embeddings(np.asarray(lengths), rows, parts)


def run(X, weights, reverse=False, cell=lstm_cell):
    out = torch.full((len(X), len(weights.recurrent)), torch.nan)
    recurrence.run(X, weights, cell, out, reverse=reverse)
    return out


def run_torch(X, module, reverse):
    states = []
    for part in torch.from_numpy(X.array()).split(X.lengths.tolist()):
        if len(part):
            part = part.flip(0) if reverse else part
            out = module(part[None])[0][0].detach()
            states.append(out.flip(0) if reverse else out)
    return torch.cat(states)


def test_a_step_is_that_of_torch():
    random = np.random.RandomState(0)
    # From where everything is linear to where everything is saturated.
    gates = (random.normal(size=(50, 40)) * 10.0 ** random.randint(-4, 3, (50, 40))).astype("f")
    cells = random.normal(size=(50, 10)).astype("f")
    i, f, g, o = torch.from_numpy(gates).double().chunk(4, dim=1)
    expected = f.sigmoid() * torch.from_numpy(cells) + i.sigmoid() * g.tanh()
    states = np.empty_like(cells)
    lstm_cell(gates, cells, states)
    assert_allclose(cells, expected, atol=1e-6)
    assert_allclose(states, o.sigmoid() * expected.tanh(), atol=1e-6)


def test_a_step_of_a_gru_is_that_of_torch():
    random = np.random.RandomState(0)
    gates = (random.normal(size=(50, 40)) * 10.0 ** random.randint(-4, 2, (50, 40))).astype("f")
    before = random.normal(size=(50, 10)).astype("f")
    of_input, r, z, of_states = torch.from_numpy(gates).double().chunk(4, dim=1)
    candidate = (of_input + r.sigmoid() * of_states).tanh()
    expected = (1 - z.sigmoid()) * candidate + z.sigmoid() * torch.from_numpy(before)
    states = np.empty_like(before)
    gru_cell(gates, before, states)
    assert_allclose(states, expected, atol=1e-5)
    assert (before == states).all()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("long", [20, 8000])
def test_states_of_a_gru_are_those_of_torch(reverse, long, monkeypatch):
    monkeypatch.setattr(recurrence, "LONG", long)
    monkeypatch.setattr(recurrence, "STRETCH", 2)
    X = make_embeddings(LENGTHS)
    torch.manual_seed(0)
    module = torch.nn.GRU(6, 4, batch_first=True)
    own = GRU.order([parameter.detach() for parameter in module.parameters()])
    states = run(X, Weights.of(X, torch.float32, *own), reverse, gru_cell)
    assert_allclose(states, run_torch(X, module, reverse), atol=3e-6, rtol=0)


def test_what_is_not_finite_is_not_hidden():
    gates, cells, states = (
        np.full((1, 8), np.nan, "f"),
        np.zeros((1, 2), "f"),
        np.zeros((1, 2), "f"),
    )
    lstm_cell(gates, cells, states)
    assert np.isnan(states).all()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("block", [1, 10, 2048])
def test_states_are_those_of_torch(reverse, block, monkeypatch):
    monkeypatch.setattr(recurrence, "BLOCK", block)
    X = make_embeddings(LENGTHS)
    weights, module = make_weights(X, 6)
    assert_allclose(run(X, weights, reverse), run_torch(X, module, reverse), atol=1e-6, rtol=0)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("forget", [-3.0, 0.0, 3.0, 20.0])
def test_long_documents_are_cut_without_effect(reverse, forget, monkeypatch):
    """With the forget gate's bias of 20, nothing is ever forgotten, so that each piece has to wait
    for the one before it, and small differences add up."""
    monkeypatch.setattr(recurrence, "LONG", 30)
    monkeypatch.setattr(recurrence, "STRETCH", 2)
    X = make_embeddings([7, 400, 0, 31, 1, 90])
    weights, module = make_weights(X, 6, forget=forget)
    assert max(Order.of(X.lengths, reverse).begins[1:2]) > 25
    assert_allclose(
        run(X, weights, reverse),
        run_torch(X, module, reverse),
        atol=1e-4 if forget == 20 else 3e-6,
        rtol=0,
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_the_order_has_each_token_once_after_the_one_before_it(reverse, monkeypatch):
    monkeypatch.setattr(recurrence, "LONG", 50)
    order = Order.of(LENGTHS, reverse)
    assert sorted(order.tokens.tolist()) == list(range(sum(LENGTHS)))
    # The longest document is cut into two pieces, and all others are whole.
    assert (order.before >= 0).sum() == 1
    for begin, end, after in zip(order.begins, order.begins[1:], order.begins[2:]):
        now, then = order.tokens[begin:end], order.tokens[end:after]
        assert (then - now[: len(then)] == (-1 if reverse else 1)).all()


def test_half_precision_is_near():
    X = make_embeddings(LENGTHS)
    exact = run(X, make_weights(X, 6)[0])
    near = run(X, make_weights(X, 6, dtype=torch.bfloat16)[0])
    assert near.dtype == torch.float32
    assert 0 < (near - exact).abs().max() < 0.02
