"""LSTMs and GRUs as nodes of an ONNX graph.

What depends on a token alone, or on its dictionary words, is multiplied with the weights once for
each distinct value. The rest becomes part of the recurrence's own product. ONNX's own LSTM
multiplies everything for each token, and was slower.
"""

from collections.abc import Iterator
from functools import partial, reduce
from typing import NamedTuple

import numpy as np
import torch
from thinc.api import Model

from ..layers.bigru import GRU
from .builder import Builder
from .network import kind_of, weights_of

# How torch's parameters of each direction end.
DIRECTIONS = {"forward": "_l0", "backward": "_l0_reverse"}
# torch's order of an LSTM's gates is input, forget, cell, output. Here those with a sigmoid come
# first.
GATES = [0, 1, 3, 2]


class Block(NamedTuple):
    """Some columns of a recurrent layer's input.

    tensor (str): Their values.
    width (int): Their number.
    rows_of (str): The input with the row of each token in them; "" if each has one of its own.
    """

    tensor: str
    width: int
    rows_of: str


def run_layer(b: Builder, layer: Model, blocks: list[Block], name: str) -> Block:
    """Add a bidirectional layer.

    b (Builder): The graph.
    layer (Model): The layer, a BiLSTM or a BiGRU.
    blocks (list[Block]): The columns of its input.
    name (str): Ends the names within a step.
    RETURNS (Block): (N, 2H) the states of all tokens.
    """
    states = [_run_direction(b, layer, blocks, way, f"{way}_{name}_") for way in DIRECTIONS]
    return Block(b.node("Concat", *states, axis=1), layer.get_dim("nO"), "")


def _run_direction(b: Builder, layer: Model, blocks: list[Block], direction: str, name: str) -> str:
    """Add one direction of a layer.

    b (Builder): The graph.
    layer (Model): The layer.
    blocks (list[Block]): The columns of its input.
    direction (str): One of DIRECTIONS.
    name (str): Begins the names within a step.
    RETURNS (str): (N, H) the states of all tokens.
    """
    is_gru = kind_of(layer) == "bigru"
    read, apply_gates = (_read_gru, _apply_gru) if is_gru else (_read_lstm, _apply_lstm)
    weights, recurrent, *biases = read(layer, DIRECTIONS[direction])
    hidden = recurrent.shape[1]
    tokens, step = b.input(direction, "T", "B"), Builder(name)
    states = [step.input(name + of, "B", hidden, dtype="f4") for of in ("state", "cell")]
    keep = step.input(f"{name}keep", "B", 1, dtype="f4")
    state, cell = (step.node("Mul", of, keep) for of in states)
    product, factors, addends = [state], [recurrent.T], []
    scanned = [b.input("keep", "T", "B", 1, dtype="f4")]
    bias = [b.constant(sum(biases))]
    for rows_of, vectors, part in _by_rows(b, blocks, weights.T):
        rows = step.input(f"{name}rows_{rows_of}", "B")
        if rows_of:
            table = b.node("Gemm", vectors, b.constant(part), *bias)
            addends.append(step.node("Gather", table, rows, axis=0))
            scanned.append(b.node("Gather", b.input(rows_of, "N"), tokens, axis=0))
            bias = []
        else:
            product.append(step.node("Gather", vectors, rows, axis=0))
            factors.append(part)
            scanned.append(tokens)
    gates = step.node(
        "Gemm",
        step.node("Concat", *product, axis=1),
        b.constant(np.concatenate(factors)),
        reduce(partial(step.node, "Add"), [*addends, *bias]),
    )
    padded = _scan(b, step, scanned, *apply_gates(step, gates, cell, hidden), hidden)
    flat = b.node("Reshape", padded, b.constant([-1, hidden]))
    return b.node("Gather", flat, b.input(f"{direction}_places", "N"), axis=0)


def _by_rows(
    b: Builder, blocks: list[Block], weights: np.ndarray
) -> Iterator[tuple[str, str, np.ndarray]]:
    """For each input with rows of tokens, and for "": the vectors, and the weights for them."""
    parts = np.split(weights, np.cumsum([block.width for block in blocks])[:-1])
    for rows_of in dict.fromkeys(block.rows_of for block in blocks):
        chosen = [i for i, block in enumerate(blocks) if block.rows_of == rows_of]
        vectors = b.node("Concat", *(blocks[i].tensor for i in chosen), axis=1)
        yield rows_of, vectors, np.concatenate([parts[i] for i in chosen])


def _scan(b: Builder, step: Builder, scanned: list[str], state: str, cell: str, hidden: int) -> str:
    """(T, B, H) the states of all steps, the first of which begins with zeros."""
    shape = ("B", hidden)
    states = step.node("Identity", state)
    body = step.graph("step", {state: shape, cell: shape, states: shape})
    n_texts = b.node("Shape", scanned[0], start=1, end=2)
    zeros = b.node("ConstantOfShape", b.node("Concat", n_texts, b.constant([hidden]), axis=0))
    n_scanned = len(scanned)
    outputs = b.nodes(
        "Scan", zeros, zeros, *scanned, n_outputs=3, body=body, num_scan_inputs=n_scanned
    )
    return outputs[-1]


def _read_weights(layer: Model, ending: str) -> list[np.ndarray]:
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [weights_of(layer, kind + ending) for kind in kinds]


def _read_lstm(layer: Model, ending: str) -> list[np.ndarray]:
    """The weights with the gates in the order of GATES."""
    split = [np.split(weights, 4) for weights in _read_weights(layer, ending)]
    return [np.concatenate([gates[i] for i in GATES]) for gates in split]


def _read_gru(layer: Model, ending: str) -> list[np.ndarray]:
    """The weights with four gates, as the cell of `layers.cells` has them: the last one gets
    nothing from the input, and the first one nothing from the states before."""
    weights = GRU.order(list(map(torch.from_numpy, _read_weights(layer, ending))))
    size = len(weights[0]) // 3
    return [
        np.pad(each.numpy(), [(0, size) if i % 2 == 0 else (size, 0), *[(0, 0)] * (each.ndim - 1)])
        for i, each in enumerate(weights)
    ]


def _apply_lstm(step: Builder, gates: str, cell: str, hidden: int) -> tuple[str, str]:
    """The new state and the new cell (Hochreiter and Schmidhuber 1997)."""
    sizes = step.constant([3 * hidden, hidden]), step.constant([hidden] * 3)
    opening, content = step.nodes("Split", gates, sizes[0], n_outputs=2, axis=1)
    opening = step.node("Sigmoid", opening)
    write, keep, read = step.nodes("Split", opening, sizes[1], n_outputs=3, axis=1)
    kept = step.node("Mul", keep, cell)
    new_cell = step.node("Add", kept, step.node("Mul", write, step.node("Tanh", content)))
    return step.node("Mul", read, step.node("Tanh", new_cell)), new_cell


def _apply_gru(step: Builder, gates: str, cell: str, hidden: int) -> tuple[str, str]:
    """The new state, twice (Cho et al. 2014). The cell is the state before."""
    sizes = step.constant([hidden, 2 * hidden, hidden]), step.constant([hidden] * 2)
    of_input, opening, of_states = step.nodes("Split", gates, sizes[0], n_outputs=3, axis=1)
    opening = step.node("Sigmoid", opening)
    reset, update = step.nodes("Split", opening, sizes[1], n_outputs=2, axis=1)
    new = step.node("Tanh", step.node("Add", of_input, step.node("Mul", reset, of_states)))
    kept = step.node("Mul", update, step.node("Sub", cell, new))
    state = step.node("Add", new, kept)
    return state, step.node("Identity", state)
