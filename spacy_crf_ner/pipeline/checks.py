"""What is in a file of weights, checked before any kernel reads it.

Numba, C++ and torch index memory with these numbers. So a dimension, a parameter or an attribute
must be what the layer expects, or the file is refused. Of layers that come from elsewhere, the
shapes of parameters are not known: only their type is checked, and that they are finite.
"""

import gc
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, get_args

import srsly
import torch
from thinc.api import Model
from thinc.model import deserialize_attr
from torch import Tensor

from ..layers.lexicon import SHAPES as PLACES
from ..layers.shared import CHECK_LOADED
from ..layers.tagger import LR_SCALE
from ..layers.types import Precision

FIX = (
    "The file is damaged or was changed, or belongs to a pipeline with other settings: get it again"
)
# Kernels count in C's int.
LARGEST = 2**31 - 1
# Whose attributes are settings, apart from those listed here: the file must have those of the
# config. Training may change the former, and `check_loaded` checks what layers learn.
OUR_LAYERS = ("spacy_crf_ner.", "thinc.layers.", "spacy.ml.")
FLOATS = (torch.float16, torch.float32, torch.float64)
RATES = ("dropout_rate", "feature_dropout", "token_dropout")
# Settings that may be others each time a pipeline is loaded.
CHOSEN_AT_LOADING = ("prediction_precision",)
LEARNED = (
    "characters",
    "classes",
    "has_lexicon",
    "has_vectors",
    "index",
    "lexicon",
    "source",
    "vectors",
    "word_vectors",
)

# Dimensions by name, and the lengths of attributes that are lists.
Sizes = Mapping[str, int | None]
Shapes = dict[str, tuple[Any, ...]]


def _dense(d: Sizes) -> Shapes:
    return {"W": (d["nO"], d["nI"]), "b": (d["nO"],)}


def _layer_norm(d: Sizes) -> Shapes:
    return {"G": (d["nI"],), "b": (d["nI"],)}


def _recurrent(n_gates: int, d: Sizes) -> Shapes:
    hidden = (d["nO"] or 0) // 2
    rows = n_gates * hidden
    one = {
        "weight_ih": (rows, d["nI"]),
        "weight_hh": (rows, hidden),
        "bias_ih": (rows,),
        "bias_hh": (rows,),
    }
    return {f"{name}_l0{way}": shape for way in ("", "_reverse") for name, shape in one.items()}


def _crf(d: Sizes) -> Shapes:
    n_tags = d["nO"]
    names = ("start_transitions", "end_transitions")
    return {"transitions": (n_tags, n_tags), **dict.fromkeys(names, (n_tags,))}


# The shapes of a layer's parameters, by the module that its forward pass is in.
SHAPES: dict[str, Callable[[Sizes], Shapes]] = {
    "spacy_crf_ner.layers.attention": lambda d: dict.fromkeys(
        ("query", "key", "value", "output"), (d["nO"], d["nO"])
    ),
    "spacy_crf_ner.layers.bigru": partial(_recurrent, 3),
    "spacy_crf_ner.layers.bilstm": partial(_recurrent, 4),
    "spacy_crf_ner.layers.layer_norm": _layer_norm,
    "spacy_crf_ner.layers.lexicon": lambda d: {"W": (len(PLACES) * (d["classes"] or 0), d["nO"])},
    "spacy_crf_ner.layers.linear": _dense,
    "spacy_crf_ner.layers.pretrained_bigru": lambda d: {"E": (d["nV"], d["nM"])},
    "spacy_crf_ner.layers.soft_lexicon": lambda d: {"W": (d["nO"], d["nM"]), "b": (d["nO"],)},
    "spacy_crf_ner.layers.tagger": _crf,
    "spacy_crf_ner.layers.vectors": lambda d: {"E": (d["nV"], d["nO"])},
    "spacy.ml.staticvectors": lambda d: {"W": (d["nO"], d["nM"])},
    "spacy.ml._character_embed": lambda d: {"E": (d["nC"], d["nV"], d["nM"])},
    "thinc.layers.embed": lambda d: {"E": (d["nV"], d["nO"])},
    "thinc.layers.hashembed": lambda d: {"E": (d["nV"], d["nO"])},
    "thinc.layers.layernorm": _layer_norm,
    "thinc.layers.maxout": lambda d: {"W": (d["nO"], d["nP"], d["nI"]), "b": (d["nO"], d["nP"])},
    **{f"thinc.layers.{name}": _dense for name in ("linear", "relu", "gelu", "mish", "swish")},
}


def damaged(what: str, found: object, expected: object) -> ValueError:
    """The error for something in a file that is not as it must be.

    what (str): What it is.
    found (object): What is in the file.
    expected (object): What was expected.
    RETURNS (ValueError): The error.
    """
    shown = str(found)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}…"
    return ValueError(f"{what}: expected {expected}, got {shown}. {FIX}.")


def check_dims(name: str, node: Model, found: Any) -> dict[str, int | None]:
    """Check the dimensions of a layer.

    name (str): What to call the layer.
    node (Model): The layer.
    found (Any): The dimensions in the file.
    RETURNS (dict[str, int | None]): All dimensions of the layer, with those of the file.
    RAISES: ValueError if one is unknown, no positive number, or not what the config says.
    """
    if not isinstance(found, dict):
        raise damaged(f"The dimensions of {name}", found, "a table")
    dims: dict[str, int | None] = {each: node.maybe_get_dim(each) for each in node.dim_names}
    for dim, size in found.items():
        what = f"The dimension '{dim}' of {name}"
        if dim not in dims:
            raise damaged(what, size, "none of this name")
        if size is None:
            continue
        if type(size) is not int or not 1 <= size <= LARGEST:
            raise damaged(what, size, f"a number from 1 to {LARGEST}")
        if dims[dim] not in (None, size):
            raise damaged(what, size, dims[dim])
        dims[dim] = size
    return dims


def check_attrs(name: str, node: Model, found: Mapping[str, bytes]) -> dict[str, Any]:
    """Read the attributes of a layer, and check them.

    name (str): What to call the layer.
    node (Model): The layer.
    found (Mapping[str, bytes]): The attributes in the file.
    RETURNS (dict[str, Any]): The attributes.
    RAISES: ValueError if one has another type, or is a setting that the config has otherwise.
    """
    attrs = {}
    for key, data in found.items():
        if key in CHOSEN_AT_LOADING:
            continue
        what, own = f"The attribute '{key:.40}' of {name}", node.attrs.get(key)
        try:
            is_number = isinstance(own, (int, float))
            value = _number(data) if is_number else deserialize_attr(own, data, key, node)
        # msgpack and numpy have errors of their own.
        except Exception as error:
            gc.enable()  # srsly turns it off, and leaves it off after an error
            problem = f"{type(error).__name__}: {error}"
            raise damaged(what, problem, "what the layer wrote") from error
        is_known = node._func.__module__.startswith(OUR_LAYERS) and key in node.attrs
        is_setting = is_known and key not in LEARNED
        expected = _expected(key, own, value, is_setting)
        if expected:
            raise damaged(what, repr(value), expected)
        attrs[key] = value
    return attrs


@lru_cache
def _number(data: bytes) -> Any:
    """What `deserialize_attr` does. Each layer has the same few numbers, and srsly goes through all
    installed packages each time."""
    return srsly.msgpack_loads(data)


def _expected(key: str, own: Any, value: Any, is_setting: bool) -> str:
    """What an attribute should be, if it is something else."""
    is_number = type(value) in (int, float) and math.isfinite(value)
    if key in RATES:
        fits = value is None or (is_number and 0 <= value <= 1)
        return "" if fits else "a rate from 0 to 1"
    if key == LR_SCALE:
        return "" if is_number and value >= 0 else "a number of at least 0"
    if key == "seed":
        return "" if type(value) is int and 0 <= value < 2**32 else "a number below 2^32"
    if key == "precision":
        return "" if value in get_args(Precision) else " or ".join(get_args(Precision))
    if isinstance(own, (list, tuple)):
        own = list(own)  # msgpack has no tuples, and spaCy's configs have lists of their own
    if own is not None and type(value) is not type(own):
        return f"a {type(own).__name__}"
    if not is_setting or isinstance(own, bool) or value == own:
        return ""
    return f"{own!r}, as in the config"


def has_known_shapes(node: Model) -> bool:
    """Whether the shapes of a layer's parameters follow from its dimensions.

    node (Model): The layer.
    RETURNS (bool): Whether they do. Of layers from elsewhere, they are not known.
    """
    return node._func.__module__ in SHAPES


def check_parameters(
    name: str,
    node: Model,
    dims: dict[str, int | None],
    attrs: dict[str, Any],
    found: Mapping[str, Tensor],
    *,
    initialized: bool,
) -> None:
    """Check the parameters of a layer.

    name (str): What to call the layer.
    node (Model): The layer.
    dims (dict[str, int | None]): Its dimensions.
    attrs (dict[str, Any]): Its attributes in the file.
    found (Mapping[str, Tensor]): Its parameters in the file.
    initialized (bool): Whether the file has the parameters of an initialized model.
    RAISES: ValueError if one is missing, has another shape or type, or is not finite.
    """
    attrs = {**node.attrs, **attrs}
    shapes = {}
    if initialized and has_known_shapes(node):
        lists = {key: len(value) for key, value in attrs.items() if isinstance(value, list)}
        shapes = SHAPES[node._func.__module__]({**lists, **dims})
    for key in node.param_names:
        what = f"The tensor '{key}' of {name}"
        if key in found:
            # Layers from elsewhere may compute in another precision.
            dtype = found[key].dtype
            dtype = dtype if dtype in FLOATS and not has_known_shapes(node) else torch.float32
            check_tensor(what, found[key], shapes.get(key), dtype)
        elif key in shapes:
            raise damaged(what, "none", f"one of shape {shapes[key]}")
    if CHECK_LOADED in attrs:
        try:
            attrs[CHECK_LOADED](dims, attrs)
        except ValueError as error:
            raise ValueError(f"The attributes of {name}: {error} {FIX}.") from error


def check_tensor(
    what: str, tensor: Tensor, shape: Sequence[int | None] | None, dtype: torch.dtype
) -> None:
    """Check a tensor.

    what (str): What to call it.
    tensor (Tensor): The tensor in the file.
    shape (Sequence[int | None] | None): Its shape; None if it is not known.
    dtype (torch.dtype): Its type.
    RAISES: ValueError if it has another shape or type, or is not finite.
    """
    if tensor.dtype != dtype:
        raise damaged(what, tensor.dtype, dtype)
    if shape is not None and tuple(tensor.shape) != tuple(shape):
        raise damaged(what, tuple(tensor.shape), tuple(shape))
    # The norm is much the fastest, but overflows if numbers are huge.
    norm = torch.linalg.vector_norm(tensor) if dtype.is_floating_point else 0.0
    if not (math.isfinite(norm) or tensor.isfinite().all()):
        raise damaged(what, "NaN or infinity in it", "finite numbers")
