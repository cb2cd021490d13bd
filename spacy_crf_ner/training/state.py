"""What training changes: weights and attributes of layers, the state of the optimizer, and random
numbers. All of it can be written to files and put back, without pickle."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from spacy.pipeline import TrainablePipe
from thinc.api import Model, Optimizer, PyTorchShim, get_current_ops, to_numpy
from thinc.model import deserialize_attr, serialize_attr
from thinc.optimizers import KeyT
from thinc.types import FloatsXd

from ..layers.shared import Shared
from .gradients import Parameter, ThincParameter

# What the optimizer has for each parameter.
MOMENTS = ("mom1", "mom2", "averages")


class State:
    """The state of components that learn, and of their optimizer.

    Each parameter has a name that is the same in all processes: the number of its layer and its
    name there. Thinc's own numbers of layers are not.
    """

    def __init__(self, pipes: Sequence[TrainablePipe], optimizer: Optimizer) -> None:
        """Describe the state.

        pipes (Sequence[TrainablePipe]): The components, initialized. They may share layers.
        optimizer (Optimizer): Their optimizer.
        RAISES: ValueError for an optimizer or a layer whose state is unknown.
        """
        if type(optimizer) is not Optimizer:
            raise ValueError(f"the optimizer ({type(optimizer).__name__}) is not Thinc's")
        self._pipes = pipes
        self._optimizer = optimizer
        self._nodes = list({node.id: node for pipe in pipes for node in pipe.model.walk()}.values())
        for node in self._nodes:
            for shim in node.shims:
                if not isinstance(shim, PyTorchShim):
                    kind = type(shim).__name__
                    raise ValueError(f"the layer '{node.name}' ({kind}) is not Thinc's or torch's")

    def arrays(self) -> dict[str, np.ndarray]:
        """Get the arrays.

        RETURNS (dict[str, np.ndarray]): Weights, moments and averages of the optimizer, buffers of
            torch modules, and attributes of layers as bytes. Some are the arrays in use.
        """
        arrays = {}
        for name, key, parameter in self._parameters():
            arrays[f"weights.{name}"] = _to_array(parameter.data)
            for kind in MOMENTS:
                values = getattr(self._optimizer, kind) or {}
                if key in values:
                    arrays[f"{kind}.{name}"] = to_numpy(values[key])
        arrays.update((f"buffers.{name}", _to_array(buffer)) for name, buffer in self._buffers())
        for i, node in enumerate(self._nodes):
            for attr, data in _attributes(node).items():
                arrays[f"attrs.{i}.{attr}"] = np.frombuffer(data, dtype="u1")
        return {name: np.asarray(array, order="C") for name, array in arrays.items()}

    def numbers(self) -> dict[str, Any]:
        """Get what is no array.

        RETURNS (dict[str, Any]): The labels of components, which parameters have a gradient (which
            is 0 after a step, but an optimizer goes on where there is one), how often each has been
            updated, and counted steps. As JSON has it.
        """
        parameters = list(self._parameters())
        updates = self._optimizer.nr_update
        return {
            "labels": [list(getattr(pipe, "labels", ())) for pipe in self._pipes],
            "gradients": [name for name, _, parameter in parameters if parameter.grad is not None],
            "updates": {name: updates[key] for name, key, _ in parameters if key in updates},
            "steps": [counter._steps for counter in self._counters()],
        }

    def restore(self, arrays: dict[str, np.ndarray], numbers: dict[str, Any]) -> None:
        """Put everything back.

        arrays (dict[str, np.ndarray]): What `arrays` returned.
        numbers (dict[str, Any]): What `numbers` returned.
        RAISES: ValueError if they are those of other components. Then nothing is changed.
        """
        self._require_same(arrays, numbers)
        optimizer, ops = self._optimizer, get_current_ops()
        for name, key, parameter in self._parameters():
            parameter.data.copy_(_to_tensor(arrays[f"weights.{name}"]))
            if name in numbers["gradients"]:
                parameter.grad = torch.zeros_like(parameter.data)
            if name in numbers["updates"]:
                optimizer.nr_update[key] = numbers["updates"][name]
            for kind in MOMENTS:
                if f"{kind}.{name}" in arrays:
                    values = cast(FloatsXd, np.array(arrays[f"{kind}.{name}"]))
                    getattr(optimizer, kind)[key] = ops.asarray(values)
        for name, buffer in self._buffers():
            buffer.copy_(_to_tensor(arrays[f"buffers.{name}"]))
        for i, node in enumerate(self._nodes):
            for attr, data in _attributes(node).items():
                saved = arrays[f"attrs.{i}.{attr}"].tobytes()
                if saved != data:
                    node.attrs[attr] = deserialize_attr(node.attrs[attr], saved, attr, node)
        for counter, steps in zip(self._counters(), numbers["steps"]):
            counter._steps = steps

    def _require_same(self, arrays: dict[str, np.ndarray], numbers: dict[str, Any]) -> None:
        kinds = ("weights.", "buffers.")
        own, saved = (
            {name: array.shape for name, array in each.items() if name.startswith(kinds)}
            for each in (self.arrays(), arrays)
        )
        if own != saved or numbers["labels"] != self.numbers()["labels"]:
            raise ValueError("the components have other layers or labels than before")

    def _parameters(self) -> Iterator[tuple[str, KeyT, Parameter]]:
        """The name of each parameter, the optimizer's key of it, and itself."""
        for i, node in enumerate(self._nodes):
            for name in node.param_names:
                if node.has_param(name):
                    yield f"{i}.{name}", (node.id, name), ThincParameter(node, name)
            for j, shim in enumerate(node.shims):
                for name, parameter in shim._model.named_parameters():
                    yield f"{i}.shim{j}.{name}", (shim.id, name), parameter

    def _buffers(self) -> Iterator[tuple[str, torch.Tensor]]:
        for i, node in enumerate(self._nodes):
            for j, shim in enumerate(node.shims):
                for name, buffer in shim._model.named_buffers():
                    yield f"{i}.shim{j}.{name}", buffer

    def _counters(self) -> list[Any]:
        """Components and shims of this package that count their steps."""
        shims = [shim for node in self._nodes for shim in node.shims]
        return [each for each in [*self._pipes, *shims] if hasattr(each, "_steps")]


def random_state() -> dict[str, Any]:
    """Get the state of the random generators of Python, numpy and torch on the CPU.

    RETURNS (dict[str, Any]): The state, as JSON has it.
    """
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state().tolist(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put the random generators back into a state.

    state (dict[str, Any]): What `random_state` returned.
    """
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))


def _attributes(node: Model) -> dict[str, bytes]:
    """The attributes that can be saved, except for those that never change."""
    attrs = {}
    for name, value in node.attrs.items():
        if not isinstance(value, Shared):
            try:
                attrs[name] = serialize_attr(value, value, name, node)
            except TypeError:  # as Thinc does for functions
                continue
    return attrs


def _to_array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))
