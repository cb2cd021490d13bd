"""LSTMs and GRUs in prediction on a CPU: the results of torch's, with fewer operations.

torch multiplies the input of each token by the input weights. Here, what depends on a
token's text alone is multiplied once for each distinct text.

Tokens are in the order of time: the first ones of all sequences, the second ones, ..., each time
with the longest sequence first. So the sequences that go on are next to each other, and no step
needs padding.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from .embeddings import Embeddings

# A step of sequences: of the gates, (n, 4H), the cells, (n, H), replaced by the new ones, and the
# states, (n, H), written.
Cell = Callable[[np.ndarray, np.ndarray, np.ndarray], None]

# About how many tokens are projected at once: few enough that the result stays in the cache.
BLOCK = 2048
# A document of more than LONG tokens is cut into pieces, which are computed side by side: one after
# the other, their steps would be products of a matrix and a single vector. n tokens make pieces of
# sqrt(STRETCH * n) tokens: shorter ones would have more cuts, and after each, up to some thousand
# tokens have to be computed again (see `_continue`).
LONG, STRETCH = 8000, 100
# How many steps are computed again before it is checked whether they were necessary.
INTERVAL = 16
# States that differ by less are the same: rounding makes such differences in a few steps.
SAME = 1e-6


class Weights(NamedTuple):
    """The weights of one direction, prepared for `run`. Each step has four gates, of which an LSTM
    computes all from the input and from the states before: G = 4. Of a GRU, the first three get
    something from the input, and the last three from the states before: G = 3.

    of_texts (Tensor): (columns, GH), for the input that depends on the text alone.
    of_tokens (Tensor): (columns, GH), for the rest of the input.
    recurrent (Tensor): (H, GH).
    bias (Tensor): (4H,).
    """

    of_texts: Tensor
    of_tokens: Tensor
    recurrent: Tensor
    bias: Tensor

    @classmethod
    def of(
        cls,
        X: Embeddings,
        dtype: torch.dtype,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> "Weights":
        """Prepare the weights of a `torch.nn.LSTM`, or others of the same shapes.

        X (Embeddings): The input, of width nI.
        dtype (torch.dtype): The precision of the factors of all products.
        weight_ih (Tensor): (GH, nI), the gates in the order that the cell expects.
        weight_hh (Tensor): (GH, H).
        bias_ih (Tensor): (GH,).
        bias_hh (Tensor): (GH,).
        RETURNS (Weights): The weights.
        """
        of_texts, of_tokens = (
            torch.cat([weight_ih[:, :0], *(weight_ih[:, some] for some in columns)], dim=1)
            for columns in (X.columns(of_texts=True), X.columns(of_texts=False))
        )
        missing = 4 * weight_hh.shape[1] - len(bias_ih)
        return cls(
            of_texts.to(dtype).t(),
            of_tokens.to(dtype).t(),
            weight_hh.to(dtype).t(),
            pad(bias_ih, (0, missing)) + pad(bias_hh, (missing, 0)),
        )


class Order(NamedTuple):
    """The tokens of sequences in the order of time.

    tokens (Tensor): (N,) the tokens.
    begins (list[int]): (steps + 1,) where each step's tokens begin, and where the last step's end.
    before (np.ndarray): (B,) for each sequence, longest first, the one that it continues, or -1.
    """

    tokens: Tensor
    begins: list[int]
    before: np.ndarray

    @classmethod
    def of(cls, lengths: np.ndarray, reverse: bool) -> "Order":
        """Put tokens into the order of time.

        lengths (np.ndarray): (documents,) their numbers of tokens. Long ones are cut into several
            sequences.
        reverse (bool): Whether time begins at the last token of each document.
        RETURNS (Order): The order.
        """
        lengths = lengths.astype("i8")
        most = np.where(lengths > LONG, (STRETCH * lengths) ** 0.5, lengths).astype("i8")
        pieces = -(-lengths // np.maximum(most, 1))
        document = np.repeat(np.arange(len(lengths)), pieces)
        number = np.arange(len(document)) - np.repeat(pieces.cumsum() - pieces, pieces)
        first = number * most[document]
        size = np.minimum(lengths[document] - first, most[document])
        ends = lengths.cumsum()[document]
        start = ends - 1 - first if reverse else ends - lengths[document] + first
        longest_first = np.argsort(-size, kind="stable")
        place = longest_first.argsort()
        before = np.where(number > 0, place[np.arange(len(place)) - 1], -1)[longest_first]
        widths = len(size) - np.bincount(size, minlength=1).cumsum()[:-1]
        begins = np.append(0, widths.cumsum())
        step = np.repeat(np.arange(len(widths)), widths)
        sequence = np.arange(begins[-1]) - begins[step]
        tokens = start[longest_first][sequence] + (-step if reverse else step)
        return cls(torch.from_numpy(tokens), begins.tolist(), before)

    def blocks(self) -> Iterator[list[tuple[int, int]]]:
        """Group the steps.

        YIELDS (list[tuple[int, int]]): Where the tokens of each step of a group begin and end.
        """
        group: list[tuple[int, int]] = []
        for begin, end in pairwise(self.begins):
            if group and end - group[0][0] > BLOCK:
                yield group
                group = []
            group.append((begin, end))
        yield group


def run(X: Embeddings, weights: Weights, cell: Cell, out: Tensor, *, reverse: bool) -> None:
    """Run one direction over the documents of a batch.

    X (Embeddings): The input.
    weights (Weights): The weights.
    cell (Cell): `lstm_cell` or `gru_cell`.
    out (Tensor): (N, H), filled with the states.
    reverse (bool): Whether to read each document from its last token to its first.
    """
    order = Order.of(X.lengths, reverse)
    inputs = _Projection(X, weights)
    states = torch.empty(len(order.tokens), len(weights.recurrent))
    # The cells of all tokens are only needed where sequences continue others.
    all_cells = torch.empty_like(states) if (order.before >= 0).any() else None
    cells = np.zeros((len(order.before), states.shape[1]), dtype="f")
    before = torch.from_numpy(cells)
    for steps in order.blocks():
        start = steps[0][0]
        gates = inputs(order.tokens[start : steps[-1][1]])
        arrays = gates.numpy(), states.numpy()
        for begin, end in steps:
            _add_product(
                gates[begin - start : end - start, -weights.recurrent.shape[1] :],
                before[: end - begin],
                weights.recurrent,
            )
            cells, before = cells[: end - begin], states[begin:end]
            cell(arrays[0][begin - start : end - start], cells, arrays[1][begin:end])
            if all_cells is not None:
                all_cells[begin:end] = torch.from_numpy(cells)
    if all_cells is not None:
        _continue(order, inputs, weights.recurrent, cell, states, all_cells)
    out.index_copy_(0, order.tokens, states)


class _Projection:
    """The input of tokens, multiplied by the input weights."""

    def __init__(self, X: Embeddings, weights: Weights) -> None:
        of_texts = torch.from_numpy(X.of_texts)
        self._of_texts = weights.bias.repeat(len(of_texts), 1)
        self._width = weights.of_texts.shape[1]
        _add_product(self._of_texts[:, : self._width], of_texts, weights.of_texts)
        self._rows = torch.from_numpy(X.rows)
        self._of_tokens = torch.from_numpy(X.of_tokens)
        self._weights = weights.of_tokens

    def __call__(self, tokens: Tensor) -> Tensor:
        """(n,) tokens to (n, 4H)."""
        gates = self._of_texts.index_select(0, self._rows[tokens])
        _add_product(
            gates[:, : self._width], self._of_tokens.index_select(0, tokens), self._weights
        )
        return gates


def _add_product(total: Tensor, X: Tensor, weights: Tensor) -> None:
    if weights.dtype == total.dtype:
        total.addmm_(X, weights)
    else:
        total.add_(X.to(weights.dtype) @ weights)


def _continue(
    order: Order,
    inputs: _Projection,
    recurrent: Tensor,
    cell: Cell,
    states: Tensor,
    cells: Tensor,
) -> None:
    """Correct the sequences that continue others. They were computed as if nothing came before.

    The past fades: once a state is what it was, so are all the following ones. If a sequence ends
    earlier than that, the one that continues it is corrected again. At the end, each state follows
    from the one before it, as if the sequences had been computed one after the other.
    """
    begins, before = torch.tensor(order.begins), torch.from_numpy(order.before)
    lasts = torch.searchsorted(-begins.diff(), -torch.arange(len(before))) - 1
    ends = set(lasts.tolist())
    after = torch.full_like(before, -1)
    after[before[before >= 0]] = torch.nonzero(before >= 0)[:, 0]
    changed = before[before >= 0]
    while len(changed):
        sequences = after[changed]
        places = begins[lasts[changed]] + changed
        state, inner = states[places], cells[places]
        unsettled = []
        step = 0
        while len(sequences):
            places = begins[step] + sequences
            gates = inputs(order.tokens[places])
            _add_product(gates[:, -recurrent.shape[1] :], state, recurrent)
            state = torch.empty_like(state)
            cell(gates.numpy(), inner.numpy(), state.numpy())
            old = states[places], cells[places]
            states[places], cells[places] = state, inner
            if step % INTERVAL == 0 or step in ends:
                same = _same(state, old[0]) & _same(inner, old[1])
                is_last = lasts[sequences] == step
                unsettled.append(sequences[~same & is_last])
                goes_on = ~(same | is_last)
                sequences, state, inner = sequences[goes_on], state[goes_on], inner[goes_on]
            step += 1
        changed = torch.cat(unsettled)
        changed = changed[after[changed] >= 0]


def _same(new: Tensor, old: Tensor) -> Tensor:
    return ((new - old).abs() <= SAME * (1 + new.abs())).all(dim=1)
