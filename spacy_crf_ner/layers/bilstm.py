"""A bidirectional LSTM whose results do not depend on padding.

thinc's `PyTorchLSTM`, which `spacy.TorchBiLSTMEncoder.v1` uses, runs the backward direction over
the padding first, so a document's vectors depend on its batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from threading import Lock
from typing import Any, cast

import numpy as np
import torch
from thinc.api import (
    Model,
    NumpyOps,
    chain,
    glorot_uniform_init,
    ragged2list,
    with_array,
)
from thinc.types import Floats2d, Ragged
from torch import Tensor

from .dropout import Dropout
from .embeddings import TAKES_EMBEDDINGS, Embeddings
from .layer_norm import LayerNorm
from .padding import groups_of_similar_length, to_device
from .ragged import list2ragged
from .recurrence import Weights, lstm
from .torch_function import apply_torch
from .types import Precision

DIRECTIONS = ("", "_reverse")
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
TF32_LOCK = Lock()


def BiLSTMEncoder(
    width: int,
    depth: int = 1,
    dropout: float = 0.0,
    layer_norm: bool = True,
    precision: Precision = "float32",
    prediction_precision: Precision = "float32",
) -> Model[list[Floats2d], list[Floats2d]]:
    """Encode each token in the context of its whole document. Each layer is a bidirectional LSTM
    (Graves and Schmidhuber 2005), LayerNorm and dropout.

    width (int): The output width, an even number: half of it for each direction.
    depth (int): The number of layers, at least 1.
    dropout (float): The dropout rate of the input and of each layer's output. `nlp.update` and
        `spacy train` override it (`training.dropout`).
    layer_norm (bool): Whether each layer's output is normalized (Ba et al. 2016).
    precision (Literal["float32", "bfloat16"]): The precision of the LSTMs in training. Weights and
        everything else stay in float32, and so do predictions, which would otherwise depend on
        their batch. "bfloat16" is faster on CPUs with AMX (Intel since 2023), and on GPUs with
        cuDNN 9.13 or newer. With "float32" on GPUs since Ampere, cuDNN rounds the factors of its
        products to TF32 in training, but not in prediction.
    RETURNS (Model[list[Floats2d], list[Floats2d]]): The encoder, for `spacy.Tok2Vec.v2`.
    RAISES: ValueError for an odd or non-positive width, a depth below 1, a dropout outside [0, 1).
    """
    if width < 2 or width % 2:
        raise ValueError(
            f"BiLSTMEncoder: width must be a positive even number, half for each direction; "
            f"got {width}."
        )
    if depth < 1:
        raise ValueError(f"BiLSTMEncoder: depth must be at least 1, got {depth}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"BiLSTMEncoder: dropout must be at least 0 and below 1, got {dropout}.")
    layers: list[Model[Any, Any]] = [list2ragged(), with_array(Dropout(dropout))]
    for i in range(depth):
        output: Model[Floats2d, Floats2d] = (
            chain(LayerNorm(width), Dropout(dropout)) if layer_norm else Dropout(dropout)
        )
        lstm = BiLSTM(width, width if i else None, precision, prediction_precision)
        layers += [lstm, with_array(output)]
    model: Model[list[Floats2d], list[Floats2d]] = chain(*layers, ragged2list())
    model.set_dim("nO", width)
    model.attrs[TAKES_EMBEDDINGS] = True
    return model


def BiLSTM(
    nO: int,
    nI: int | None = None,
    precision: Precision = "float32",
    prediction_precision: Precision = "float32",
) -> Model[Ragged, Ragged]:
    """One bidirectional LSTM layer (Hochreiter and Schmidhuber 1997) over ragged sequences.

    Its parameters have the names and shapes of a `torch.nn.LSTM(nI, nO // 2, bidirectional=True)`.
    Input weights start Glorot-uniform, recurrent weights orthogonal (Saxe et al. 2014), and biases
    at 0, except for the forget gate's at 1 (Jozefowicz et al. 2015).

    nO (int): The output width: forward states, then backward states.
    nI (int | None): The input width; None to infer it.
    precision (Literal["float32", "bfloat16"]): The precision in training.
    prediction_precision (Literal["float32", "bfloat16"]): The precision in prediction on a CPU.
    RETURNS (Model[Ragged, Ragged]): (N, nI) to (N, nO), lengths unchanged.
    """
    names = [f"{kind}_l0{direction}" for direction in DIRECTIONS for kind in WEIGHTS]
    return Model(
        "bilstm",
        _forward,
        init=_init,
        dims={"nO": nO, "nI": nI},
        params=dict.fromkeys(names),
        attrs={"precision": precision, "prediction_precision": prediction_precision},
    )


def _init(model: Model, X: Ragged | None = None, Y: Ragged | None = None) -> None:
    if X is not None and model.has_dim("nI") is None:
        model.set_dim("nI", X.dataXd.shape[-1])
    ops, hidden, width = model.ops, model.get_dim("nO") // 2, model.get_dim("nI")
    for direction in DIRECTIONS:
        model.set_param(f"weight_ih_l0{direction}", glorot_uniform_init(ops, (4 * hidden, width)))
        orthogonal = [np.linalg.qr(np.random.normal(size=(hidden, hidden)))[0] for _ in range(4)]
        recurrence = cast(Floats2d, np.concatenate(orthogonal))
        model.set_param(f"weight_hh_l0{direction}", ops.asarray2f(recurrence, dtype="f"))
        # The gates' order is torch's: input, forget, cell, output.
        bias = ops.alloc1f(4 * hidden)
        bias[hidden : 2 * hidden] = 1.0  # type: ignore[call-overload]  # accepts numbers
        model.set_param(f"bias_ih_l0{direction}", bias)
        model.set_param(f"bias_hh_l0{direction}", ops.alloc1f(4 * hidden))


def _forward(
    model: Model[Ragged, Ragged], X: Ragged | Embeddings, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    lengths: Any = X.lengths
    if not sum(lengths):
        nothing = model.ops.alloc2f(0, model.get_dim("nO"))
        return Ragged(nothing, lengths), lambda dY: cast(Ragged, X)
    if isinstance(X, Embeddings) or (not is_train and isinstance(model.ops, NumpyOps)):
        return Ragged(_predict(model, X), lengths), lambda dY: dY
    function = partial(
        _bilstm,
        lengths=np.asarray(model.ops.to_numpy(X.lengths), dtype="i8"),
        dtype=getattr(torch, model.attrs["precision"]) if is_train else torch.float32,
    )
    Y, backprop_array = apply_torch(model, function, X.dataXd, is_train)

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(backprop_array(dY.dataXd), dY.lengths)

    return Ragged(Y, X.lengths), backprop


def _predict(model: Model, X: Ragged | Embeddings) -> Floats2d:
    if isinstance(X, Ragged):
        X = Embeddings.of_array(cast(Any, X.dataXd), cast(Any, X.lengths))
    parameters = {name: torch.from_numpy(model.get_param(name)) for name in model.param_names}
    dtype = getattr(torch, model.attrs["prediction_precision"])
    states = torch.empty(len(X), model.get_dim("nO"))
    with torch.no_grad():
        for direction, out in zip(DIRECTIONS, states.chunk(2, dim=1)):
            own = [parameters[f"{name}_l0{direction}"] for name in WEIGHTS]
            lstm(X, Weights.of(X, dtype, *own), out, reverse=bool(direction))
    return cast(Floats2d, states.numpy())


def _bilstm(X: Tensor, *, lengths: np.ndarray, dtype: torch.dtype, **parameters: Tensor) -> Tensor:
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
            _lstm(X.index_select(0, tokens).view(*shape, -1), weight).index_select(0, places)
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


def _lstm(inputs: Tensor, weights: list[Tensor]) -> Tensor:
    """Run one direction over (B, T, nI) inputs; returns the states, (B * T, H)."""
    zeros = inputs.new_zeros(1, len(inputs), weights[1].shape[1])
    is_train = torch.is_grad_enabled()
    with no_tf32() if inputs.is_cuda and not is_train else nullcontext():
        # The function that torch.nn.LSTM calls. It takes the weights as arguments.
        states, _, _ = torch.lstm(
            input=inputs,
            hx=(zeros, zeros),
            params=weights,
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=is_train,  # cuDNN has no backward pass otherwise
            bidirectional=False,
            batch_first=True,
        )
    return states.reshape(-1, states.shape[-1])


@contextmanager
def no_tf32() -> Iterator[None]:
    """Make cuDNN compute LSTMs in float32 and not in TF32, its default on GPUs since Ampere, which
    keeps only 10 bits of each factor's mantissa. The setting is global to the process, hence the
    lock: a second thread must neither reset it too early nor mistake it for the user's."""
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
