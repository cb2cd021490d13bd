"""The words of dictionaries and gazetteers: stored in the vocab for layers, and found in texts."""

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

import numpy as np
from ahocorasick_rs import AhoCorasick, Implementation
from spacy.lookups import Table
from spacy.util import logger
from spacy.vocab import Vocab

TABLE = "crf_lexicon"
WORDS = "words"
# Separates words. No word contains it, so no match can cross it.
SEPARATOR = "\n"


def join_words(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Group words by class.

    entries (Iterable[tuple[str, str]]): Words and their classes; a word may have several.
    RETURNS (dict[str, str]): The words of each class, joined by SEPARATOR.
    """
    # Dicts serve as ordered sets, so that the same files give the same features.
    words: dict[str, dict[str, None]] = {}
    for word, label in entries:
        words.setdefault(label, {})[word] = None
    return {label: SEPARATOR.join(some) for label, some in words.items()}


def set_lexicon(vocab: Vocab, entries: Iterable[tuple[str, str]]) -> None:
    """Store a lexicon in a vocab, replacing any earlier one, for layers to read at initialization.

    vocab (Vocab): The vocab. The lexicon becomes a table of its lookups.
    entries (Iterable[tuple[str, str]]): Words and their classes; a word may have several.
    """
    texts = join_words(entries)
    # A table hashes its keys and stores each entry separately, so all words go into one value.
    vocab.lookups.set_table(TABLE, Table(TABLE, {WORDS: texts}))
    n_words = sum(text.count(SEPARATOR) + 1 for text in texts.values())
    logger.info("Added a lexicon: %d words in %d classes", n_words, len(texts))


def clear_lexicon(vocab: Vocab) -> None:
    """Remove the lexicon from a vocab, if it has one.

    vocab (Vocab): The vocab.
    """
    if TABLE in vocab.lookups:
        vocab.lookups.remove_table(TABLE)


def find_lexicon(vocab: Vocab) -> dict[str, str] | None:
    """The lexicon that `set_lexicon` stored in a vocab.

    vocab (Vocab): The vocab.
    RETURNS (dict[str, str] | None): The words of each class, as `Matcher` takes them; None if
        there is no lexicon.
    """
    return vocab.lookups.get_table(TABLE)[WORDS] if TABLE in vocab.lookups else None


class Words(NamedTuple):
    """Words found in a text.

    word (np.ndarray): Each one's index among the words that are looked for.
    first (np.ndarray): Its first token.
    last (np.ndarray): Its last token.
    """

    word: np.ndarray
    first: np.ndarray
    last: np.ndarray


class WordFinder:
    """Finds all of some words that begin and end at token boundaries, including overlapping ones,
    with the automaton of Aho and Corasick (1975)."""

    def __init__(self, words: Iterable[str]) -> None:
        """Build the automaton.

        words (Iterable[str]): The words, none of which contains SEPARATOR.
        """
        # The library's automaton that is fastest to build: it takes a second for jieba's words.
        self._automaton = AhoCorasick(
            words, implementation=Implementation.ContiguousNFA, store_patterns=False
        )

    def __call__(self, text: str, starts: np.ndarray, ends: np.ndarray) -> Words:
        """Find words.

        text (str): The text; several documents may be joined by SEPARATOR.
        starts (np.ndarray): The character where each token starts, ascending.
        ends (np.ndarray): The character where each token ends, exclusive.
        RETURNS (Words): The words found.
        """
        found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        words, begins, stops = np.array(found, dtype="i8").reshape(-1, 3).T
        first, last = (np.full(len(text) + 1, -1) for _ in range(2))
        first[starts] = last[ends] = np.arange(len(starts))
        fits = (first[begins] >= 0) & (last[stops] >= 0)
        return Words(words[fits], first[begins[fits]], last[stops[fits]])


class Matches(NamedTuple):
    """Words found in a text. A word of several classes is listed once for each class.

    first (np.ndarray): The first token of each word.
    last (np.ndarray): The last token of each word.
    label (np.ndarray): The class of each word, as an index into `Matcher.classes`.
    """

    first: np.ndarray
    last: np.ndarray
    label: np.ndarray


class Matcher:
    """Finds all words of a lexicon and their classes."""

    def __init__(self, texts: dict[str, str]) -> None:
        """Make a matcher.

        texts (dict[str, str]): The words of each class, joined by SEPARATOR.
        """
        self.classes = list(texts)
        labels: dict[str, list[int]] = {}
        for label, text in enumerate(texts.values()):
            for word in text.split(SEPARATOR):
                labels.setdefault(word, []).append(label)
        self._find = WordFinder(labels)
        # The classes of all words, concatenated, and the index where each word's classes begin.
        self._labels = np.array(list(chain.from_iterable(labels.values())), dtype="i8")
        self._n_labels = np.array(list(map(len, labels.values())), dtype="i8")
        self._first_label = self._n_labels.cumsum() - self._n_labels

    def __call__(self, text: str, starts: np.ndarray, ends: np.ndarray) -> Matches:
        """Find words, as `WordFinder` does.

        text (str): The text; several documents may be joined by SEPARATOR.
        starts (np.ndarray): The character where each token starts, ascending.
        ends (np.ndarray): The character where each token ends, exclusive.
        RETURNS (Matches): The words found.
        """
        words, first, last = self._find(text, starts, ends)
        counts = self._n_labels[words]
        labels = self._labels[np.repeat(self._first_label[words], counts) + _count_up(counts)]
        return Matches(np.repeat(first, counts), np.repeat(last, counts), labels)


class Places(NamedTuple):
    """The tokens of words, one after the other: a token is listed once for each word it is in.

    word (np.ndarray): The word, as an index into those given.
    token (np.ndarray): The token.
    step (np.ndarray): The token's number in the word, from 0.
    length (np.ndarray): The word's number of tokens.
    """

    word: np.ndarray
    token: np.ndarray
    step: np.ndarray
    length: np.ndarray


def places_in_words(first: np.ndarray, last: np.ndarray) -> Places:
    """List the tokens of words.

    first (np.ndarray): The first token of each word.
    last (np.ndarray): The last token of each word.
    RETURNS (Places): Their tokens.
    """
    lengths = last - first + 1
    word, step = np.repeat(np.arange(len(first)), lengths), _count_up(lengths)
    return Places(word, first[word] + step, step, lengths[word])


def _count_up(counts: np.ndarray) -> np.ndarray:
    """0 to count - 1 for each count, concatenated."""
    starts = counts.cumsum() - counts
    return np.arange(counts.sum()) - np.repeat(starts, counts)
