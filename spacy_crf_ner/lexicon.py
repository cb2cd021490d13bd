"""The words of dictionaries and gazetteers: left in the vocab for layers, found in texts."""

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
# Between words. No word contains it, and so no match crosses it.
SEPARATOR = "\n"


def join_words(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Sort words by class.

    entries (Iterable[tuple[str, str]]): Words and their classes; a word may have several.
    RETURNS (dict[str, str]): The words of each class, with SEPARATOR between.
    """
    # Dicts as sets that keep the order, so that the same files give the same features.
    words: dict[str, dict[str, None]] = {}
    for word, label in entries:
        words.setdefault(label, {})[word] = None
    return {label: SEPARATOR.join(some) for label, some in words.items()}


def set_lexicon(vocab: Vocab, entries: Iterable[tuple[str, str]]) -> None:
    """Leave a lexicon in a vocab for the layers that are initialized with it, in place of the one
    that it may have.

    vocab (Vocab): The vocab; its lookups get a table.
    entries (Iterable[tuple[str, str]]): Words and their classes; a word may have several.
    """
    texts = join_words(entries)
    # Tables hash their keys and store each entry for itself, so the words are one value.
    vocab.lookups.set_table(TABLE, Table(TABLE, {WORDS: texts}))
    n_words = sum(text.count(SEPARATOR) + 1 for text in texts.values())
    logger.info("Added a lexicon: %d words in %d classes", n_words, len(texts))


def clear_lexicon(vocab: Vocab) -> None:
    """Take out of a vocab the lexicon that it may have.

    vocab (Vocab): The vocab.
    """
    if TABLE in vocab.lookups:
        vocab.lookups.remove_table(TABLE)


def find_lexicon(vocab: Vocab) -> dict[str, str] | None:
    """The lexicon that `set_lexicon` left in a vocab.

    vocab (Vocab): The vocab.
    RETURNS (dict[str, str] | None): The words of each class, as `Matcher` takes them; None if
        there is no lexicon.
    """
    return vocab.lookups.get_table(TABLE)[WORDS] if TABLE in vocab.lookups else None


class Matches(NamedTuple):
    """Words found in a text, each as often as it has classes.

    first (np.ndarray): The first token of each.
    last (np.ndarray): Its last token.
    label (np.ndarray): Its class, as an index of `Matcher.classes`.
    """

    first: np.ndarray
    last: np.ndarray
    label: np.ndarray


class Matcher:
    """Finds all words of a lexicon that begin and end where tokens do, also overlapping ones, by
    the automaton of Aho and Corasick (1975)."""

    def __init__(self, texts: dict[str, str]) -> None:
        """Make a matcher.

        texts (dict[str, str]): The words of each class, with SEPARATOR between.
        """
        self.classes = list(texts)
        labels: dict[str, list[int]] = {}
        for label, text in enumerate(texts.values()):
            for word in text.split(SEPARATOR):
                labels.setdefault(word, []).append(label)
        # Of the library's kinds the one that is made fastest, in a second for jieba's words.
        self._automaton = AhoCorasick(
            labels, implementation=Implementation.ContiguousNFA, store_patterns=False
        )
        # The classes of all words one after another, and where those of each word begin.
        self._labels = np.array(list(chain.from_iterable(labels.values())), dtype="i8")
        self._n_labels = np.array(list(map(len, labels.values())), dtype="i8")
        self._first_label = self._n_labels.cumsum() - self._n_labels

    def __call__(self, text: str, starts: np.ndarray, ends: np.ndarray) -> Matches:
        """Find words.

        text (str): The text; SEPARATOR may stand between documents.
        starts (np.ndarray): Where in it each token starts, ascending.
        ends (np.ndarray): Where each token ends, exclusive.
        RETURNS (Matches): The words.
        """
        found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        words, begins, stops = np.array(found, dtype="i8").reshape(-1, 3).T
        first, last = (np.full(len(text) + 1, -1) for _ in range(2))
        first[starts] = last[ends] = np.arange(len(starts))
        fits = (first[begins] >= 0) & (last[stops] >= 0)
        words, first, last = words[fits], first[begins[fits]], last[stops[fits]]
        counts = self._n_labels[words]
        labels = self._labels[np.repeat(self._first_label[words], counts) + _count_up(counts)]
        return Matches(np.repeat(first, counts), np.repeat(last, counts), labels)


def _count_up(counts: np.ndarray) -> np.ndarray:
    """0 to count - 1 for each of the counts, one after another."""
    starts = counts.cumsum() - counts
    return np.arange(counts.sum()) - np.repeat(starts, counts)
