"""The features of tokens, as rows of the tables in `model.onnx`.

`crf export` copies this module into the folder that it writes. It needs nothing but NumPy.
"""

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np

if __package__:
    from .character_types import character_types
else:  # in the exported folder
    from character_types import character_types  # type: ignore[no-redef, import-not-found]

# Stands for the outside of a text. It is spaCy's id of the empty string.
NOTHING = 0
# As in `layers.feature_embed` and `layers.char_cnn`.
BIGRAM_FACTOR = np.uint64(0x9E3779B97F4A7C15)
BEGIN, END = "\ufdd0", "\ufdd1"
# The features of about this many tokens are kept.
MAX_KNOWN = 2**16
TYPE = "TYPE"
# The row of characters that the pretrained network does not know.
UNKNOWN = 0
MASK = 2**64 - 1


class Features:
    """Computes the inputs of the network that depend on the tokens, once for each distinct one."""

    def __init__(self, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Read what `crf export` wrote.

        settings (dict[str, Any]): The content of `settings.json`.
        arrays (dict[str, np.ndarray]): The content of `arrays.npz`.
        """
        features = settings["features"]
        self._bigrams = [each for each in features if each["name"].startswith("BIGRAM_")]
        self._features = [each for each in features if each not in self._bigrams]
        self._letters = settings["letters"]
        self._symbols: dict[str, int] = settings["symbols"]
        self._norms = _to_dict(arrays["norms"])
        self._characters = _to_dict(arrays["characters"]) if settings["characters"] else None
        self._vectors = [(_to_dict(arrays[each["name"]]), each) for each in settings["vectors"]]
        self._forget()

    def __call__(self, words: list[str], lengths: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the inputs for the concatenated tokens of texts.

        words (list[str]): (N,) the tokens.
        lengths (np.ndarray): The number of tokens in each text, at least 1.
        RETURNS (dict[str, np.ndarray]): The inputs by name.
        """
        self._learn(words)
        known = np.fromiter(map(self._index.__getitem__, words), dtype="i8", count=len(words))
        distinct, tokens = np.unique(known, return_inverse=True)
        inputs = {name: rows[distinct] for name, rows in self._rows.items()}
        norms = inputs.pop("norms")[tokens]
        inputs["tokens"] = tokens
        if self._bigrams:
            inputs |= self._bigram_rows(norms, lengths)
        if self._letters:
            inputs |= self._letter_inputs([self._words[i] for i in distinct.tolist()])
        return inputs

    def hashes(self, word: str) -> list[int]:
        """The hashes of a token's features, without bigrams, as `FeatureEmbed` has them.

        word (str): The token.
        RETURNS (list[int]): The hashes.
        """
        return [self._hash(each["name"], word) for each in self._features]

    def norm(self, word: str) -> int:
        """spaCy's id of a token's NORM.

        word (str): The token.
        RETURNS (int): The id.
        """
        norm = self._norms.get(self._string_id(word))
        return self._string_id(word.lower()) if norm is None else norm

    def _hash(self, name: str, word: str) -> int:
        if name == "NORM":
            return self.norm(word)
        if name == TYPE:
            return hash_string(character_types(word))
        kind, _, length = name.partition("_")
        if length:
            return hash_string(word[: int(length)] if kind == "PREFIX" else word[-int(length) :])
        return self._string_id(ATTRIBUTES[name](word))

    def _string_id(self, text: str) -> int:
        """spaCy's id of a string: its hash, except for some."""
        if not text:
            return NOTHING
        symbol = self._symbols.get(text)
        return hash_string(text) if symbol is None else symbol

    def _forget(self) -> None:
        """Forget all tokens."""
        self._index: dict[str, int] = {}
        self._words: list[str] = []
        self._rows = self._rows_of([])

    def _learn(self, words: list[str]) -> None:
        """Look up the tokens that are not yet known."""
        if len(self._index) > MAX_KNOWN:
            self._forget()
        new = [word for word in dict.fromkeys(words) if word not in self._index]
        if new:
            self._index.update(zip(new, range(len(self._words), len(self._words) + len(new))))
            self._words += new
            more = self._rows_of(new)
            self._rows = {
                name: np.concatenate([rows, more[name]]) for name, rows in self._rows.items()
            }

    def _rows_of(self, words: list[str]) -> dict[str, np.ndarray]:
        """The inputs that depend on the token alone, and NORM, of which bigrams are made."""
        hashes = np.array([self.hashes(word) for word in words], dtype="u8")
        hashes = hashes.reshape(len(words), len(self._features))
        inputs = {
            each["input"]: table_rows(hashes[:, i], **each) for i, each in enumerate(self._features)
        }
        if self._vectors:
            rows = np.array([self._vector_rows(word) for word in words], dtype="i8")
            inputs["vectors"] = rows.reshape(len(words), len(self._vectors))
        if self._characters is not None:
            found = [self._characters.get(self._string_id(word), UNKNOWN) for word in words]
            inputs["characters"] = np.array(found, dtype="i8")
        return {**inputs, "norms": np.array([self.norm(word) for word in words], dtype="u8")}

    def _vector_rows(self, word: str) -> list[int]:
        """The rows of the learned vector and of the pretrained one, as far as there are such."""
        form = unicodedata.normalize("NFKC", word)
        keys = (self._string_id(word), hash_string(form), hash_string(form.lower()))
        return [
            next((rows[key] for key in keys[: each["forms"]] if key in rows), each["unknown"])
            for rows, each in self._vectors
        ]

    def _bigram_rows(self, norms: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs that depend on two tokens."""
        # `FeatureEmbed` rounds the ids to float64, so pipelines are trained with that.
        norms = norms.astype("f8").astype("u8")
        starts = lengths.cumsum() - lengths
        before = np.roll(norms, 1)
        before[starts] = NOTHING
        after = np.roll(norms, -1)
        after[starts - 1] = NOTHING  # the last tokens of all texts
        pairs = {
            "BIGRAM_LEFT": before * BIGRAM_FACTOR ^ norms,
            "BIGRAM_RIGHT": norms * BIGRAM_FACTOR ^ after,
        }
        return {each["input"]: table_rows(pairs[each["name"]], **each) for each in self._bigrams}

    def _letter_inputs(self, words: list[str]) -> dict[str, np.ndarray]:
        """The inputs of the convolutions over the characters of words."""
        text = "".join(f"{BEGIN}{word}{END}" for word in words)
        codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype("u8")
        letters, letter = np.unique(codes, return_inverse=True)
        owner = np.repeat(np.arange(len(words)), [len(word) + 2 for word in words])
        inputs = {
            "letter_rows": table_rows(letters, **self._letters),
            "letter_words": owner[:, None],
        }
        for size in self._letters["sizes"]:
            offsets = np.arange(size) - size // 2
            places = np.arange(len(codes))[:, None] + offsets
            inside = places.clip(0, len(codes) - 1)
            is_in_word = (inside == places) & (owner[inside] == owner[:, None])
            # Beside a word are zeros, the vector after the last letter's.
            window = np.where(is_in_word, letter[inside], len(letters))
            inputs[f"windows_{size}"] = window * size + np.arange(size)
        return inputs


def _to_dict(pairs: np.ndarray) -> dict[int, int]:
    return dict(zip(*pairs.tolist()))


def table_rows(keys: np.ndarray, *, rows: int, seed: int, **_: object) -> np.ndarray:
    """The four rows that thinc's HashEmbed sums for each key, by a variant of MurmurHash3.

    keys (np.ndarray): (N,) uint64.
    rows (int): The number of rows of the table.
    seed (int): The seed.
    RETURNS (np.ndarray): (N, 4) int64.
    """
    start = np.uint64(seed ^ 8)
    one = keys * np.uint64(0x87C37B91114253D5)
    one = (one << np.uint64(31) | one >> np.uint64(33)) * np.uint64(0x4CF5AD432745937F)
    one = (one ^ start) + start
    two = _mix(one + start)
    one = _mix(one) + two
    two = two + one
    low = np.uint64(2**32 - 1)
    halves = [one & low, one >> np.uint64(32), two & low, two >> np.uint64(32)]
    return (np.stack(halves, axis=1) % np.uint64(rows)).astype("i8")


def _mix(value: np.ndarray) -> np.ndarray:
    shift = np.uint64(33)
    value = (value ^ value >> shift) * np.uint64(0xFF51AFD7ED558CCD)
    value = (value ^ value >> shift) * np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ value >> shift


@lru_cache(maxsize=MAX_KNOWN)
def hash_string(text: str) -> int:
    """spaCy's hash of a string: MurmurHash64A of its UTF-8 with the seed 1.

    text (str): The string.
    RETURNS (int): The hash, 64 bits.
    """
    data, factor = text.encode("utf8"), 0xC6A4A7935BD1E995
    value = 1 ^ len(data) * factor & MASK
    whole = len(data) // 8 * 8
    for i in range(0, whole, 8):
        block = int.from_bytes(data[i : i + 8], "little") * factor & MASK
        value = (value ^ (block ^ block >> 47) * factor & MASK) * factor & MASK
    if len(data) > whole:
        value = (value ^ int.from_bytes(data[whole:], "little")) * factor & MASK
    value = (value ^ value >> 47) * factor & MASK
    return value ^ value >> 47


def shape(text: str) -> str:
    """spaCy's SHAPE of a token: its letters become x or X and its digits d, at most four of a kind
    in a row.

    text (str): The token.
    RETURNS (str): The shape.
    """
    if len(text) >= 100:
        return "LONG"
    return "".join(kind for _, run in groupby(map(_kind, text)) for kind in list(run)[:4])


def _kind(character: str) -> str:
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return "d" if character.isdigit() else character


# spaCy's attributes of tokens that are functions of the text alone.
ATTRIBUTES: dict[str, Callable[[str], str]] = {
    "ORTH": str,
    "LOWER": str.lower,
    "PREFIX": lambda text: text[:1],
    "SUFFIX": lambda text: text[-3:],
    "SHAPE": shape,
}
