"""Embeddings of token features: the token itself, its neighbours, affixes, character types."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import numpy as np
from spacy.attrs import intify_attr
from spacy.strings import hash_string  # type: ignore[attr-defined]  # not in the stub
from spacy.tokens import Doc
from thinc.api import HashEmbed, Model, chain, concatenate, ragged2list, with_array
from thinc.types import Floats2d, Ints2d

from .character_types import character_types
from .dropout import check_rate
from .embeddings import PARTS, Part
from .ragged import list2ragged, unflatten
from .tokens import TokenBatch

BIGRAMS = ("BIGRAM_LEFT", "BIGRAM_RIGHT")
TYPE = "TYPE"
AFFIX = re.compile("(PREFIX|SUFFIX)_[1-9]")


def FeatureEmbed(
    features: list[str], widths: list[int], rows: list[int], feature_dropout: float = 0.0
) -> Model[list[Doc], list[Floats2d]]:
    """Embed each token by its features. Each feature is hashed into its own table (Svenstrup et al.
    2017, "Hash Embeddings"), and the vectors are concatenated.

    Made for tokens that are single characters, whose neighbours carry much of the meaning. Words
    work too, with spaCy's PREFIX, SUFFIX and SHAPE.

    features (list[str]): Names of spaCy's token attributes, such as "NORM" or "SUFFIX", and
        "BIGRAM_LEFT" / "BIGRAM_RIGHT" (the token with the one before / after it), "PREFIX_n" and
        "SUFFIX_n" (its first or last n characters) and "TYPE" (see `character_types`).
    widths (list[int]): The width of each feature's vectors.
    rows (list[int]): The number of rows of each feature's table. Twice the number of frequent
        values is plenty: each value is the sum of four rows, and few values share all four.
    feature_dropout (float): How often each feature of a token is hidden in training, so that the
        model learns to do without it: features of rare tokens are unreliable (after Iyyer et al.
        2015, "Deep Unordered Composition", who hide whole words).
    RETURNS (Model[list[Doc], list[Floats2d]]): The embedding, of width sum(widths).
    RAISES: ValueError for an unknown feature, lists of different lengths, a width or rows below 1,
        or a feature_dropout outside [0, 1).
    """
    if not len(features) == len(widths) == len(rows) > 0:
        raise ValueError(
            "FeatureEmbed: features, widths and rows must have the same length, at least 1; got "
            f"{len(features)}, {len(widths)} and {len(rows)}."
        )
    for feature in features:
        known = feature in BIGRAMS or feature == TYPE or AFFIX.fullmatch(feature)
        if not known and intify_attr(feature) is None:
            raise ValueError(
                f"FeatureEmbed: unknown feature {feature!r}. Expected an attribute of spaCy's "
                f"tokens (NORM, PREFIX, SUFFIX, SHAPE, ...), {', '.join(BIGRAMS)}, PREFIX_n, "
                f"SUFFIX_n with a number n, or {TYPE}."
            )
    if min(*widths, *rows) < 1:
        raise ValueError(
            f"FeatureEmbed: widths and rows must be at least 1; got {widths} and {rows}."
        )
    check_rate("FeatureEmbed: feature_dropout", feature_dropout)
    tables: list[Model[Any, Any]] = [
        HashEmbed(width, n_rows, column=i, seed=i + 1)
        for i, (width, n_rows) in enumerate(zip(widths, rows))
    ]
    model: Model[list[Doc], list[Floats2d]] = chain(
        TokenFeatures(features, feature_dropout),
        list2ragged(),
        with_array(concatenate(*tables) if len(tables) > 1 else tables[0]),
        ragged2list(),
    )
    model.set_dim("nO", sum(widths))
    model.attrs[PARTS] = _parts
    return model


def TokenFeatures(features: list[str], dropout: float = 0.0) -> Model[list[Doc], list[Ints2d]]:
    """Look up the features of each token.

    features (list[str]): See `FeatureEmbed`.
    dropout (float): How often each is hidden in training: replaced by 0, the hash of "".
    RETURNS (Model[list[Doc], list[Ints2d]]): For each document, (tokens, features) uint64 hashes.
    """
    # Not "dropout_rate", which `nlp.update` would set to the dropout of the vectors.
    attrs = {"features": features, "feature_dropout": dropout}
    return Model("token_features", _forward, attrs=attrs)


def _forward(
    model: Model[list[Doc], list[Ints2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Ints2d], Callable[[list[Ints2d]], list[Doc]]]:
    tokens, dropout = TokenBatch(docs), model.attrs["feature_dropout"]
    hashes = _features(tokens, model.attrs["features"])
    if is_train and dropout:
        hashes = np.where(np.random.random(hashes.shape) < dropout, np.uint64(0), hashes)
    array = model.ops.asarray2i(cast(Ints2d, hashes), dtype="uint64")
    return unflatten(model.ops, array, tokens.lengths), lambda d_features: []


def _parts(model: Model, tokens: TokenBatch) -> list[Part]:
    """What the layer predicts. A feature depends on the token's text alone if all tokens of the
    same text have the same value. Bigrams do not, nor the NORM of "'s"."""
    look_up, with_tables = model.layers[0], model.layers[2]
    hashes = _features(tokens, look_up.attrs["features"])
    of_texts = hashes[tokens.first]
    depends_on_text = (hashes == of_texts[tokens.rows]).all(axis=0)
    n_features = hashes.shape[1]
    tables = with_tables.layers[0].layers if n_features > 1 else with_tables.layers
    return [
        Part(table.predict(of_texts if flag else hashes), of_texts=bool(flag))
        for table, flag in zip(tables, depends_on_text)
    ]


def _features(tokens: TokenBatch, names: list[str]) -> np.ndarray:
    """(N, features) uint64 hashes."""
    computed = [name in BIGRAMS or name == TYPE or bool(AFFIX.fullmatch(name)) for name in names]
    looked_up = [name for name, flag in zip(names, computed) if not flag]
    found = tokens.attributes("NORM", *looked_up)
    columns = iter(found.T[1:])
    return np.stack(
        [
            _computed(tokens, name, found[:, 0]) if flag else next(columns)
            for name, flag in zip(names, computed)
        ],
        axis=1,
    )


def _computed(tokens: TokenBatch, name: str, norms: np.ndarray) -> np.ndarray:
    if name in BIGRAMS:
        # Rounded to the 53 bits of a double, which is what trained weights belong to.
        norms = norms.astype("f8").astype("u8")
        # 0, the hash of the empty string, stands for the outside of the document.
        left, right = norms.copy(), norms.copy()
        ends = tokens.lengths.cumsum()[tokens.lengths > 0]
        if name == "BIGRAM_LEFT":
            left[1:] = norms[:-1]
            left[np.append(0, ends)[: len(ends)]] = 0
        else:
            right[:-1] = norms[1:]
            right[ends - 1] = 0
        # Any odd factor distinguishes (a, b) from (b, a). HashEmbed hashes the result properly.
        return left * np.uint64(0x9E3779B97F4A7C15) ^ right
    hashes = [_hash_of_text(name, text) for text in tokens.texts]
    return np.array(hashes, dtype="uint64")[tokens.rows]


@lru_cache(maxsize=2**18)
def _hash_of_text(name: str, text: str) -> int:
    if name == TYPE:
        return hash_string(character_types(text))
    kind, length = name.split("_")
    return hash_string(text[: int(length)] if kind == "PREFIX" else text[-int(length) :])
