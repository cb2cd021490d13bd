"""Embeddings that are stored once for each distinct token of a batch."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.layers.concatenate import forward as concatenate
from thinc.types import Floats2d

from .tokens import TokenBatch

# The attribute of an embedding layer with a function that returns the layer's output as parts:
# of the layer and a batch.
PARTS = "parts"
# The attribute of an encoder that takes `Embeddings`.
TAKES_EMBEDDINGS = "takes_embeddings"


class Part(NamedTuple):
    """Consecutive columns of the embeddings of a batch.

    vectors (np.ndarray): (L, width) if they depend on the token's text alone: one row for each of
        the batch's distinct texts. Otherwise (N, width), one row for each token.
    of_texts (bool): Whether they depend on the text alone.
    """

    vectors: np.ndarray
    of_texts: bool


class Embeddings:
    """The embeddings of a batch, (N, width) in all, on the CPU.

    Most of an embedding depends on the token's text alone, and most tokens of a batch occur in it
    several times. So what a linear layer makes of that part is computed once for each distinct
    text.

    lengths (np.ndarray): (B,) the number of tokens of each document.
    rows (np.ndarray): (N,) the distinct text of each token.
    parts (list[Part]): The columns, in order.
    """

    def __init__(self, lengths: np.ndarray, rows: np.ndarray, parts: Sequence[Part]) -> None:
        """Store the parts.

        lengths (np.ndarray): (B,) the number of tokens of each document.
        rows (np.ndarray): (N,) the distinct text of each token.
        parts (Sequence[Part]): The columns, in order.
        """
        self.lengths = lengths
        self.rows = rows
        self.parts = list(parts)

    @classmethod
    def of_array(cls, X: np.ndarray, lengths: np.ndarray) -> "Embeddings":
        """Embeddings of which nothing is known.

        X (np.ndarray): (N, width).
        lengths (np.ndarray): (B,) the number of tokens of each document.
        RETURNS (Embeddings): The same numbers.
        """
        return cls(lengths, np.zeros(len(X), dtype="i8"), [Part(X, of_texts=False)])

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self, *, of_texts: bool) -> list[slice]:
        """The columns of one kind.

        of_texts (bool): Those that depend on the token's text alone, or the others.
        RETURNS (list[slice]): Ranges of columns.
        """
        ends = np.cumsum([part.vectors.shape[1] for part in self.parts]).tolist()
        return [
            slice(end - part.vectors.shape[1], end)
            for part, end in zip(self.parts, ends)
            if part.of_texts == of_texts
        ]

    @cached_property
    def of_texts(self) -> np.ndarray:
        """(L, width) the columns that depend on the token's text alone."""
        return self._side_by_side(self.rows.max(initial=-1) + 1, of_texts=True)

    @cached_property
    def of_tokens(self) -> np.ndarray:
        """(N, width) the other columns."""
        return self._side_by_side(len(self), of_texts=False)

    def _side_by_side(self, n_rows: int, *, of_texts: bool) -> np.ndarray:
        found = [part.vectors for part in self.parts if part.of_texts == of_texts]
        return np.concatenate([np.zeros((n_rows, 0), dtype="f"), *found], axis=1)

    def array(self) -> np.ndarray:
        """The embeddings of all tokens.

        RETURNS (np.ndarray): (N, width).
        """
        return np.concatenate(
            [part.vectors[self.rows] if part.of_texts else part.vectors for part in self.parts],
            axis=1,
        )


def embed_in_parts(model: Model[list[Doc], list[Floats2d]], docs: Sequence[Doc]) -> Embeddings:
    """Embed documents, for prediction.

    model (Model[list[Doc], list[Floats2d]]): Any embedding layer; those of this package and their
        concatenation compute what depends on a token's text alone once for each distinct text.
    docs (Sequence[Doc]): The documents.
    RETURNS (Embeddings): What `model.predict` returns, in parts.
    """
    tokens = TokenBatch(docs)
    return Embeddings(tokens.lengths, tokens.rows, _parts(model, tokens))


def _parts(model: Model[Any, Any], tokens: TokenBatch) -> list[Part]:
    if PARTS in model.attrs:
        return model.attrs[PARTS](model, tokens)
    # It has no attribute of ours, and no name of its own.
    if model._func is concatenate:
        return [part for layer in model.layers for part in _parts(layer, tokens)]
    vectors = model.ops.flatten(model.predict(list(tokens.docs)))
    return [Part(cast(Any, vectors), of_texts=False)]
