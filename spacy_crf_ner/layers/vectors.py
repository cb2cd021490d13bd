"""Pretrained vectors, fine-tuned."""

import unicodedata
from functools import lru_cache
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np
from spacy.strings import hash_string
from spacy.tokens import Doc
from spacy.util import logger
from spacy.vocab import Vocab
from thinc.api import Model, uniform_init
from thinc.types import Floats2d

# What is learned for tokens that training did not meet.
UNKNOWN = 0


def VectorsEmbed(
    width: int, rows: int, token_dropout: float = 0.0
) -> Model[List[Doc], List[Floats2d]]:
    """Embed each token by the vector that the vocabulary has of it (`initialize.vectors` in a
    config), fine-tuned: what is learned is added. Each token that training meets has a row for
    that; one that it never met keeps its vector and gets what was learned for unknown tokens.

    A token without a vector has that of its compatibility form or of its lower case, such as "，"
    that of "," (Unicode NFKC). If the vocabulary has no vectors at all, all is learned.

    width (int): The width if the vocabulary has no vectors; otherwise theirs.
    rows (int): For how many tokens something is learned: those that training meets first.
    token_dropout (float): How often a token counts as unknown in training, which teaches the model
        what to do with those that it will never have met.
    RETURNS (Model[List[Doc], List[Floats2d]]): The embedding.
    RAISES: ValueError for a width or rows below 1 or a token_dropout outside [0, 1).
    """
    if width < 1 or rows < 1:
        raise ValueError(f"VectorsEmbed: width and rows must be at least 1; got {width}, {rows}.")
    if not 0 <= token_dropout < 1:
        raise ValueError(
            f"VectorsEmbed: token_dropout must be at least 0 and below 1, got {token_dropout}."
        )
    return Model(
        "vectors_embed",
        _forward,
        init=_init,
        dims={"nO": None, "nV": rows + 1},
        params={"E": None},
        # The row of each token, by its hash. Grows in training.
        attrs={"width": width, "token_dropout": token_dropout, "index": {}},
    )


def _init(model: Model, X: Optional[List[Doc]] = None, Y: Optional[List[Floats2d]] = None) -> None:
    vectors = X[0].vocab.vectors if X else None
    rows, width = model.get_dim("nV"), model.attrs["width"]
    if vectors is not None and vectors.shape[1]:
        width = vectors.shape[1]
        learned = model.ops.alloc2f(rows, width)
    else:
        logger.info("VectorsEmbed: the vocabulary has no vectors, so all of them are learned.")
        learned = uniform_init(model.ops, (rows, width))
    model.set_dim("nO", width)
    model.set_param("E", learned)


def _forward(
    model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], List[Doc]]]:
    ops, E = model.ops, model.get_param("E")
    lengths = [len(doc) for doc in docs]
    keys = np.concatenate([doc.to_array("ORTH") for doc in docs])
    if not len(keys):
        return ops.unflatten(ops.alloc2f(0, E.shape[1]), lengths), lambda d_vectors: []
    tokens, where = np.unique(keys, return_inverse=True)
    token_rows = _rows(model.attrs["index"], tokens.tolist(), E.shape[0] if is_train else 0)
    rows = token_rows[where]
    if is_train and model.attrs["token_dropout"]:
        hidden = np.random.random(rows.shape) < model.attrs["token_dropout"]
        rows = np.where(hidden, UNKNOWN, rows)
    rows = ops.asarray1i(rows)
    vectors = E[rows]
    if docs[0].vocab.vectors.shape[1]:
        vectors = vectors + _pretrained(docs[0].vocab, tokens)[ops.asarray1i(where)]

    def backprop(d_vectors: List[Floats2d]) -> List[Doc]:
        dE = ops.alloc2f(*E.shape)
        ops.scatter_add(dE, rows, ops.flatten(d_vectors))
        model.inc_grad("E", dE)
        return []

    return ops.unflatten(vectors, lengths), backprop


def _rows(index: Dict[int, int], keys: List[int], capacity: int) -> np.ndarray:
    """The rows of tokens; new ones for those without, as long as there are less than capacity."""
    for key in keys:
        if len(index) + 1 >= capacity:
            break
        index.setdefault(key, len(index) + 1)
    return np.array([index.get(key, UNKNOWN) for key in keys], dtype="i")


def _pretrained(vocab: Vocab, keys: np.ndarray) -> Floats2d:
    """(K, nO): the vectors of tokens, 0 where there is none."""
    known = [key if key in vocab.vectors else _similar(vocab, key) for key in keys.tolist()]
    return vocab.vectors.get_batch(known)


def _similar(vocab: Vocab, key: int) -> int:
    for similar in _similar_keys(vocab.strings[key]):
        if similar in vocab.vectors:
            return similar
    return key


@lru_cache(maxsize=2**16)
def _similar_keys(text: str) -> Tuple[int, int]:
    form = unicodedata.normalize("NFKC", text)
    return hash_string(form), hash_string(form.lower())
