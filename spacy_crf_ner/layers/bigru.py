"""A bidirectional GRU."""

from collections.abc import Callable

import torch
from thinc.api import Model
from thinc.types import Ragged
from torch import Tensor

from .bidirectional import Unit, forward, parameter_names
from .cells import gru_cell
from .embeddings import Embeddings


def BiGRU(nO: int | None = None, nI: int | None = None) -> Model[Ragged, Ragged]:
    """One bidirectional GRU layer (Cho et al. 2014) over ragged sequences. It is for pretrained
    weights: it cannot be initialized.

    Its parameters have the names and shapes of a `torch.nn.GRU(nI, nO // 2, bidirectional=True)`.

    nO (int | None): The output width: forward states, then backward states.
    nI (int | None): The input width.
    RETURNS (Model[Ragged, Ragged]): (N, nI) to (N, nO), lengths unchanged.
    """
    return Model(
        "bigru", _forward, dims={"nO": nO, "nI": nI}, params=dict.fromkeys(parameter_names())
    )


def _forward(
    model: Model[Ragged, Ragged], X: Ragged | Embeddings, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    return forward(GRU, model, X, is_train)


def _gru(inputs: Tensor, zeros: Tensor, weights: list[Tensor], is_train: bool) -> Tensor:
    # The function that torch.nn.GRU calls. It takes the weights as arguments. With batch_first, it
    # would transpose its own result in place, which tensor subclasses do not see.
    states, _ = torch.gru(
        input=inputs.transpose(0, 1),
        hx=zeros,
        params=weights,
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=is_train,
        bidirectional=False,
        batch_first=False,
    )
    return states.transpose(0, 1)


def _order(weights: list[Tensor]) -> list[Tensor]:
    """From torch's order of gates (reset, update, new) to that of the cell. What the new gate gets
    from the input comes first, and what it gets from the states before comes last."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    size = len(bias_ih) // 3
    return [weight_ih.roll(size, 0), weight_hh, bias_ih.roll(size, 0), bias_hh]


GRU = Unit(_gru, gru_cell, _order)
