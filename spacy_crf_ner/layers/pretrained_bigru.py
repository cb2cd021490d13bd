"""Token embeddings from a pretrained tagger of characters."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d, Ints1d, Ragged

from .bidirectional import parameter_names
from .bigru import BiGRU
from .embeddings import PARTS, Embeddings, Part
from .ragged import unflatten
from .shared import CHECK_LOADED
from .tokens import TokenBatch

NAME = "pretrained_bigru"
# The row of characters that the tagger does not know.
UNKNOWN = 0
DEPTH = 2
# The attribute with where the weights come from.
SOURCE = "source"


class BiGRUWeights(NamedTuple):
    """The weights of a pretrained bidirectional GRU over characters.

    characters (dict[str, int]): The row of each character in `embeddings`.
    embeddings (np.ndarray): (nV, nM) float32. Row 0 is for all other characters.
    layers (list[dict[str, np.ndarray]]): For each layer, the parameters of a
        `torch.nn.GRU(width, H, bidirectional=True)`, by name, float32.
    source (dict[str, str]): Where they come from, as in the "sources" of a pipeline's meta.json:
        name, and perhaps author, url and license.
    """

    characters: dict[str, int]
    embeddings: np.ndarray
    layers: list[dict[str, np.ndarray]]
    source: dict[str, str]


def PretrainedBiGRU(
    weights: Callable[[], BiGRUWeights], trainable: bool = False
) -> Model[list[Doc], list[Floats2d]]:
    """Embed each token by the states of a pretrained bidirectional GRU of two layers, after Peters
    et al. (2017), "Semi-supervised sequence tagging with bidirectional language models".

    It is for tokens of one character. All others, and unknown characters, share one vector as its
    input.

    weights (Callable[[], BiGRUWeights]): Reads the weights. It is called when the layer is
        initialized. From then on, the layer has the weights.
    trainable (bool): Whether training changes the weights. Otherwise only the layers after it
        learn.
    RETURNS (Model[list[Doc], list[Floats2d]]): The embedding: forward states, then backward states
        of the last layer.
    """
    return Model(
        NAME,
        _forward,
        init=_init,
        layers=[BiGRU() for _ in range(DEPTH)],
        dims={"nO": None, "nV": None, "nM": None},
        params={"E": None},
        attrs={
            "weights": weights,
            "trainable": trainable,
            "characters": {},
            SOURCE: {},
            CHECK_LOADED: _check_loaded,
            PARTS: _parts,
        },
    )


def _init(
    model: Model[list[Doc], list[Floats2d]], X: list[Doc] | None = None, Y: object = None
) -> None:
    weights: BiGRUWeights = model.attrs["weights"]()
    model.attrs.update({"characters": weights.characters, SOURCE: weights.source})
    width = weights.embeddings.shape[1]
    model.set_dim("nV", len(weights.embeddings))
    model.set_dim("nM", width)
    model.set_param("E", model.ops.asarray2f(cast(Floats2d, weights.embeddings)))
    for layer, parameters in zip(model.layers, weights.layers):
        layer.set_dim("nI", width)
        width = 2 * parameters["weight_hh_l0"].shape[1]
        layer.set_dim("nO", width)
        for name in parameter_names():
            layer.set_param(name, model.ops.asarray_f(cast(Any, parameters[name])))
    model.set_dim("nO", width)


def _check_loaded(dims: dict[str, int | None], attrs: dict[str, Any]) -> None:
    """Check what a file has of the characters.

    dims (dict[str, int | None]): The dimensions of the layer.
    attrs (dict[str, Any]): Its attributes.
    RAISES: ValueError if a character has no row of the embeddings.
    """
    n_rows = dims["nV"] or 0
    for char, row in attrs["characters"].items():
        if type(char) is not str or type(row) is not int or not UNKNOWN <= row < n_rows:
            raise ValueError(f"the character {char!r:.40} has the row {row!r:.40} of {n_rows}.")


def _forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    ops, tokens = model.ops, TokenBatch(docs)
    learns = is_train and model.attrs["trainable"]
    if not learns and isinstance(ops, NumpyOps):
        return unflatten(ops, _predict(model, tokens), tokens.lengths), lambda dYs: []
    E = cast(Floats2d, model.get_param("E"))
    rows = ops.asarray1i(cast(Ints1d, _rows(model, tokens)[tokens.rows]))
    Y = Ragged(E[rows], cast(Ints1d, tokens.lengths))
    callbacks = []
    for layer in model.layers:
        Y, callback = layer(Y, learns)
        callbacks.append(callback)

    def backprop(dYs: list[Floats2d]) -> list[Doc]:
        if learns:
            dY = Ragged(ops.flatten(dYs), cast(Ints1d, tokens.lengths))
            for callback in reversed(callbacks):
                dY = callback(dY)
            dE = ops.alloc2f(*E.shape)
            ops.scatter_add(dE, rows, cast(Floats2d, dY.dataXd))
            model.inc_grad("E", dE)
        return []

    return unflatten(ops, Y.dataXd, tokens.lengths), backprop


def _parts(model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch) -> list[Part]:
    return [Part(cast(Any, _predict(model, tokens)), of_texts=False)]


def _predict(model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch) -> Floats2d:
    """(N, nO) the states of all tokens, on a CPU."""
    if not len(tokens.orths):
        return model.ops.alloc2f(0, model.get_dim("nO"))
    vectors: Any = cast(Any, model.get_param("E"))[_rows(model, tokens)]
    X: Any = Embeddings(tokens.lengths, tokens.rows, [Part(vectors, of_texts=True)])
    for layer in model.layers:
        X = layer.predict(X)
    return X.dataXd


def _rows(model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch) -> np.ndarray:
    """(L,) the row in the embeddings of each distinct text."""
    characters = model.attrs["characters"]
    return np.array([characters.get(text, UNKNOWN) for text in tokens.texts], dtype="i8")
