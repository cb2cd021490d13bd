"""Token embeddings from the pretrained vectors of the words around a token."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, cast

import numpy as np
import srsly
import torch
from spacy.tokens import Doc
from thinc.api import Model, glorot_uniform_init
from thinc.types import Floats2d
from torch import Tensor
from torch.nn.functional import embedding_bag, linear

from ..lexicon import SEPARATOR, WordFinder, places_in_words
from .dropout import check_rate
from .embeddings import PARTS, Part
from .ragged import unflatten
from .shared import CHECK_LOADED, Shared
from .tokens import TokenBatch
from .torch_function import apply_torch

# A token's places in words: the first token, a middle one, the last one, or the only one.
BEGIN, MIDDLE, END, ONLY = range(4)
N_PLACES = 4
# Vectors of unit deviation would outweigh the embeddings beside them.
SCALE = 0.3


class WordVectors(Shared):
    """Words and their vectors, as a layer stores them."""

    @classmethod
    def of(cls, words: Iterable[str], table: np.ndarray) -> "WordVectors":
        """Store words. Those of one character are left out: `VectorsEmbed` is for these.

        words (Iterable[str]): The words.
        table (np.ndarray): (words, D) their vectors, which are stored in half precision.
        RETURNS (WordVectors): The words and vectors.
        RAISES: ValueError for a number that is not finite in half precision.
        """
        rows = {word: i for i, word in enumerate(words) if len(word) > 1 and SEPARATOR not in word}
        with np.errstate(over="ignore"):
            kept = table[list(rows.values())].astype("f2")
        bad = np.flatnonzero(~np.isfinite(kept).all(axis=1))
        if len(bad):
            raise ValueError(
                f"SoftLexicon: {len(bad):,} of the words' vectors are not finite or have numbers "
                f"above 65504, such as that of {list(rows)[bad[0]]!r}. Remove them from the file."
            )
        return cls.from_bytes(srsly.msgpack_dumps({"words": SEPARATOR.join(rows), "table": kept}))

    def __init__(self, data: bytes) -> None:
        """Read the data. To create an object, call `of` or `from_bytes` instead.

        data (bytes): The data.
        RAISES: ValueError if the data is not that of words and their vectors.
        """
        super().__init__(data)
        message = srsly.msgpack_loads(data)
        text, self._table = message["words"], message["table"]
        self.words: list[str] = text.split(SEPARATOR) if text else []
        if not isinstance(self._table, np.ndarray) or self._table.ndim != 2:
            raise ValueError("SoftLexicon: the vectors are no table.")
        if len(self.words) != len(self._table) or self._table.dtype.kind != "f":
            raise ValueError("SoftLexicon: not each word has a vector.")
        if not np.isfinite(self._table).all():
            raise ValueError("SoftLexicon: a vector has NaN or infinity in it.")

    @property
    def width(self) -> int:
        """The width of the vectors; 0 without any."""
        return self._table.shape[1] if self.words else 0

    @cached_property
    def table(self) -> Tensor:
        """(words, D) float32 the vectors."""
        return torch.from_numpy(SCALE * self._table.astype("f4"))

    @cached_property
    def find(self) -> WordFinder:
        """What finds the words, built when it is first used."""
        return WordFinder(self.words)


NO_WORDS = WordVectors.of([], np.zeros((0, 0)))


def SoftLexicon(
    vectors: Callable[[], WordVectors], width: int = 64, feature_dropout: float = 0.0
) -> Model[list[Doc], list[Floats2d]]:
    """Embed each token by the pretrained vectors of the words that it is part of (SoftLexicon, Ma
    et al. 2020, "Simplify the Usage of Lexicon in Chinese NER"): of those that begin with it, those
    that it is in the middle of, those that end with it, and it alone. The four means of vectors go
    through a linear layer.

    Words count if they begin and end at token boundaries, even if they overlap. Their vectors are
    not changed by training. Ma et al. weight words by their frequency and fine-tune them.

    vectors (Callable[[], WordVectors]): Reads the words. It is called when the layer is
        initialized. From then on, the layer has them. Without any, the output is 0.
    width (int): The output width.
    feature_dropout (float): How often each word found is hidden in training.
    RETURNS (Model[list[Doc], list[Floats2d]]): The embedding.
    RAISES: ValueError for a width below 1 or a feature_dropout outside [0, 1).
    """
    if width < 1:
        raise ValueError(f"SoftLexicon: width must be at least 1, got {width}.")
    check_rate("SoftLexicon: feature_dropout", feature_dropout)
    return Model(
        "soft_lexicon",
        _forward,
        init=_init,
        # Not "nI", which would be the width of an array of inputs.
        dims={"nO": width, "nM": None},
        params={"W": None, "b": None},
        attrs={
            "read_vectors": vectors,
            "word_vectors": NO_WORDS,
            "feature_dropout": feature_dropout,
            CHECK_LOADED: _check_loaded,
            PARTS: _parts,
        },
    )


def _init(
    model: Model[list[Doc], list[Floats2d]], X: list[Doc] | None = None, Y: object = None
) -> None:
    found: WordVectors = model.attrs["read_vectors"]()
    model.attrs["word_vectors"] = found
    width = _width_of_means(found)
    model.set_dim("nM", width)
    model.set_param("W", glorot_uniform_init(model.ops, (model.get_dim("nO"), width)))
    model.set_param("b", model.ops.alloc1f(model.get_dim("nO")))


def _width_of_means(found: WordVectors) -> int:
    # A dimension is at least 1, even if it is for nothing.
    return max(N_PLACES * found.width, 1)


def _check_loaded(dims: dict[str, int | None], attrs: dict[str, Any]) -> None:
    """Check what a file has of the words.

    dims (dict[str, int | None]): The dimensions of the layer.
    attrs (dict[str, Any]): Its attributes.
    RAISES: ValueError if the vectors have another width than the layer has weights for.
    """
    expected = _width_of_means(attrs["word_vectors"])
    if dims["nM"] != expected:
        raise ValueError(f"the words' means have the width {expected}, the layer has {dims['nM']}.")


def _forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    ops, tokens = model.ops, TokenBatch(docs)
    if not model.attrs["word_vectors"].width or not len(tokens.orths):
        zeros = ops.alloc2f(len(tokens.orths), model.get_dim("nO"))
        return unflatten(ops, zeros, tokens.lengths), lambda dYs: []
    means = _means(model, tokens, model.attrs["feature_dropout"] if is_train else 0.0)
    Y, backprop_linear = apply_torch(model, _linear, ops.asarray2f(means), is_train)

    def backprop(dYs: list[Floats2d]) -> list[Doc]:
        backprop_linear(ops.flatten(dYs))
        return []

    return unflatten(ops, Y, tokens.lengths), backprop


def _parts(model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch) -> list[Part]:
    if not model.attrs["word_vectors"].width or not len(tokens.orths):
        zeros: Any = model.ops.alloc2f(len(tokens.distinct), model.get_dim("nO"))
        return [Part(zeros, of_texts=True)]
    vectors: Any = apply_torch(model, _linear, _means(model, tokens, 0.0), is_train=False)[0]
    return [Part(vectors, of_texts=False)]


def _linear(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return linear(X, W, b)


def _means(model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch, dropout: float) -> Floats2d:
    """(N, 4 * D) for each token and each place, the mean of the vectors of the words."""
    found: WordVectors = model.attrs["word_vectors"]
    word, first, last = found.find(*tokens.joined(SEPARATOR))
    if dropout:
        seen = np.random.random(len(word)) >= dropout
        word, first, last = word[seen], first[seen], last[seen]
    which, token, step, lengths = places_in_words(first, last)
    inner = np.where(step == 0, BEGIN, np.where(step == lengths - 1, END, MIDDLE))
    bag = token * N_PLACES + np.where(lengths == 1, ONLY, inner)
    order = bag.argsort(kind="stable")
    n_bags = N_PLACES * len(tokens.orths)
    starts = np.searchsorted(bag[order], np.arange(n_bags))
    rows, offsets = torch.from_numpy(word[which][order]), torch.from_numpy(starts)
    means = embedding_bag(rows, found.table, offsets, mode="mean")
    return cast(Floats2d, means.view(len(tokens.orths), -1).numpy())
