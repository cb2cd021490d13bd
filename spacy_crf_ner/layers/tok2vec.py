"""An embedding layer and an encoder."""

from collections.abc import Callable
from typing import Any

from spacy.tokens import Doc
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d

from .embeddings import TAKES_EMBEDDINGS, embed_in_parts
from .ragged import unflatten


def Tok2Vec(
    embed: Model[list[Doc], list[Floats2d]], encode: Model[list[Floats2d], list[Floats2d]]
) -> Model[list[Doc], list[Floats2d]]:
    """The same as `spacy.Tok2Vec.v2`, with the same weights, but faster in prediction on a CPU.

    What depends on a token's text alone is computed once for each distinct text of a batch. That is
    most of the BiLSTM's input.

    embed (Model[list[Doc], list[Floats2d]]): The embedding: one of this package's layers, their
        concatenation (`concatenate.v1`), or any other.
    encode (Model[list[Floats2d], list[Floats2d]]): The encoder. `BiLSTMEncoder` and
        `SelfAttentionEncoder` gain from it.
    RETURNS (Model[list[Doc], list[Floats2d]]): The tok2vec.
    """
    model: Model[list[Doc], list[Floats2d]] = Model(
        f"{embed.name}>>{encode.name}",
        _forward,
        init=_init,
        layers=[embed, encode],
        dims={"nO": encode.maybe_get_dim("nO")},
        refs={"embed": embed, "encode": encode},
    )
    return model


def _init(
    model: Model[list[Doc], list[Floats2d]], X: list[Doc] | None = None, Y: Any = None
) -> None:
    first, second = model.layers
    first.initialize(X=X)
    second.initialize(X=None if X is None else first.predict(X), Y=Y)
    if second.has_dim("nO"):
        model.set_dim("nO", second.get_dim("nO"))


def _forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    first, second = model.layers
    if not is_train and isinstance(model.ops, NumpyOps):
        embeddings = embed_in_parts(first, docs)
        inputs: Any = embeddings
        if TAKES_EMBEDDINGS not in second.attrs:
            inputs = unflatten(model.ops, embeddings.array(), embeddings.lengths)
        return second.predict(inputs), lambda dY: []
    X, backprop_embed = first(docs, is_train)
    Y, backprop_encode = second(X, is_train)
    return Y, lambda dY: backprop_embed(backprop_encode(dY))
