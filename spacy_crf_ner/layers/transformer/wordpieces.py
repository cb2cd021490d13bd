"""The wordpieces of documents, and the tokens that they are part of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc


class Wordpieces(NamedTuple):
    """The N wordpieces of a document, without special tokens.

    ids (list[int]): Their ids in the encoder's vocabulary.
    first (np.ndarray): (N,) the first token that each is part of.
    end (np.ndarray): (N,) one past the last token; equal to `first` if it is part of none.
    """

    ids: list[int]
    first: np.ndarray
    end: np.ndarray


def split_into_wordpieces(tokenizer: Any, docs: Sequence[Doc]) -> list[Wordpieces]:
    """Split documents into wordpieces, without truncation.

    A fast tokenizer says which characters a piece stands for, so it is given whole texts, and a
    piece may be part of several tokens. A slow one is given the tokens one by one.

    tokenizer (PreTrainedTokenizerBase): The encoder's tokenizer.
    docs (Sequence[Doc]): The documents.
    RETURNS (list[Wordpieces]): The wordpieces of each.
    """
    if not tokenizer.is_fast:
        return [_split_tokens(tokenizer, doc) for doc in docs]
    encoded = tokenizer(
        [doc.text for doc in docs],
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # no warnings about texts that are longer than the encoder's limit
    )
    return [
        _find_tokens(doc, ids, np.array(offsets, dtype="i8").reshape(-1, 2))
        for doc, ids, offsets in zip(docs, encoded["input_ids"], encoded["offset_mapping"])
    ]


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that an encoder expects around a text.

    tokenizer (PreTrainedTokenizerBase): The encoder's tokenizer.
    RETURNS (tuple[list[int], list[int]]): The ids before and the ids after the text.
    """
    # Not build_inputs_with_special_tokens, which ignores those that only tokenizer.json defines.
    encoded = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    n_before, n_after = special.index(0), special[::-1].index(0)
    return ids[:n_before], ids[len(ids) - n_after :]


def align(pieces: Wordpieces, n_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """List the wordpieces of each token.

    pieces (Wordpieces): The wordpieces of a document.
    n_tokens (int): The number of tokens in the document.
    RETURNS (tuple[np.ndarray, np.ndarray]): The wordpieces of the first token, the second and so
        on; and the number of wordpieces of each token.
    """
    counts = pieces.end - pieces.first
    piece = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    token = np.repeat(pieces.first, counts) + step
    return piece[token.argsort(kind="stable")], np.bincount(token, minlength=n_tokens)


def _find_tokens(doc: Doc, ids: list[int], offsets: np.ndarray) -> Wordpieces:
    starts, lengths = doc.to_array(["IDX", "LENGTH"]).astype("i8").T
    begin, end = offsets.T
    first = np.searchsorted(starts + lengths, begin, side="right")
    # A piece without characters, such as a byte of white space, may lie inside a token, but is part
    # of none.
    behind = np.where(begin < end, np.searchsorted(starts, end, side="left"), first)
    return Wordpieces(ids, first, behind)


def _split_tokens(tokenizer: Any, doc: Doc) -> Wordpieces:
    ids: list[int] = []
    first: list[int] = []
    space = ""
    for i, token in enumerate(doc):
        # Some tokenizers split a word differently if a space is before it.
        pieces = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(space + token.text))
        ids += pieces
        first += [i] * len(pieces)
        space = token.whitespace_
    at = np.array(first, dtype="i8")
    return Wordpieces(ids, at, at + 1)
