"""From the network's scores to a CRF's potentials, and from a loss to gradients of the scores."""

from collections.abc import Sequence
from typing import cast

import torch
from spacy.tokens import Doc
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats1d, Floats2d
from torch import Tensor

from ..crf import Potentials
from ..layers.types import Scores


def to_potentials(scores: Scores, docs: Sequence[Doc], requires_grad: bool = False) -> Potentials:
    """Turn scores into potentials, without constraints.

    scores (Scores): The network's output for the documents.
    docs (Sequence[Doc]): The documents.
    requires_grad (bool): Whether `differentiate` will be called.
    RETURNS (Potentials): The same numbers, in torch.
    """
    tensors = [
        xp2torch(array, requires_grad=requires_grad)
        for array in (scores.emissions, scores.start, scores.transitions, scores.end)
    ]
    # Not the lengths in the scores: reading them would wait for a GPU.
    lengths = torch.tensor([len(doc) for doc in docs], dtype=torch.long)
    return Potentials(tensors[0], lengths, *tensors[1:])


def differentiate(loss: Tensor, potentials: Potentials, scores: Scores) -> tuple[float, Scores]:
    """Compute the gradient of a loss with respect to scores.

    loss (Tensor): A scalar.
    potentials (Potentials): The potentials it was computed from, made by `to_potentials`.
    scores (Scores): The scores.
    RETURNS (tuple[float, Scores]): The loss, and its gradient with respect to each part of the
        scores.
    """
    p = potentials
    d_emissions, d_start, d_transitions, d_end = torch.autograd.grad(
        loss, [p.emissions, p.start, p.transitions, p.end]
    )
    gradient = Scores(
        cast(Floats2d, torch2xp(d_emissions)),
        scores.lengths,
        cast(Floats1d, torch2xp(d_start)),
        cast(Floats2d, torch2xp(d_transitions)),
        cast(Floats1d, torch2xp(d_end)),
    )
    # Last, because it waits for a GPU, which by now has all its work.
    return loss.item(), gradient
