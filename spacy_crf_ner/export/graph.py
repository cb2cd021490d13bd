"""The ONNX graph of a network, from the rows of its tables to emissions."""

from typing import TYPE_CHECKING

import numpy as np
from thinc.api import Model

from .builder import Builder
from .dictionary import N_BAGS
from .network import Network, kind_of, read_letters, read_vectors, weights_of
from .recurrence import Block, run_layer

if TYPE_CHECKING:
    from onnx import ModelProto

BIGRAMS = ("BIGRAM_LEFT", "BIGRAM_RIGHT")


def build_graph(network: Network) -> "ModelProto":
    """Make the graph of a network.

    Its inputs are what `features`, `dictionary` and `decoding.Layout` compute; its output is
    (N, C), the emissions of N tokens.

    network (Network): The network.
    RETURNS (ModelProto): The graph.
    """
    b = Builder()
    blocks = [block for each in network.embeddings for block in _embed(b, network, each)]
    for i, (lstm, norm) in enumerate(network.encoders):
        blocks = [run_layer(b, lstm, blocks, str(i))]
        if norm is not None:
            scale, shift = (b.constant(weights_of(norm, name)) for name in "Gb")
            normed = b.node("LayerNormalization", blocks[0].tensor, scale, shift, epsilon=1e-8)
            blocks = [blocks[0]._replace(tensor=normed)]
    weights = (weights_of(network.output, name).T for name in "Wb")
    emissions = b.node("Gemm", blocks[0].tensor, *map(b.constant, weights))
    return b.model("crf_ner", {emissions: ("N", network.output.get_dim("nO"))})


def _embed(b: Builder, network: Network, layer: Model) -> list[Block]:
    """The vectors of an embedding."""
    kind = kind_of(layer)
    if kind == "token_features":
        return [_embed_feature(b, i, *each) for i, each in enumerate(network.features)]
    if kind == "vectors_embed":
        table, pretrained = weights_of(layer, "E"), read_vectors(layer)["table"]
        n_columns = 1
        if pretrained.shape[1]:
            table, n_columns = np.concatenate([table, pretrained.astype("f4")]), 2
        rows = b.input("vectors", "D", n_columns)
        return [Block(_sum_rows(b, b.constant(table), rows), table.shape[1], "tokens")]
    if kind == "lexicon_embed":
        # The row after the last one is for places of which a token has less than others.
        table = np.pad(weights_of(layer, "W"), ((0, 1), (0, 0)))
        vectors = _sum_rows(b, b.constant(table), b.input("lexicon_rows", "S", "K"))
        return [Block(vectors, table.shape[1], "lexicon_sets")]
    if kind == "soft_lexicon":
        return [_embed_words(b, layer)]
    if kind == "pretrained_bigru":
        table = weights_of(layer, "E")
        vectors = b.node("Gather", b.constant(table), b.input("characters", "D"), axis=0)
        block = Block(vectors, table.shape[1], "tokens")
        for i, gru in enumerate(layer.layers):
            block = run_layer(b, gru, [block], f"gru_{i}")
        return [block]
    return _embed_letters(b, layer)


def _embed_words(b: Builder, layer: Model) -> Block:
    """The means of the vectors of words at each place, and a linear layer."""
    found, width = layer.attrs["word_vectors"], layer.get_dim("nO")
    if not found.width:
        # Zeros for each distinct token.
        last = b.node("ReduceMax", b.input("tokens", "N"), keepdims=1)
        n_tokens = b.node("Add", last, b.constant([1]))
        shape = b.node("Concat", n_tokens, b.constant([width]), axis=0)
        return Block(b.node("ConstantOfShape", shape), width, "tokens")
    # The vector after the last one is for places of which a set has less words than others.
    table = np.pad(found.table.numpy(), ((0, 1), (0, 0)))
    sums = _sum_rows(b, b.constant(table), b.input("word_rows", "S", "K"))
    means = b.node("Mul", sums, b.input("word_weights", "S", 1, dtype="float32"))
    sets = b.node("Gather", means, b.input("word_sets", "N", N_BAGS), axis=0)
    flat = b.node("Reshape", sets, b.constant([-1, N_BAGS * found.width]))
    vectors = b.node(
        "Gemm", flat, b.constant(weights_of(layer, "W").T), b.constant(weights_of(layer, "b"))
    )
    return Block(vectors, width, "")


def _embed_feature(b: Builder, i: int, name: str, layer: Model) -> Block:
    is_pair = name in BIGRAMS
    rows = b.input(f"feature_{i}", "N" if is_pair else "D", 4)
    vectors = _sum_rows(b, b.constant(weights_of(layer, "E")), rows)
    return Block(vectors, layer.get_dim("nO"), "" if is_pair else "tokens")


def _embed_letters(b: Builder, layer: Model) -> list[Block]:
    """Convolve each distinct letter with all parts of a window, add up the parts of each window,
    and take the maximum over a word."""
    table, convolutions = read_letters(layer)
    letters = _sum_rows(b, b.constant(weights_of(table, "E")), b.input("letter_rows", "U", 4))
    # Beside a word are zeros.
    zeros = b.constant(np.zeros((1, table.get_dim("nO")), dtype="f4"))
    letters = b.node("Concat", letters, zeros, axis=0)
    words = b.input("letter_words", "M", 1)
    last_word = b.node("Gather", words, b.constant(-1), axis=0)
    n_words = b.node("Add", last_word, b.constant([1]))
    blocks = []
    for size, linear in convolutions:
        width = linear.get_dim("nO")
        # From (width, places * letters' width) to (letters' width, places * width).
        weights = weights_of(linear, "W").reshape(width, size, -1).transpose(2, 1, 0)
        parts = b.node("MatMul", letters, b.constant(weights.reshape(len(weights), -1)))
        parts = b.node("Reshape", parts, b.constant([-1, width]))
        windows = _sum_rows(b, parts, b.input(f"windows_{size}", "M", size))
        shape = b.node("Concat", n_words, b.constant([width]), axis=0)
        lowest = b.node("Expand", b.constant(np.float32(-np.inf)), shape)
        highest = b.node("ScatterND", lowest, words, windows, reduction="max")
        vectors = b.node("Add", highest, b.constant(weights_of(linear, "b")))
        blocks.append(Block(vectors, width, "tokens"))
    return blocks


def _sum_rows(b: Builder, table: str, rows: str) -> str:
    """(M, K) rows of a table to the sum of each K."""
    return b.node("ReduceSum", b.node("Gather", table, rows, axis=0), b.constant([1]), keepdims=0)
