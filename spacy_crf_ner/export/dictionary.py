"""The words of a dictionary in texts, as rows of a table in `model.onnx`.

`crf export` copies this module into the folder that it writes. It needs nothing but NumPy.
"""

from collections.abc import Mapping, Sequence

import numpy as np

# Separates texts. No word contains it.
SEPARATOR = "\n"
# A token's place in a word is one of this many, as in `layers.lexicon`.
PLACES = 10
# Places in words of a `SoftLexicon`, as in `layers.soft_lexicon`: first, middle, last, only token.
N_BAGS = 4
# No code point has more bits.
CODE_BITS = 21


def build_trie(name: str, classes_of: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Build a trie of words. Node 0 is its root, and edge i leads to node i + 1.

    name (str): Begins the names of the arrays.
    classes_of (Mapping[str, Sequence[int]]): The classes of each word.
    RETURNS (dict[str, np.ndarray]): The edges, each a node and a code point in one number, in
        ascending order; and where the classes of each node begin among all.
    """
    words = list(classes_of)
    nodes = np.zeros(len(words), dtype="i8")
    lengths = np.array([len(word) for word in words], dtype="i8")
    edges: list[np.ndarray] = []
    n_nodes = 1
    for depth in range(lengths.max(initial=0)):
        longer = np.flatnonzero(lengths > depth)
        codes = np.array([ord(words[i][depth]) for i in longer.tolist()], dtype="i8")
        new, which = np.unique(nodes[longer] << CODE_BITS | codes, return_inverse=True)
        nodes[longer] = n_nodes + which
        n_nodes += len(new)
        edges.append(new)
    order = nodes.argsort(kind="stable").tolist()
    counts = np.zeros(n_nodes, dtype="i8")
    counts[nodes] = [len(classes_of[word]) for word in words]
    # No edge is the last one, so that the search for an edge always finds a place.
    last = np.array([np.iinfo("i8").max])
    return {
        f"{name}_edges": np.concatenate([*edges, last]),
        f"{name}_first": np.append(0, counts.cumsum()),
        f"{name}_classes": np.array([c for i in order for c in classes_of[words[i]]], dtype="i8"),
    }


class Trie:
    """Finds all words that begin and end at token boundaries, including overlapping ones."""

    def __init__(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Make a trie.

        name (str): Its name.
        arrays (Mapping[str, np.ndarray]): What `build_trie` returned.
        """
        self._edges, self._first, self._classes = (
            arrays[f"{name}_{kind}"] for kind in ("edges", "first", "classes")
        )

    def __call__(
        self, texts: Sequence[str], starts: np.ndarray, ends: np.ndarray
    ) -> list[np.ndarray]:
        """Find words.

        texts (Sequence[str]): The texts.
        starts (np.ndarray): The character where each token begins, in all texts joined by
            SEPARATOR.
        ends (np.ndarray): The character where it ends, exclusive.
        RETURNS (list[np.ndarray]): For each token of each word found: the token, its number in the
            word, the word's number of tokens, and the word's class.
        """
        text = SEPARATOR.join([*texts, ""])
        codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype("i8")
        last_token = np.full(len(codes) + 1, -1)
        last_token[ends] = np.arange(len(ends))
        token, place, node = np.arange(len(starts)), starts, np.zeros(len(starts), dtype="i8")
        found = [np.zeros((3, 0), dtype="i8")]
        while len(token):
            key = node << CODE_BITS | codes[place]
            edge = self._edges.searchsorted(key)
            goes_on = self._edges[edge] == key
            token, place, node = token[goes_on], place[goes_on] + 1, edge[goes_on] + 1
            is_word = (last_token[place] >= 0) & (self._first[node] < self._first[node + 1])
            found.append(np.stack([token, last_token[place], node])[:, is_word])
        first, last, node = np.concatenate(found, axis=1)
        counts = self._first[node + 1] - self._first[node]
        labels = self._classes[np.repeat(self._first[node], counts) + count_up(counts)]
        first, lengths = np.repeat(first, counts), np.repeat(last - first + 1, counts)
        # From words to their tokens.
        step = count_up(lengths)
        first, labels, lengths = (np.repeat(x, lengths) for x in (first, labels, lengths))
        return [first + step, step, lengths, labels]


class Dictionary:
    """Finds the classes of words, for a `LexiconEmbed`."""

    def __init__(self, trie: Trie, n_classes: int) -> None:
        """Make a dictionary.

        trie (Trie): Finds the words.
        n_classes (int): The number of classes.
        """
        self._trie = trie
        self._n_rows = n_classes * PLACES

    def __call__(
        self, texts: Sequence[str], starts: np.ndarray, ends: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Compute the inputs of the network. The arguments are those of `Trie`.

        RETURNS (dict[str, np.ndarray]): The distinct sets of rows, padded with the row after the
            last one; and which of them each token has.
        """
        token, step, lengths, label = self._trie(texts, starts, ends)
        place = np.where(step == 0, 0, np.where(step == lengths - 1, 2, 1))
        shape = np.where(lengths == 1, 0, 1 + 3 * (np.minimum(lengths, 4) - 2) + place)
        pairs = np.unique(token * self._n_rows + label * PLACES + shape)
        token, row = np.divmod(pairs, self._n_rows)
        sets, which, _ = _distinct_sets(token, row, len(starts), self._n_rows)
        return {"lexicon_rows": sets, "lexicon_sets": which}


class SoftWords:
    """Finds words themselves, for a `SoftLexicon`."""

    def __init__(self, trie: Trie, n_words: int) -> None:
        """Make it.

        trie (Trie): Finds the words. The class of each is its own number.
        n_words (int): The number of words.
        """
        self._trie = trie
        self._n_words = n_words

    def __call__(
        self, texts: Sequence[str], starts: np.ndarray, ends: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Compute the inputs of the network. The arguments are those of `Trie`.

        RETURNS (dict[str, np.ndarray]): The distinct sets of words, padded with the word after the
            last one; 1 / the number of words of each; and which of them each token has at each
            place.
        """
        token, step, lengths, word = self._trie(texts, starts, ends)
        inner = np.where(step == 0, 0, np.where(step == lengths - 1, 2, 1))
        bag = token * N_BAGS + np.where(lengths == 1, 3, inner)
        order = np.lexsort((word, bag))
        n_bags = N_BAGS * len(starts)
        sets, which, counts = _distinct_sets(bag[order], word[order], n_bags, self._n_words)
        return {
            "word_rows": sets,
            "word_weights": (1 / np.maximum(counts, 1)).astype("f4")[:, None],
            "word_sets": which.reshape(-1, N_BAGS),
        }


def _distinct_sets(
    owner: np.ndarray, row: np.ndarray, n_owners: int, padding: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct sets of rows, given in the order of their owners; which one each owner has; and
    the number of rows of each."""
    counts = np.bincount(owner, minlength=n_owners)
    sets = np.full((n_owners, max(counts.max(initial=0), 1)), padding, dtype="i8")
    sets[owner, count_up(counts)] = row
    # Bytes are compared faster than rows.
    keys = sets.view(f"S{sets.itemsize * sets.shape[1]}")[:, 0]
    _, some, which = np.unique(keys, return_index=True, return_inverse=True)
    return sets[some], which, counts[some]


def count_up(counts: np.ndarray) -> np.ndarray:
    """0 to count - 1 for each count, concatenated.

    counts (np.ndarray): The counts.
    RETURNS (np.ndarray): The numbers.
    """
    starts = counts.cumsum() - counts
    return np.arange(counts.sum()) - np.repeat(starts, counts)
