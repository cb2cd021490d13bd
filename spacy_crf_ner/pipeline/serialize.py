"""Thinc models as safetensors, which load without running code.

Thinc itself writes msgpack, with pickles for torch modules. Here, each weight is a tensor named
"<node>.<parameter>", and each attribute a tensor of bytes named "<node>.attrs.<attribute>". Nodes
are numbered in the order of `Model.walk`. Their names and dimensions are JSON in one more tensor of
bytes. Older files have the attributes in that JSON; they can still be read.

What is read is checked (`checks`), all of it before any of it gets into the model.
"""

import base64
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import srsly
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from thinc.api import Model, Ops, PyTorchShim
from torch import Tensor

from .checks import (
    FIX,
    check_attrs,
    check_dims,
    check_parameters,
    check_tensor,
    damaged,
    has_known_shapes,
)
from .widths import check_widths

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


@dataclass
class LoadedLayer:
    """What a file has for a layer, checked.

    node (Model): The layer.
    dims (dict[str, int | None]): Its dimensions.
    attrs (dict[str, Any]): Its attributes.
    params (dict[str, Tensor]): Its parameters.
    shims (dict[str, Tensor]): The tensors of its torch modules.
    """

    node: Model
    dims: dict[str, int | None]
    attrs: dict[str, Any]
    params: dict[str, Tensor]
    shims: dict[str, Tensor]

    def fill(self) -> None:
        """Put everything into the layer."""
        for dim, size in self.dims.items():
            if size is not None:
                self.node.set_dim(dim, size)
        self.node.attrs.update(self.attrs)
        for name in self.node.param_names:
            tensor = self.params.get(name)
            self.node.set_param(name, None if tensor is None else _to_array(self.node.ops, tensor))
        for name, tensor in _shim_state(self.node).items():
            tensor.copy_(self.shims[name])


def from_safetensors(model: Model, data: bytes) -> None:
    """Load weights into a model of the same structure. If they are refused, it stays as it is.

    model (Model): The model to fill, initialized or not.
    data (bytes): The output of `to_safetensors`.
    RAISES: ValueError as `read_safetensors` does.
    """
    for layer in read_safetensors(model, data):
        layer.fill()


def read_safetensors(model: Model, data: bytes) -> list[LoadedLayer]:
    """Read and check weights. The model is not changed.

    model (Model): A model of the same structure, initialized or not.
    data (bytes): The output of `to_safetensors`.
    RETURNS (list[LoadedLayer]): What there is for each layer, in the order of `Model.walk`.
    RAISES: ValueError if the data is not safetensors, is damaged, or belongs to another model.
    """
    tensors, structure = _parse(data)
    nodes, layers = structure["nodes"], list(model.walk())
    if not isinstance(nodes, list) or len(nodes) != len(layers):
        found = len(nodes) if isinstance(nodes, list) else nodes
        raise damaged("The weights have a mismatched structure", found, f"{len(layers)} layers")
    names = [f"layer {i} ({str(node.name)[:40]})" for i, node in enumerate(layers)]
    of_layer = _by_layer(tensors, len(layers))
    old_attrs = _old_attrs(structure, len(layers))
    initialized = any(
        has_known_shapes(node) and not own.keys().isdisjoint(node.param_names)
        for node, own in zip(layers, of_layer)
    )
    loaded = []
    for i, node in enumerate(layers):
        _check_refs(names[i], layers, node, nodes[i])
        loaded.append(_read_layer(names[i], node, nodes[i], of_layer[i], old_attrs[i], initialized))
    check_widths(model, {layer.node.id: layer.dims for layer in loaded})
    return loaded


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


def _parse(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        tensors = load(bytes(data))
        structure = srsly.json_loads(_to_bytes(tensors.pop(STRUCTURE)).decode("utf8"))
        return tensors, {"nodes": structure["nodes"], **structure}
    # Types of numbers that torch lacks, JSON that is no object, and so on.
    except (
        SafetensorError,
        AssertionError,
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            "Refused to load weights that are not a safetensors payload of crf_ner "
            f"({error!r:.200}). Was the model written by this component? {FIX}."
        ) from error


def _by_layer(tensors: dict[str, Tensor], n_layers: int) -> list[dict[str, Tensor]]:
    """The tensors of each layer, without its number in their names."""
    number_of = {str(i): i for i in range(n_layers)}
    of_layer: list[dict[str, Tensor]] = [{} for _ in number_of]
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        if number not in number_of:
            raise damaged(f"The tensor '{key:.40}'", "one of this name", "none")
        of_layer[number_of[number]][name] = tensor
    return of_layer


def _old_attrs(structure: dict[str, Any], n_layers: int) -> list[dict[str, bytes]]:
    """The attributes in the JSON of older files."""
    found = structure.get(ATTRS, [{}] * n_layers)
    try:
        attrs = [{k: base64.b64decode(v) for k, v in each.items()} for each in found]
    except (AttributeError, TypeError, ValueError) as error:
        raise damaged("The attributes", repr(error), "base64") from error
    if len(attrs) != n_layers:
        raise damaged("The attributes", f"those of {len(attrs)} layers", f"those of {n_layers}")
    return attrs


def _check_refs(name: str, layers: list[Model], node: Model, found: Any) -> None:
    """The layers that a layer refers to are given by the model, not by the file."""
    refs = found.get("refs") if isinstance(found, dict) else None
    numbers = {id(layer): i for i, layer in enumerate(layers)}
    own = {ref: numbers.get(id(node.maybe_get_ref(ref))) for ref in node.ref_names}
    # A copy of a model has no references.
    if not isinstance(refs, dict) or any(
        i is not None and own.get(ref) != i for ref, i in refs.items()
    ):
        raise damaged(f"The references of {name}", refs, own)


def _read_layer(
    name: str,
    node: Model,
    found: dict[str, Any],
    tensors: dict[str, Tensor],
    attrs: dict[str, bytes],
    initialized: bool,
) -> LoadedLayer:
    dims = check_dims(name, node, found.get("dims"))
    params: dict[str, Tensor] = {}
    shims: dict[str, Tensor] = {}
    in_shims = _shim_state(node)
    for key, tensor in tensors.items():
        if key.startswith(f"{ATTRS}."):
            attrs[key.removeprefix(f"{ATTRS}.")] = _to_bytes(tensor)
        elif key in node.param_names:
            params[key] = tensor
        elif key in in_shims:
            check_tensor(
                f"The tensor '{key}' of {name}", tensor, in_shims[key].shape, in_shims[key].dtype
            )
            shims[key] = tensor
        else:
            raise damaged(f"The tensor '{key:.40}' of {name}", "one of this name", "none")
    missing = sorted(in_shims.keys() - shims.keys())
    if missing:
        raise damaged(f"The tensor '{missing[0]}' of {name}", "none", "one")
    values = check_attrs(name, node, attrs)
    check_parameters(name, node, dims, values, params, initialized=initialized)
    return LoadedLayer(node, dims, values, params, shims)


def _of_bytes(data: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(data, dtype="u1").copy())


def _to_bytes(tensor: Tensor) -> bytes:
    if tensor.dtype != torch.uint8:
        raise damaged("Attributes and structure", tensor.dtype, "bytes")
    return tensor.numpy().tobytes()


def _to_array(ops: Ops, tensor: Tensor) -> Any:
    # A copy, because the tensor is a view of the whole file.
    return ops.asarray(cast(Any, tensor.numpy())).copy()


def _shim_state(node: Model) -> dict[str, Tensor]:
    """The tensors of a node's torch modules, which share memory with the modules."""
    return {
        f"shim{i}.{name}": value
        for i, shim in enumerate(node.shims)
        for name, value in shim._model.state_dict().items()
    }
