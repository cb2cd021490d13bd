"""Gradients and weights of a pipeline as one flat vector, which ranks can exchange at once."""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from thinc.api import Model, PyTorchShim, torch2xp, xp2torch
from thinc.types import FloatsXd
from torch import Tensor

from .distributed import Ranks


class ThincParameter:
    """A parameter of Thinc with the attributes of one of torch. They share its memory."""

    def __init__(self, node: Model, name: str) -> None:
        """Name the parameter.

        node (Model): The layer that has it.
        name (str): Its name there.
        """
        self._node = node
        self._name = name

    @property
    def data(self) -> Tensor:
        """The weights."""
        return xp2torch(self._node.get_param(self._name))

    @property
    def grad(self) -> Tensor | None:
        """The gradient. None if there never was one."""
        gradient = self._node.maybe_get_grad(self._name)
        return None if gradient is None else xp2torch(gradient)

    @grad.setter
    def grad(self, value: Tensor) -> None:
        self._node.set_grad(self._name, cast(FloatsXd, torch2xp(value)))


Parameter = ThincParameter | torch.nn.Parameter


class Gradients:
    """The sum over all ranks of the gradients of a pipeline's components."""

    def __init__(self, pipes: Sequence[TrainablePipe], ranks: Ranks, n_numbers: int) -> None:
        """Make room for the gradients.

        pipes (Sequence[TrainablePipe]): The components, initialized.
        ranks (Ranks): All ranks.
        n_numbers (int): The number of other numbers to add up.
        RAISES: ValueError for a layer whose gradients cannot be added.
        """
        self._ranks = ranks
        self._parameters = list(find_parameters(pipes))
        self._shapes = [parameter.data.shape for parameter in self._parameters]
        # What each weight is for.
        self._layout = str([self._shapes, [getattr(pipe, "labels", ()) for pipe in pipes]])
        # For each parameter, its gradient; then, whether it has one; then, the other numbers.
        sizes = [shape.numel() for shape in self._shapes] + [len(self._parameters), n_numbers]
        self._flat = torch.zeros(sum(sizes), device=ranks.device)
        *self._parts, self._present, self.numbers = self._flat.split(sizes)

    def copy_first(self) -> None:
        """Give all ranks the weights of rank 0.

        RAISES: ValueError if the weights of this rank are for something else.
        """
        self._ranks.require_same(
            self._layout,
            f"Rank {self._ranks.rank} initialized a pipeline with other labels or layers than "
            "rank 0. All machines need the same config and the same corpora.",
        )
        for part, parameter in zip(self._parts, self._parameters):
            part.copy_(parameter.data.flatten())
        self._ranks.copy_first(self._flat)
        for part, shape, parameter in zip(self._parts, self._shapes, self._parameters):
            parameter.data.copy_(part.view(shape))
        self._flat.zero_()

    def collect(self, weight: float) -> None:
        """Move the gradients of a batch here.

        weight (float): What to multiply them by.
        """
        for i, (part, parameter) in enumerate(zip(self._parts, self._parameters)):
            if parameter.grad is not None:
                part.add_(parameter.grad.flatten(), alpha=weight)
                self._present[i] = 1
                parameter.grad.zero_()

    def exchange(self) -> Tensor:
        """Give the parameters the sum over all ranks of what they collected, where one has any.

        RETURNS (Tensor): The sum of `numbers`.
        """
        self._ranks.add(self._flat)
        for i, present in enumerate(self._present.tolist()):
            parameter, gradient = self._parameters[i], self._parts[i].view(self._shapes[i])
            if present:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter.data)
                parameter.grad.copy_(gradient)
        numbers = self.numbers.clone()
        self._flat.zero_()
        return numbers


def trainable_pipes(nlp: Language, frozen: Sequence[str]) -> dict[str, TrainablePipe]:
    """The components that learn.

    nlp (Language): The pipeline.
    frozen (Sequence[str]): The names of those that do not.
    RETURNS (dict[str, TrainablePipe]): Those that do by name, in pipeline order.
    """
    pipes = {name: cast(TrainablePipe, pipe) for name, pipe in nlp.pipeline if name not in frozen}
    return {
        name: pipe
        for name, pipe in pipes.items()
        if getattr(pipe, "is_trainable", False) and isinstance(pipe.model, Model)
    }


def find_parameters(pipes: Sequence[TrainablePipe]) -> Iterator[Parameter]:
    """The parameters of components, in the same order on all ranks.

    pipes (Sequence[TrainablePipe]): The components. They may share layers.
    YIELDS (Parameter): Thinc's parameters, and those of torch modules.
    RAISES: ValueError for a layer of another kind, or with mixed precision.
    """
    nodes = {node.id: node for pipe in pipes for node in pipe.model.walk()}
    for node in nodes.values():
        for name in node.param_names:
            if node.has_param(name):
                yield ThincParameter(node, name)
        for shim in node.shims:
            if not isinstance(shim, PyTorchShim):
                raise ValueError(
                    f"The layer '{node.name}' ({type(shim).__name__}) is neither Thinc's nor "
                    "torch's. It can only be trained by one process."
                )
            # Its shim skips a step if this rank's gradients overflow, and so the weights would
            # differ. The scaler of TransformerModel looks at the sum.
            if shim._mixed_precision:
                raise ValueError(
                    f"The layer '{node.name}' has mixed precision. Set mixed_precision = false, "
                    "or train with one process."
                )
            yield from shim._model.parameters()
