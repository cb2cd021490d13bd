"""Thinc models as safetensors, which load without running code.

Thinc itself writes msgpack, with pickles for torch modules. Here, each weight is a tensor named
"<node>.<parameter>", and each attribute a tensor of bytes named "<node>.attrs.<attribute>". Nodes
are numbered in the order of `Model.walk`. Their names and dimensions are JSON in one more tensor of
bytes. Older files have the attributes in that JSON; they can still be read.
"""

import base64
from typing import Any

import numpy as np
import srsly
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from thinc.api import Model, PyTorchShim
from torch import Tensor

STRUCTURE, ATTRS = "structure", "attrs"


def to_safetensors(model: Model) -> bytes:
    """Serialize a model, initialized or not.

    model (Model): The model. Its shims must pass `check_storable`.
    RETURNS (bytes): A safetensors payload.
    """
    check_storable(model)
    message = model.to_dict()
    tensors: dict[str, Tensor] = {}
    for i, (node, parameters) in enumerate(zip(model.walk(), message.pop("params"))):
        for name, value in parameters.items():
            if value is not None:
                array = np.ascontiguousarray(node.ops.to_numpy(value))
                tensors[f"{i}.{name}"] = torch.from_numpy(array)
        for name, value in _shim_state(node).items():
            tensors[f"{i}.{name}"] = value.detach().cpu().contiguous()
    for i, attrs in enumerate(message["attrs"]):
        tensors.update((f"{i}.{ATTRS}.{name}", _of_bytes(value)) for name, value in attrs.items())
    structure = srsly.json_dumps({"nodes": message["nodes"]})
    tensors[STRUCTURE] = _of_bytes(structure.encode("utf8"))
    return save(tensors)


def from_safetensors(model: Model, data: bytes) -> None:
    """Load weights into a model of the same structure.

    model (Model): The model to fill, initialized or not.
    data (bytes): The output of `to_safetensors`.
    RAISES: ValueError if the data is not safetensors, or belongs to another model.
    """
    try:
        tensors = load(bytes(data))
        structure = srsly.json_loads(_to_bytes(tensors.pop(STRUCTURE)).decode("utf8"))
    except (SafetensorError, KeyError) as error:
        raise ValueError(
            "Refused to load weights that are not a safetensors payload of crf_ner "
            f"({error!r}). Was the model written by this component?"
        ) from error
    nodes = list(model.walk())
    message = {
        "nodes": structure["nodes"],
        "attrs": _attrs(structure, tensors),
        "shims": [[] for _ in nodes],
        "params": [
            {
                name: tensors[f"{i}.{name}"].numpy() if f"{i}.{name}" in tensors else None
                for name in node.param_names
            }
            for i, node in enumerate(nodes)
        ],
    }
    model.from_dict(message)
    for i, node in enumerate(nodes):
        for name, value in _shim_state(node).items():
            value.copy_(tensors[f"{i}.{name}"])


def check_storable(model: Model) -> None:
    """Raise an error if a part of the model could only be stored as a pickle.

    model (Model): The model.
    RAISES: ValueError naming the layer. Plain torch modules (`PyTorchWrapper`) are fine.
    """
    for node in model.walk():
        for shim in node.shims:
            if type(shim) is not PyTorchShim:
                raise ValueError(
                    f"crf_ner stores its weights as safetensors and cannot store the layer "
                    f"'{node.name}' ({type(shim).__name__}). Give it a component of its own, such "
                    "as 'transformer', and use its listener as crf_ner's tok2vec."
                )


def _attrs(structure: dict[str, Any], tensors: dict[str, Tensor]) -> list[dict[str, bytes]]:
    if ATTRS in structure:
        return [
            {name: base64.b64decode(value) for name, value in attrs.items()}
            for attrs in structure[ATTRS]
        ]
    attrs: list[dict[str, bytes]] = [{} for _ in structure["nodes"]]
    for key, tensor in tensors.items():
        i, name = key.split(".", 1)
        if name.startswith(f"{ATTRS}."):
            attrs[int(i)][name.removeprefix(f"{ATTRS}.")] = _to_bytes(tensor)
    return attrs


def _of_bytes(data: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(data, dtype="u1").copy())


def _to_bytes(tensor: Tensor) -> bytes:
    return tensor.numpy().tobytes()


def _shim_state(node: Model) -> dict[str, Tensor]:
    """The tensors of a node's torch modules, which share memory with the modules."""
    return {
        f"shim{i}.{name}": value
        for i, shim in enumerate(node.shims)
        for name, value in shim._model.state_dict().items()
    }
