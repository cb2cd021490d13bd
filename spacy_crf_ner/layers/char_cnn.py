"""Word embeddings from letters, for alphabetic text: a convolution over each token's characters."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import (
    HashEmbed,
    Linear,
    Model,
    chain,
    concatenate,
    expand_window,
    reduce_max,
    with_array,
)
from thinc.types import Floats2d, Ints1d, Ragged

from .embeddings import PARTS, Part
from .ragged import unflatten
from .tokens import TokenBatch

# Put around each word, so that the convolution can tell its beginning and end. Unicode reserves
# these noncharacters for internal use, so they do not occur in text.
BEGIN, END = "\ufdd0", "\ufdd1"


def CharacterCNN(
    width: int, char_width: int = 32, kernel_sizes: Sequence[int] = (3,), rows: int = 500
) -> Model[list[Doc], list[Floats2d]]:
    """Embed each token by its characters: a convolution over them and the maximum over the whole
    word (Ma and Hovy 2016; Chiu and Nichols 2016).

    Each distinct word of a batch is computed only once. Words are concatenated without padding, so
    a long word costs no more than its own length.

    width (int): The output width, split evenly between the kernel sizes.
    char_width (int): The width of the characters' vectors.
    kernel_sizes (Sequence[int]): How many consecutive characters each convolution sees, odd.
    rows (int): The number of rows of the table that characters are hashed into. A few times the
        size of the alphabet is plenty, as in `FeatureEmbed`.
    RETURNS (Model[list[Doc], list[Floats2d]]): The embedding.
    RAISES: ValueError if there are no kernel sizes, if one is not odd, if their number does not
        divide the width, or if char_width or rows is below 1.
    """
    if not kernel_sizes or any(size < 1 or size % 2 == 0 for size in kernel_sizes):
        raise ValueError(
            "CharacterCNN: kernel_sizes must be positive odd numbers, at least one; got "
            f"{list(kernel_sizes)}."
        )
    if width < 1 or width % len(kernel_sizes):
        raise ValueError(
            f"CharacterCNN: width must be a positive multiple of the number of kernel sizes, "
            f"{len(kernel_sizes)}; got {width}."
        )
    if char_width < 1 or rows < 1:
        raise ValueError(
            f"CharacterCNN: char_width and rows must be at least 1; got {char_width}, {rows}."
        )
    part = width // len(kernel_sizes)
    convolutions: list[Model[Ragged, Floats2d]] = [
        chain(expand_window(size // 2), with_array(Linear(part, char_width * size)), reduce_max())
        for size in kernel_sizes
    ]
    characters: Model[Any, Any] = HashEmbed(char_width, rows, seed=1)
    return _per_word(chain(with_array(characters), concatenate(*convolutions)), width)


def _per_word(layer: Model[Ragged, Floats2d], width: int) -> Model[list[Doc], list[Floats2d]]:
    """Apply a layer to the characters of each distinct word, and look up the vector of each token.

    layer (Model[Ragged, Floats2d]): Code points of W words to (W, width).
    width (int): The output width.
    RETURNS (Model[list[Doc], list[Floats2d]]): For each document (tokens, width).
    """
    return Model(
        f"per_word({layer.name})",
        _forward,
        init=_init,
        layers=[layer],
        dims={"nO": width},
        attrs={PARTS: _parts},
    )


def _init(model: Model, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    # All dimensions are known.
    model.layers[0].initialize()


def _forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    ops, width = model.ops, model.get_dim("nO")
    tokens = TokenBatch(docs)
    if not len(tokens.orths):
        return [ops.alloc2f(0, width) for _ in docs], lambda d_vectors: []
    vectors, backprop_words = model.layers[0](_characters(model, tokens.texts), is_train)
    rows = ops.asarray1i(cast(Ints1d, tokens.rows))

    def backprop(d_vectors: list[Floats2d]) -> list[Doc]:
        d_words = ops.alloc2f(len(tokens.texts), width)
        ops.scatter_add(d_words, rows, ops.flatten(d_vectors))
        backprop_words(d_words)
        return []

    return unflatten(ops, vectors[rows], tokens.lengths), backprop


def _parts(model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch) -> list[Part]:
    words = tokens.texts
    vectors: Any = model.ops.alloc2f(0, model.get_dim("nO"))
    if words:
        vectors = model.layers[0].predict(_characters(model, words))
    return [Part(vectors, of_texts=True)]


def _characters(model: Model, words: list[str]) -> Ragged:
    """The code points of words, each between `BEGIN` and `END`."""
    text = "".join(f"{BEGIN}{word}{END}" for word in words)
    codes = cast(Ints1d, np.frombuffer(text.encode("utf-32-le"), dtype="<u4"))
    lengths = [len(word) + 2 for word in words]
    return Ragged(model.ops.asarray1i(codes, dtype="uint64"), model.ops.asarray1i(lengths))
