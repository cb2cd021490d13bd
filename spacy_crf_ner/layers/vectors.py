"""Pretrained word vectors, fine-tuned."""

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
import srsly
from spacy.strings import hash_string  # type: ignore[attr-defined]  # not in the stub
from spacy.tokens import Doc
from spacy.util import logger
from spacy.vectors import Mode
from spacy.vocab import Vocab
from thinc.api import Model, Ops, to_numpy, uniform_init
from thinc.types import Floats2d, FloatsXd, Ints1d

from .dropout import check_rate
from .embeddings import PARTS, Part
from .ragged import unflatten
from .shared import CHECK_LOADED, Shared
from .tokens import TokenBatch

# The row of the learned vector for tokens that do not occur in training.
UNKNOWN = 0
NAME = "vectors_embed"


class PretrainedVectors(Shared):
    """Word vectors, as a layer stores them."""

    @classmethod
    def in_vocab(cls, vocab: Vocab) -> "PretrainedVectors":
        """The vectors of a vocab, in half precision.

        vocab (Vocab): The vocab.
        RETURNS (PretrainedVectors): The vectors, of width 0 if there are none.
        RAISES: ValueError for floret vectors, which are not vectors of whole words, and for numbers
            that are not finite in half precision.
        """
        if vocab.vectors.mode != Mode.default:
            raise ValueError(
                "VectorsEmbed: the vocabulary has floret vectors, which are vectors of parts of "
                "words. Use `spacy init vectors` without --mode floret."
            )
        keys, rows = _keys_and_rows(vocab)
        # The table may have rows that belong to no word.
        used, rows = np.unique(rows, return_inverse=True)
        with np.errstate(over="ignore"):
            data = to_numpy(vocab.vectors.data)[used].astype("f2")
        _require_finite(data[rows], keys, vocab)
        return cls._of(keys, rows, np.pad(data, ((0, 1), (0, 0))))

    @classmethod
    def in_vocab_of_before(cls, vocab: Vocab) -> "PretrainedVectors":
        """The vectors of a vocab, as layers used them that did not store them: in full precision,
        with the last one for words that have none.

        vocab (Vocab): The vocab.
        RETURNS (PretrainedVectors): The vectors, of width 0 if there are none.
        """
        return cls._of(*_keys_and_rows(vocab), to_numpy(vocab.vectors.data))

    @classmethod
    def _of(cls, keys: np.ndarray, rows: np.ndarray, table: np.ndarray) -> "PretrainedVectors":
        message = {"keys": keys, "rows": rows.astype("i4"), "table": table}
        return cls.from_bytes(srsly.msgpack_dumps(message))

    def __init__(self, data: bytes) -> None:
        """Read the data. To create an object, call `in_vocab` or `from_bytes` instead.

        data (bytes): The data.
        RAISES: ValueError if the data is not that of vectors.
        """
        super().__init__(data)
        message = srsly.msgpack_loads(data)
        keys, rows, table = message["keys"], message["rows"], message["table"]
        _check_vectors(keys, rows, table)
        self._row_of: dict[int, int] = dict(zip(keys.tolist(), rows.tolist()))
        # The last row is for words without a vector.
        self._table = table
        self._tables: dict[str, Floats2d] = {}

    @property
    def width(self) -> int:
        """The width of the vectors."""
        return self._table.shape[1]

    def table(self, ops: Ops) -> Floats2d:
        """All vectors. The last one is for words without a vector.

        ops (Ops): The ops of the device that they are needed on.
        RETURNS (Floats2d): (rows, width) float32.
        """
        if ops.name not in self._tables:
            self._tables[ops.name] = ops.asarray2f(self._table.astype("f4"))
        return self._tables[ops.name]

    def rows(self, words: Sequence[tuple[int, str]]) -> np.ndarray:
        """Find the rows of words, or else of their compatibility forms or lower case.

        words (Sequence[tuple[int, str]]): The hash and the text of each.
        RETURNS (np.ndarray): (words,) the rows.
        """
        return np.array([self._row(key, text) for key, text in words], dtype="i")

    def _row(self, key: int, text: str) -> int:
        if key in self._row_of:
            return self._row_of[key]
        none = len(self._table) - 1
        form, lower = _similar_keys(text)
        return self._row_of.get(form, self._row_of.get(lower, none))


def _keys_and_rows(vocab: Vocab) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.array(sorted(vocab.vectors.key2row.items()), dtype="u8").reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].astype("i4")


def _require_finite(vectors: np.ndarray, keys: np.ndarray, vocab: Vocab) -> None:
    bad = keys[~np.isfinite(vectors).all(axis=1)]
    if len(bad):
        raise ValueError(
            f"VectorsEmbed: {len(bad):,} of the pretrained vectors are not finite or have numbers "
            f"above 65504, such as that of {vocab.strings[int(bad[0])]!r}. Remove them from the "
            "file that `spacy init vectors` reads."
        )


def _check_vectors(keys: np.ndarray, rows: np.ndarray, table: np.ndarray) -> None:
    """Check that each key has a row of the table, and that the table is one of finite numbers."""
    arrays = {"keys": (keys, "u", 1), "rows": (rows, "i", 1), "table": (table, "f", 2)}
    for name, (array, kind, ndim) in arrays.items():
        if not isinstance(array, np.ndarray) or (array.dtype.kind, array.ndim) != (kind, ndim):
            raise ValueError(f"VectorsEmbed: the vectors' {name} are no array of their type.")
    if len(keys) != len(rows) or (len(rows) and not 0 <= rows.min() <= rows.max() < len(table)):
        raise ValueError(f"VectorsEmbed: not each word has one of the {len(table)} vectors.")
    if not len(table) and table.shape[1]:
        raise ValueError("VectorsEmbed: there is no vector for words that have none.")
    if not np.isfinite(table).all():
        raise ValueError("VectorsEmbed: a vector has NaN or infinity in it.")


NO_VECTORS = PretrainedVectors.in_vocab(Vocab())


def _check_loaded(dims: dict[str, int | None], attrs: dict[str, Any]) -> None:
    """Check what a file has of the vectors, and of the tokens that have a learned one.

    dims (dict[str, int | None]): The dimensions of the layer.
    attrs (dict[str, Any]): Its attributes.
    RAISES: ValueError if the vectors have another width than the layer, or a row is not there.
    """
    width, n_rows = attrs["vectors"].width, dims["nV"]
    if width not in (0, dims["nO"]):
        raise ValueError(f"the vectors have the width {width}, the layer has {dims['nO']}.")
    for key, row in attrs["index"].items():
        if type(key) is not int or type(row) is not int or not UNKNOWN < row < (n_rows or 0):
            raise ValueError(f"the token {key!r:.40} has the row {row!r:.40} of {n_rows}.")


def VectorsEmbed(
    width: int, rows: int, token_dropout: float = 0.0
) -> Model[list[Doc], list[Floats2d]]:
    """Embed each token by the sum of its vector in the vocabulary (`initialize.vectors` in a
    config) and a learned vector. Tokens seen in training have a learned vector each. Unknown tokens
    share one.

    The vectors are copied, in half precision, when the layer is initialized. From then on, the
    layer does not depend on the vocabulary.

    A token without a vector gets that of its compatibility form (Unicode NFKC) or of its lower
    case: "，" gets that of ",". If the vocabulary has no vectors at all, everything is learned.

    width (int): The width if the vocabulary has no vectors. Otherwise theirs is used.
    rows (int): How many tokens get a learned vector: the first ones seen in training.
    token_dropout (float): How often a token counts as unknown in training, so that the model learns
        to handle unknown tokens.
    RETURNS (Model[list[Doc], list[Floats2d]]): The embedding.
    RAISES: ValueError for a width or rows below 1 or a token_dropout outside [0, 1).
    """
    if width < 1 or rows < 1:
        raise ValueError(f"VectorsEmbed: width and rows must be at least 1; got {width}, {rows}.")
    check_rate("VectorsEmbed: token_dropout", token_dropout)
    return Model(
        NAME,
        _forward,
        init=_init,
        dims={"nO": None, "nV": rows + 1},
        params={"E": None},
        # index: the row of each token, by its hash. It grows in training.
        attrs={
            "width": width,
            "token_dropout": token_dropout,
            "index": {},
            "vectors": NO_VECTORS,
            "has_vectors": False,
            CHECK_LOADED: _check_loaded,
            PARTS: _parts,
        },
    )


def assign_rows(model: Model, docs: Sequence[Doc]) -> None:
    """Give the tokens of documents a learned vector each in all layers `VectorsEmbed` of a network,
    as training on them does.

    model (Model): The network.
    docs (Sequence[Doc]): The documents.
    """
    for node in model.walk():
        if node.name == NAME:
            tokens = np.unique(np.concatenate([doc.to_array("ORTH") for doc in docs]))
            _rows(node.attrs["index"], tokens.tolist(), node.get_dim("nV"))


def _init(model: Model, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    vectors = PretrainedVectors.in_vocab(X[0].vocab) if X else NO_VECTORS
    rows, width = model.get_dim("nV"), vectors.width or model.attrs["width"]
    if vectors.width:
        learned: FloatsXd = model.ops.alloc2f(rows, width)
    else:
        logger.info("VectorsEmbed: the vocabulary has no vectors, so all of them are learned.")
        learned = uniform_init(model.ops, (rows, width))
    model.attrs.update(vectors=vectors, has_vectors=True)
    model.set_dim("nO", width)
    model.set_param("E", learned)


def _pretrained(model: Model[list[Doc], list[Floats2d]], vocab: Vocab) -> PretrainedVectors:
    if not model.attrs["has_vectors"]:
        # Saved by a version that left the vectors in the vocab: copy them now.
        vectors = PretrainedVectors.in_vocab_of_before(vocab)
        if vectors.width not in (0, model.get_dim("nO")):
            raise ValueError(
                "VectorsEmbed: the model was saved by an earlier version, which left the vectors "
                "in the pipeline's vocab, but the documents' vocab has others. Load the whole "
                "pipeline, tag a document and save the pipeline. Then the model has the vectors."
            )
        model.attrs.update(vectors=vectors, has_vectors=True)
    return model.attrs["vectors"]


def _forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    ops, E = model.ops, cast(Floats2d, model.get_param("E"))
    tokens = TokenBatch(docs)
    if not len(tokens.orths):
        return unflatten(ops, ops.alloc2f(0, E.shape[1]), tokens.lengths), lambda d_vectors: []
    token_rows = _rows(
        model.attrs["index"], tokens.distinct.tolist(), E.shape[0] if is_train else 0
    )
    learned = token_rows[tokens.rows]
    if is_train and model.attrs["token_dropout"]:
        hidden = np.random.random(learned.shape) < model.attrs["token_dropout"]
        learned = np.where(hidden, UNKNOWN, learned)
    rows = ops.asarray1i(cast(Ints1d, learned))
    vectors = E[rows]
    pretrained = _pretrained_vectors(model, tokens)
    if pretrained is not None:
        vectors = vectors + pretrained[ops.asarray1i(cast(Ints1d, tokens.rows))]

    def backprop(d_vectors: list[Floats2d]) -> list[Doc]:
        dE = ops.alloc2f(*E.shape)
        ops.scatter_add(dE, rows, ops.flatten(d_vectors))
        model.inc_grad("E", dE)
        return []

    return unflatten(ops, vectors, tokens.lengths), backprop


def _parts(model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch) -> list[Part]:
    vectors = cast(Any, model.get_param("E"))
    vectors = vectors[_rows(model.attrs["index"], tokens.distinct.tolist(), 0)]
    if len(vectors):
        pretrained = _pretrained_vectors(model, tokens)
        if pretrained is not None:
            vectors = vectors + pretrained
    return [Part(vectors, of_texts=True)]


def _pretrained_vectors(
    model: Model[list[Doc], list[Floats2d]], tokens: TokenBatch
) -> Floats2d | None:
    """(L, width) the pretrained vectors of the distinct texts; None if there are none."""
    pretrained = _pretrained(model, tokens.docs[0].vocab)
    if not pretrained.width:
        return None
    found = pretrained.rows(list(zip(tokens.distinct.tolist(), tokens.texts)))
    return pretrained.table(model.ops)[model.ops.asarray1i(cast(Ints1d, found))]


def _rows(index: dict[int, int], keys: list[int], capacity: int) -> np.ndarray:
    """The rows of tokens. Those without one get a new one until capacity is reached."""
    for key in keys:
        if len(index) + 1 >= capacity:
            break
        index.setdefault(key, len(index) + 1)
    return np.array([index.get(key, UNKNOWN) for key in keys], dtype="i")


@lru_cache(maxsize=2**16)
def _similar_keys(text: str) -> tuple[int, int]:
    form = unicodedata.normalize("NFKC", text)
    return hash_string(form), hash_string(form.lower())
