"""A saved component: its files or fields, its settings, and whether its weights fit them."""

import gc
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import srsly
from thinc.api import Model

from ..tags import TagSet
from .checks import damaged
from .serialize import LoadedLayer

Read = TypeVar("Read")


def read_message(data: bytes, wanted: Iterable[str]) -> dict[str, Any]:
    """Unpack what `to_bytes` of a component returned.

    data (bytes): The payload.
    wanted (Iterable[str]): The fields that it must have.
    RETURNS (dict[str, Any]): The fields.
    RAISES: ValueError if it is damaged or something else.
    """
    try:
        message = dict(srsly.msgpack_loads(data))
    # msgpack and numpy have errors of their own.
    except Exception as error:
        gc.enable()  # srsly turns it off, and leaves it off after an error
        found = f"{type(error).__name__}: {error}"
        raise damaged("The payload of crf_ner", found, "that of to_bytes") from error
    for field in wanted:
        if not isinstance(message.get(field), (bytes, str)):
            found = type(message.get(field)).__name__
            raise damaged(f"The field '{field}' of crf_ner", found, "bytes; exclude it if left out")
    return message


def read_file(path: Path, read: Callable[[Path], Read]) -> Read:
    """Read a file of a component. Errors name it.

    path (Path): The file.
    read (Callable[[Path], Read]): Reads it.
    RETURNS (Read): What it returns.
    RAISES: ValueError if it is missing, or not as it should be.
    """
    try:
        return read(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: the file is missing. Get the pipeline again.") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_cfg(data: bytes | str) -> dict[str, Any]:
    """Read the settings that are saved with the weights, and check them.

    data (bytes | str): JSON.
    RETURNS (dict[str, Any]): The settings.
    RAISES: ValueError if one is not as it should be.
    """
    try:
        cfg = srsly.json_loads(data)
    except ValueError as error:
        raise damaged("The file cfg", error, "JSON") from error
    if not isinstance(cfg, dict):
        raise damaged("The file cfg", type(cfg).__name__, "a table")
    labels = cfg.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(each, str) for each in labels):
        raise damaged("The labels in cfg", repr(labels), "a list of strings")
    try:
        TagSet(tuple(labels), cfg.get("tag_scheme", "BIOES"))
        "".join(labels).encode("utf8")  # not with half of a surrogate pair
    except (TypeError, ValueError) as error:
        raise damaged("The tags in cfg", error, "labels and a tag scheme") from error
    value = cfg.get("temperature", 1.0)
    if type(value) not in (int, float) or not (0 < value and math.isfinite(value)):
        raise damaged("The temperature in cfg", repr(value), "a number above 0")
    return cfg


def check_tags(cfg: dict[str, Any], model: Model, weights: list[LoadedLayer] | None) -> None:
    """Check that the labels and the weights have the same number of tags.

    cfg (dict[str, Any]): The settings of the component.
    model (Model): Its model, a `CRFTagger`.
    weights (list[LoadedLayer] | None): The weights in the file; None if the model keeps its own.
    RAISES: ValueError if the numbers differ.
    """
    n_tags = len(TagSet(tuple(cfg["labels"]), cfg["tag_scheme"]))
    for ref in ("output_layer", "crf"):
        node = model.get_ref(ref)
        found = node.maybe_get_dim("nO")
        initialized = all(node.has_param(name) for name in node.param_names)
        for layer in weights or ():
            if layer.node is node:
                found, initialized = layer.dims["nO"], bool(layer.params)
        if initialized and found != n_tags:
            what = f"The {len(cfg['labels'])} labels in cfg"
            raise damaged(what, f"{n_tags} tags", f"{found}, as the weights of '{ref}' have")
