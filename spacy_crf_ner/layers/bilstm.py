"""Bidirectional LSTMs."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from thinc.api import Model, chain, glorot_uniform_init, ragged2list, with_array
from thinc.types import Floats2d, Ragged
from torch import Tensor

from .bidirectional import DIRECTIONS, Unit, forward, parameter_names
from .cells import lstm_cell
from .dropout import Dropout, check_rate
from .embeddings import TAKES_EMBEDDINGS, Embeddings
from .layer_norm import LayerNorm
from .ragged import list2ragged
from .types import Precision


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
    check_rate("BiLSTMEncoder: dropout", dropout)
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
    return Model(
        "bilstm",
        _forward,
        init=_init,
        dims={"nO": nO, "nI": nI},
        params=dict.fromkeys(parameter_names()),
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
    precisions = {name: model.attrs[name] for name in ("precision", "prediction_precision")}
    return forward(LSTM, model, X, is_train, **precisions)


def _lstm(inputs: Tensor, zeros: Tensor, weights: list[Tensor], is_train: bool) -> Tensor:
    # The function that torch.nn.LSTM calls. It takes the weights as arguments.
    states, _, _ = torch.lstm(
        input=inputs,
        hx=(zeros, zeros),
        params=weights,
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=is_train,
        bidirectional=False,
        batch_first=True,
    )
    return states


LSTM = Unit(_lstm, lstm_cell, order=lambda weights: weights)
