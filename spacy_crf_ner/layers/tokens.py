"""The tokens of a batch of documents as arrays."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from spacy.tokens import Doc


class TokenBatch:
    """The tokens of a batch of documents, concatenated, and which of them have the same text.

    docs (Sequence[Doc]): The documents, which share a vocab.
    lengths (np.ndarray): (B,) their numbers of tokens.
    """

    def __init__(self, docs: Sequence[Doc]) -> None:
        """Count the tokens; the rest is read when it is first used.

        docs (Sequence[Doc]): The documents.
        """
        self.docs = docs
        self.lengths = np.array([len(doc) for doc in docs], dtype="i")

    def attributes(self, *names: str | int) -> np.ndarray:
        """Attributes of all tokens.

        names (str | int): The names or ids of spaCy's token attributes, such as "NORM".
        RETURNS (np.ndarray): (N, number of names) uint64.
        """
        arrays = [doc.to_array(list(names)).reshape(-1, len(names)) for doc in self.docs]
        return np.concatenate([np.zeros((0, len(names)), dtype="u8"), *arrays]).astype("u8")

    @cached_property
    def orths(self) -> np.ndarray:
        """(N,) the hash of each token's text."""
        return self.attributes("ORTH")[:, 0]

    @cached_property
    def _unique(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.unique(self.orths, return_index=True, return_inverse=True)

    @property
    def distinct(self) -> np.ndarray:
        """(L,) the hashes of the distinct texts, ascending."""
        return self._unique[0]

    @property
    def first(self) -> np.ndarray:
        """(L,) the first token with each distinct text."""
        return self._unique[1]

    @property
    def rows(self) -> np.ndarray:
        """(N,) the index of each token's text among the distinct ones."""
        return self._unique[2]

    @cached_property
    def texts(self) -> list[str]:
        """The L distinct texts."""
        # Without documents, there are none.
        return [self.docs[0].vocab.strings[orth] for orth in self.distinct.tolist()]

    def joined(self, separator: str) -> tuple[str, np.ndarray, np.ndarray]:
        """The texts of all documents in one string.

        `Doc.text` would make an object of each token.

        separator (str): What follows each document.
        RETURNS (tuple[str, np.ndarray, np.ndarray]): The string, and (N,) the character in it where
            each token starts and where it ends, exclusive.
        """
        forms = [text + end for end in ("", " ", separator, f" {separator}") for text in self.texts]
        is_last = np.zeros(len(self.rows), dtype="i8")
        is_last[self.lengths.cumsum()[self.lengths > 0] - 1] = 1
        has_space = self.attributes("SPACY")[:, 0].astype("i8")
        which = self.rows + len(self.texts) * (has_space + 2 * is_last)
        sizes = np.array([len(form) for form in forms], dtype="i8")
        ends = sizes[which].cumsum()
        starts = ends - sizes[which]
        text = "".join([forms[i] for i in which.tolist()])
        return text, starts, starts + sizes[self.rows]
