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
    # The function that torch.nn.GRU calls. It takes the weights as arguments.
    states, _ = torch.gru(
        input=inputs,
        hx=zeros,
        params=weights,
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=is_train,
        bidirectional=False,
        batch_first=True,
    )
    return states


def _four_gates(weights: list[Tensor]) -> list[Tensor]:
    """The weights with four gates instead of three. The candidate gets the product of the reset
    gate and what comes from the states before, so that this has to stay apart from the input."""
    four = []
    for of_input, of_states in (weights[:2], weights[2:]):
        (r, z, new), (r_states, z_states, new_states) = (x.chunk(3) for x in (of_input, of_states))
        four.append(torch.cat([r, z, new, torch.zeros_like(new)]))
        four.append(torch.cat([r_states, z_states, torch.zeros_like(new_states), new_states]))
    return four


GRU = Unit(_gru, gru_cell, _four_gates)
