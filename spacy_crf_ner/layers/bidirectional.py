"""Bidirectional recurrent layers whose results do not depend on padding.

thinc's `PyTorchLSTM`, which `spacy.TorchBiLSTMEncoder.v1` uses, runs the backward direction over
the padding first, so a document's vectors depend on its batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d, Ragged
from torch import Tensor

from .embeddings import Embeddings
from .padding import groups_of_similar_length, to_device
from .recurrence import Cell, Weights, run
from .torch_function import apply_torch

DIRECTIONS = ("", "_reverse")
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
TF32_LOCK = Lock()


class Unit(NamedTuple):
    """A kind of recurrent network.

    run (Callable): Runs torch's function for it, over padded (B, T, nI) inputs, initial states
        (1, B, H) and the weights; returns the states, (B, T, H).
    cell (Cell): A step of it in prediction on a CPU.
    order (Callable): Puts the gates of the weights in the order that the cell expects.
    """

    run: Callable[[Tensor, Tensor, list[Tensor], bool], Tensor]
    cell: Cell
    order: Callable[[list[Tensor]], list[Tensor]]


def parameter_names() -> list[str]:
    """The names of a layer's parameters, which are those of torch's modules."""
    return [f"{kind}_l0{direction}" for direction in DIRECTIONS for kind in WEIGHTS]


def forward(
    unit: Unit,
    model: Model[Ragged, Ragged],
    X: Ragged | Embeddings,
    is_train: bool,
    *,
    precision: str = "float32",
    prediction_precision: str = "float32",
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """The forward pass of a bidirectional layer.

    unit (Unit): What runs in each direction.
    model (Model[Ragged, Ragged]): The layer, with the parameters `parameter_names`.
    X (Ragged | Embeddings): (N, nI) the input; embeddings in prediction on a CPU only.
    is_train (bool): Whether the backward pass will be called.
    precision (str): The precision in training.
    prediction_precision (str): The precision in prediction on a CPU.
    RETURNS (tuple[Ragged, Callable]): (N, nO) forward states, then backward states; and the
        backward pass.
    """
    lengths: Any = X.lengths
    if not sum(lengths):
        nothing = model.ops.alloc2f(0, model.get_dim("nO"))
        return Ragged(nothing, lengths), lambda dY: cast(Ragged, X)
    if isinstance(X, Embeddings) or (not is_train and isinstance(model.ops, NumpyOps)):
        dtype = getattr(torch, prediction_precision)
        return Ragged(_predict(unit, model, X, dtype), lengths), lambda dY: dY
    function = partial(
        _run_padded,
        unit=unit,
        lengths=np.asarray(model.ops.to_numpy(X.lengths), dtype="i8"),
        dtype=getattr(torch, precision) if is_train else torch.float32,
    )
    Y, backprop_array = apply_torch(model, function, X.dataXd, is_train)

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(backprop_array(dY.dataXd), dY.lengths)

    return Ragged(Y, X.lengths), backprop


def _predict(unit: Unit, model: Model, X: Ragged | Embeddings, dtype: torch.dtype) -> Floats2d:
    if isinstance(X, Ragged):
        X = Embeddings.of_array(cast(Any, X.dataXd), cast(Any, X.lengths))
    parameters = {name: torch.from_numpy(model.get_param(name)) for name in model.param_names}
    states = torch.empty(len(X), model.get_dim("nO"))
    with torch.no_grad():
        for direction, out in zip(DIRECTIONS, states.chunk(2, dim=1)):
            own = unit.order([parameters[f"{name}_l0{direction}"] for name in WEIGHTS])
            run(X, Weights.of(X, dtype, *own), unit.cell, out, reverse=bool(direction))
    return cast(Floats2d, states.numpy())


def _run_padded(
    X: Tensor, *, unit: Unit, lengths: np.ndarray, dtype: torch.dtype, **parameters: Tensor
) -> Tensor:
    """(N, nI) to (N, 2H). Each direction starts at the first or last token of a sequence, so that
    padding comes after it and changes nothing. A packed bidirectional LSTM computes the same, but
    takes twice the time on a CPU, where only unpacked LSTMs run in oneDNN."""
    X = X.to(dtype)
    weights = [_direction_weights(parameters, direction, dtype) for direction in DIRECTIONS]
    starts = lengths.cumsum() - lengths
    shapes: list[tuple[int, int]] = []
    # For each group: the tokens that each direction reads, and where it puts the tokens' states.
    rows: list[np.ndarray] = []
    tokens: list[np.ndarray] = []
    for group in groups_of_similar_length(lengths):
        length, start = lengths[group, None], starts[group, None]
        steps = np.arange(length.max())
        real = steps < length
        forward = start + np.minimum(steps, length - 1)
        backward = start + np.maximum(length - 1 - steps, 0)
        tokens.append(forward[real])
        # The forward state is at the token's step, the backward state at its step from the end.
        padded = np.arange(real.size).reshape(real.shape)
        mirrored = (padded[:, :1] + np.maximum(length - 1 - steps, 0))[real]
        shapes.append(real.shape)
        rows += [forward.ravel(), backward.ravel(), padded[real], mirrored]
    *on_device, order = to_device([*rows, np.concatenate(tokens).argsort()], X.device)
    outputs: list[Tensor] = []
    for i, shape in enumerate(shapes):
        read, found = on_device[4 * i : 4 * i + 2], on_device[4 * i + 2 : 4 * i + 4]
        states = [
            _run(unit, X.index_select(0, tokens).view(*shape, -1), weight).index_select(0, places)
            for tokens, places, weight in zip(read, found, weights)
        ]
        outputs.append(torch.cat(states, dim=1))
    return torch.cat(outputs).float().index_select(0, order)


def _direction_weights(
    parameters: dict[str, Tensor], direction: str, dtype: torch.dtype
) -> list[Tensor]:
    """The weights of one direction, contiguous in memory. Otherwise cuDNN would warn, and copy them
    together at each call."""
    weights = [parameters[f"{name}_l0{direction}"] for name in WEIGHTS]
    flat = torch.cat([weight.flatten() for weight in weights]).to(dtype)
    parts = flat.split([weight.numel() for weight in weights])
    return [part.view_as(weight) for part, weight in zip(parts, weights)]


def _run(unit: Unit, inputs: Tensor, weights: list[Tensor]) -> Tensor:
    """Run one direction over (B, T, nI) inputs; returns the states, (B * T, H)."""
    zeros = inputs.new_zeros(1, len(inputs), weights[1].shape[1])
    is_train = torch.is_grad_enabled()
    with no_tf32() if inputs.is_cuda and not is_train else nullcontext():
        # cuDNN has no backward pass unless it is told that this is training.
        states = unit.run(inputs, zeros, weights, is_train)
    return states.reshape(-1, states.shape[-1])


@contextmanager
def no_tf32() -> Iterator[None]:
    """Make cuDNN compute LSTMs and GRUs in float32 and not in TF32, its default on GPUs since
    Ampere, which keeps only 10 bits of each factor's mantissa. The setting is global to the
    process, hence the lock: a second thread must neither reset it too early nor mistake it for the
    user's."""
    # torch 2.9 replaced the old setting with a new one, and warns about the old one.
    settings: Any = torch.backends.cudnn
    name: str = "allow_tf32"
    value: bool | str = False
    if hasattr(getattr(settings, "rnn", None), "fp32_precision"):
        settings, name, value = settings.rnn, "fp32_precision", "ieee"
    with TF32_LOCK:
        before = getattr(settings, name)
        setattr(settings, name, value)
        try:
            yield
        finally:
            setattr(settings, name, before)
