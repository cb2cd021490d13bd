"""Token embeddings from the lexicon words that a token is part of."""

import zlib
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Optional, cast

import numpy as np
import srsly
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, uniform_init
from thinc.types import Floats2d, Ints1d

from ..lexicon import SEPARATOR, Matcher, find_lexicon, join_words, places_in_words
from .dropout import check_rate
from .embeddings import PARTS, Part
from .ragged import unflatten
from .shared import CHECK_LOADED, Shared
from .tokens import TokenBatch

NAME = "lexicon_embed"
# A token's place in a word: the only token; or the first, a middle or the last token of a word of
# 2, 3, or 4 and more tokens. M2 does not occur, and only makes the arithmetic simpler.
SHAPES = ("S", "B2", "M2", "E2", "B3", "M3", "E3", "B4", "M4", "E4")

# How much longer than zipped words may be. Far more than the words of a language ever are, and few
# enough that a small file does not fill the memory.
MAX_RATIO = 100

_HOW_TO = """Add one before the model is initialized:

[initialize.before_init]
@callbacks = "spacy_crf_ner.add_lexicon.v1"
jieba = true
gazetteers = ["assets/places.txt"]

Without a config, call `add_lexicon(jieba=True)(nlp)`, from `spacy_crf_ner.training.lexicon`.
Note that [initialize.lookups] would replace the lexicon."""


class Lexicon(Shared):
    """Words and their classes, as a layer stores them."""

    @classmethod
    def of(cls, entries: Iterable[tuple[str, str]]) -> "Lexicon":
        """Make a lexicon.

        entries (Iterable[tuple[str, str]]): Words and their classes; a word may have several.
        RETURNS (Lexicon): The lexicon.
        """
        return cls._of_texts(join_words(entries))

    @classmethod
    def in_vocab(cls, vocab: Vocab) -> Optional["Lexicon"]:
        """The lexicon that `spacy_crf_ner.lexicon.set_lexicon` stored in a vocab.

        vocab (Vocab): The vocab.
        RETURNS (Lexicon | None): The lexicon, or None if there is none.
        """
        texts = find_lexicon(vocab)
        return None if texts is None else cls._of_texts(texts)

    @classmethod
    def _of_texts(cls, texts: dict[str, str]) -> "Lexicon":
        return cls.from_bytes(zlib.compress(srsly.msgpack_dumps(texts)))

    @cached_property
    def matcher(self) -> Matcher:
        """The matcher that finds the words, built when it is first used."""
        return Matcher(self.texts())

    def texts(self) -> dict[str, str]:
        """The words of each class, as `Matcher` takes them.

        RETURNS (dict[str, str]): The words.
        RAISES: ValueError if the data is something else.
        """
        unzip = zlib.decompressobj()
        try:
            data = unzip.decompress(self.data, MAX_RATIO * len(self.data))
            if not unzip.eof:
                raise ValueError(f"it is cut off, or over {MAX_RATIO} times as long unzipped")
            texts = srsly.msgpack_loads(data)
            if not all(isinstance(each, str) for each in (*texts, *texts.values())):
                raise TypeError("not all of it are strings")
        # Those of zlib and msgpack, each of which has errors of its own.
        except Exception as error:
            raise ValueError(f"the lexicon is no table of words ({error}).") from error
        return texts


NO_WORDS = Lexicon.of([])


def _check_loaded(dims: dict[str, int | None], attrs: dict[str, Any]) -> None:
    """Check what a file has of a lexicon.

    dims (dict[str, int | None]): The dimensions of the layer.
    attrs (dict[str, Any]): Its attributes.
    RAISES: ValueError if the classes or the words are not as they should be.
    """
    classes = attrs["classes"]
    if not all(isinstance(name, str) for name in classes) or len(set(classes)) < len(classes):
        raise ValueError(f"the classes must be strings, each once, got {classes!r:.100}.")
    new = attrs["lexicon"].texts().keys() - set(classes)
    if attrs["has_lexicon"] and new:
        raise ValueError(f"the lexicon has the class {min(new)!r:.100}, which has no weights.")


def LexiconEmbed(width: int, feature_dropout: float = 0.0) -> Model[list[Doc], list[Floats2d]]:
    """Embed each token by its place in lexicon words: the sum of the learned vectors of its
    features. Each word that contains the token gives it a feature: the word's class, the word's
    length in tokens and the token's place in it.

    Words count if they begin and end at token boundaries, even if they overlap. A feature that a
    token has twice counts once. This is simpler than the SoftLexicon of Ma et al. (2020), "Simplify
    the Usage of Lexicon in Chinese NER", whose features are the words themselves: classes need few
    weights, and words can be changed after training (see `set_words`).

    width (int): The output width.
    feature_dropout (float): How often each word found is hidden in training, so that the model
        learns to do without it: no lexicon has all names.
    RETURNS (Model[list[Doc], list[Floats2d]]): The embedding. When it is initialized, it copies the
        lexicon of the documents' vocab. From then on, it does not depend on the vocab.
    RAISES: ValueError for a width below 1 or a feature_dropout outside [0, 1).
    """
    if width < 1:
        raise ValueError(f"LexiconEmbed: width must be at least 1, got {width}.")
    check_rate("LexiconEmbed: feature_dropout", feature_dropout)
    return Model(
        NAME,
        _forward,
        init=_init,
        dims={"nO": width},
        params={"W": None},
        # Not "dropout_rate", which `nlp.update` would set to the dropout of the vectors.
        attrs={
            "classes": [],
            "feature_dropout": feature_dropout,
            "lexicon": NO_WORDS,
            "has_lexicon": False,
            CHECK_LOADED: _check_loaded,
            PARTS: _parts,
        },
    )


def set_words(model: Model, entries: Iterable[tuple[str, str]]) -> int:
    """Replace the words of all `LexiconEmbed` layers in a trained network. Their classes must be
    ones that the layers were trained with.

    model (Model): The network, such as `nlp.get_pipe("crf_ner").model`.
    entries (Iterable[tuple[str, str]]): Words and their classes; a word may have several.
    RETURNS (int): The number of such layers.
    RAISES: ValueError for a class that a layer does not know.
    """
    lexicon = Lexicon.of(entries)
    layers = [node for node in model.walk() if node.name == NAME]
    for layer in layers:
        _rows_of_classes(lexicon.matcher, layer.attrs["classes"])
    for layer in layers:
        layer.attrs.update(lexicon=lexicon, has_lexicon=True)
    return len(layers)


def _init(
    model: Model[list[Doc], list[Floats2d]], X: list[Doc] | None = None, Y: object = None
) -> None:
    lexicon = Lexicon.in_vocab(X[0].vocab) if X else None
    if lexicon is None:
        raise ValueError(f"LexiconEmbed: the pipeline's vocab has no lexicon. {_HOW_TO}")
    classes = list(lexicon.matcher.classes)
    model.attrs.update(lexicon=lexicon, has_lexicon=True, classes=classes)
    shape = (len(classes) * len(SHAPES), model.get_dim("nO"))
    model.set_param("W", uniform_init(model.ops, shape))


def _forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    ops, W = model.ops, cast(Floats2d, model.get_param("W"))
    batch = TokenBatch(docs)
    dropout = model.attrs["feature_dropout"] if is_train else 0.0
    Y, features, tokens = _embed(model, batch, dropout)

    def backprop(dYs: list[Floats2d]) -> list[Doc]:
        dW = ops.alloc2f(*W.shape)
        if len(tokens):
            ops.scatter_add(dW, features, ops.flatten(dYs)[tokens])
        model.inc_grad("W", dW)
        return []

    return unflatten(ops, Y, batch.lengths), backprop


def _parts(model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch) -> list[Part]:
    vectors: Any = _embed(model, tokens, dropout=0.0)[0]
    return [Part(vectors, of_texts=False)]


def _embed(
    model: Model[list[Doc], list[Floats2d]], batch: TokenBatch, dropout: float
) -> tuple[Floats2d, Ints1d, Ints1d]:
    """(N, nO) the vectors; the rows of W used, and the token that each is used for."""
    ops, W = model.ops, cast(Floats2d, model.get_param("W"))
    found = _features(model, batch, dropout)
    features, tokens = (ops.asarray1i(cast(Ints1d, array)) for array in found)
    Y = ops.alloc2f(len(batch.rows), W.shape[1])
    # Not reduce_sum, which waits for the GPU.
    ops.scatter_add(Y, tokens, W[features])
    return Y, features, tokens


def _features(
    model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch, dropout: float
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of W used, and the token that each is used for."""
    n_tokens = len(tokens.rows)
    if not n_tokens:
        return np.zeros(0, dtype="i"), np.zeros(0, dtype="i")
    matcher, classes = _matcher(model, tokens.docs[0].vocab), model.attrs["classes"]
    first, last, label = matcher(*tokens.joined(SEPARATOR))
    if dropout:
        # All classes of a word are hidden together.
        _, word = np.unique(first * n_tokens + last, return_inverse=True)
        seen = np.random.random(len(word))[word] >= dropout
        first, last, label = first[seen], last[seen], label[seen]
    label = _rows_of_classes(matcher, classes)[label]
    word, token, step, lengths = places_in_words(first, last)
    place = np.where(step == 0, 0, np.where(step == lengths - 1, 2, 1))
    shape = np.where(lengths == 1, 0, 1 + 3 * (np.minimum(lengths, 4) - 2) + place)
    n_rows = len(classes) * len(SHAPES)
    features = np.unique(token * n_rows + label[word] * len(SHAPES) + shape)
    token, row = np.divmod(features, n_rows)
    return row, token


def _matcher(model: Model[list[Doc], list[Floats2d]], vocab: Vocab) -> Matcher:
    if not model.attrs["has_lexicon"]:
        # Saved by a version that left the lexicon in the vocab: copy it now.
        lexicon = Lexicon.in_vocab(vocab)
        if lexicon is None:
            raise ValueError(
                "LexiconEmbed: the model was saved by an earlier version, which left the lexicon "
                "in the pipeline's vocab, but the documents have another vocab. Load the whole "
                "pipeline, tag a document and save the pipeline. Then the model has the lexicon."
            )
        model.attrs.update(lexicon=lexicon, has_lexicon=True)
    return model.attrs["lexicon"].matcher


def _rows_of_classes(matcher: Matcher, classes: list[str]) -> np.ndarray:
    """The index of each of the matcher's classes among those that the model has weights for."""
    new = sorted(set(matcher.classes) - set(classes))
    if new:
        raise ValueError(
            f"LexiconEmbed: the lexicon has classes that the model was not trained with: "
            f"{', '.join(new)}. Give the words one of {', '.join(classes)}, or train a new model."
        )
    return np.array([classes.index(name) for name in matcher.classes], dtype="i8")
