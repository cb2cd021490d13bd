"""Dictionaries and gazetteers: read from files, left in the vocab for layers, found in texts."""

import json
import zlib
from functools import cached_property
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import (
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    TypeGuard,
    Union,
)

import numpy as np
import srsly
from ahocorasick_rs import AhoCorasick, Implementation
from spacy.language import Language
from spacy.lookups import Table
from spacy.util import logger
from spacy.vocab import Vocab

from .formats.files import read_lines
from .shared import Shared

TABLE = "crf_lexicon"
WORDS = "words"
# Between words. No word contains it, and so no match crosses it.
SEPARATOR = "\n"
# The languages whose texts jieba's words may stand in.
JIEBA_LANGS = ("zh", "xx")


def add_lexicon(
    jieba: bool = False, gazetteers: Sequence[Union[str, Path]] = ()
) -> Callable[[Language], Language]:
    """Make a callback for [initialize.before_init] that gives a pipeline a lexicon. The layers that
    use it keep it, so that none of the sources is needed to run the pipeline. Their names are noted
    in its meta data, and so in the README of its package.

    jieba (bool): Whether to take the dictionary of jieba: its words of two characters or more, by
        part of speech. It must be installed. For other languages than Chinese it is left out, so
        that a config can be for all.
    gazetteers (Sequence[Union[str, Path]]): Files for `read_gazetteer`.
    RETURNS (Callable[[Language], Language]): The callback. Without any source, the lexicon that it
        gives is empty, and no word is ever found.
    """

    def callback(nlp: Language) -> Language:
        sources = [read_gazetteer(path) for path in gazetteers]
        names = [f"{Path(path).name} (gazetteer)" for path in gazetteers]
        if jieba and nlp.lang in JIEBA_LANGS:
            sources.append(read_jieba())
            names.append("jieba (dictionary)")
        elif jieba:
            logger.info("The dictionary of jieba is Chinese: it is left out for '%s'", nlp.lang)
        set_lexicon(nlp.vocab, chain.from_iterable(sources))
        noted = nlp.meta.get("sources") or []
        added = [{"name": name} for name in names]
        nlp.meta["sources"] = [*noted, *(source for source in added if source not in noted)]
        return nlp

    return callback


def read_jieba() -> Iterator[Tuple[str, str]]:
    """Read the dictionary that comes with jieba, whose classes are parts of speech: "nr" for names
    of persons, "ns" of places, "nt" of organizations and so on.

    YIELDS (Tuple[str, str]): Word and class, for words of two characters or more.
    RAISES: ValueError if jieba is not installed or its dictionary is not as expected.
    """
    # Importing jieba would take a second and warn of its own syntax.
    spec = find_spec("jieba")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "add_lexicon: `jieba = true` needs jieba's dictionary. Install it with "
            "`pip install jieba`, or set `jieba = false`."
        )
    path = Path(spec.submodule_search_locations[0]) / "dict.txt"
    for number, line in _read_lines(path):
        fields = line.split(" ")
        if len(fields) != 3:
            raise _bad_line(
                path,
                number,
                f"expected `word frequency class`, got {line!r}",
                "Install jieba anew: `pip install --force-reinstall jieba`.",
            )
        if len(fields[0]) > 1:
            yield fields[0], fields[2]


def read_gazetteer(path: Union[str, Path]) -> Iterator[Tuple[str, str]]:
    """Read words and their classes.

    A text file has a word and its class, with a tab between, on each line; or just a word, whose
    class is then the file's name without extension. A ".jsonl" file has patterns of spaCy's
    EntityRuler, of which those that are lists of token patterns are skipped, with a warning.

    path (Union[str, Path]): The file.
    YIELDS (Tuple[str, str]): Word and class.
    RAISES: ValueError, with file, line and remedy, for what is neither, or if there is no word.
    """
    path = Path(path)
    parse = _parse_pattern if path.suffix == ".jsonl" else _parse_text
    n_words = n_skipped = 0
    for number, line in _read_lines(path):
        entry = parse(path, number, line)
        if entry is None:
            n_skipped += 1
            continue
        n_words += 1
        yield entry
    if n_skipped:
        logger.warning(
            "%s: skipped %d of %d patterns, which are lists of token patterns. A lexicon has only "
            "those that are strings.",
            path,
            n_skipped,
            n_skipped + n_words,
        )
    if not n_words:
        raise ValueError(f"{path}: there is no word in it. Remove it from `gazetteers`.")


def set_lexicon(vocab: Vocab, entries: Iterable[Tuple[str, str]]) -> None:
    """Leave a lexicon in a vocab for the layers that are initialized with it, in place of the one
    that it may have.

    vocab (Vocab): The vocab; its lookups get a table.
    entries (Iterable[Tuple[str, str]]): Words and their classes; a word may have several.
    """
    texts = _join_words(entries)
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


class Lexicon(Shared):
    """Words and their classes, as a layer keeps them."""

    @classmethod
    def of(cls, entries: Iterable[Tuple[str, str]]) -> "Lexicon":
        """Make a lexicon.

        entries (Iterable[Tuple[str, str]]): Words and their classes; a word may have several.
        RETURNS (Lexicon): The lexicon.
        """
        return cls._of_texts(_join_words(entries))

    @classmethod
    def in_vocab(cls, vocab: Vocab) -> Optional["Lexicon"]:
        """The lexicon that `set_lexicon` left in a vocab.

        vocab (Vocab): The vocab.
        RETURNS (Optional[Lexicon]): The lexicon, or None if there is none.
        """
        if TABLE not in vocab.lookups:
            return None
        return cls._of_texts(vocab.lookups.get_table(TABLE)[WORDS])

    @classmethod
    def _of_texts(cls, texts: Dict[str, str]) -> "Lexicon":
        return cls.from_bytes(zlib.compress(srsly.msgpack_dumps(texts)))

    @cached_property
    def matcher(self) -> "Matcher":
        """What finds the words, made when it is first asked for."""
        return Matcher(srsly.msgpack_loads(zlib.decompress(self.data)))


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

    def __init__(self, texts: Dict[str, str]) -> None:
        """Make a matcher.

        texts (Dict[str, str]): The words of each class, with SEPARATOR between.
        """
        self.classes = list(texts)
        labels: Dict[str, List[int]] = {}
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


def _join_words(entries: Iterable[Tuple[str, str]]) -> Dict[str, str]:
    """For each class its words, with SEPARATOR between."""
    # Dicts as sets that keep the order, so that the same files give the same features.
    words: Dict[str, Dict[str, None]] = {}
    for word, label in entries:
        words.setdefault(label, {})[word] = None
    return {label: SEPARATOR.join(some) for label, some in words.items()}


def _count_up(counts: np.ndarray) -> np.ndarray:
    """0 to count - 1 for each of the counts, one after another."""
    starts = counts.cumsum() - counts
    return np.arange(counts.sum()) - np.repeat(starts, counts)


def _parse_text(path: Path, number: int, line: str) -> Optional[Tuple[str, str]]:
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) > 2 or not all(fields):
        raise _bad_line(
            path,
            number,
            f"expected a word, or a word and its class with a tab between, got {line!r}",
            "Put each word on a line of its own.",
        )
    return fields[0], fields[1] if len(fields) == 2 else path.stem


def _parse_pattern(path: Path, number: int, line: str) -> Optional[Tuple[str, str]]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        problem = f"not JSON ({error.msg} at column {error.colno})"
        raise _bad_line(
            path, number, problem, "Put each pattern on a line of its own, e.g. with `jq -c '.[]'`."
        ) from None
    label = entry.get("label") if isinstance(entry, dict) else None
    pattern = entry.get("pattern") if isinstance(entry, dict) else None
    if _is_name(label) and isinstance(pattern, list):
        return None
    if _is_name(label) and _is_name(pattern):
        return pattern.strip(), label
    raise _bad_line(
        path,
        number,
        f"expected a pattern of spaCy's EntityRuler, its strings on one line, got {line!r}",
        'Write it as {"label": "ORG", "pattern": "Apple"}.',
    )


def _is_name(value: object) -> TypeGuard[str]:
    """Whether this is text, on one line and without halves of surrogate pairs, as JSON may have."""
    return (
        isinstance(value, str)
        and bool(value.strip())
        and not any(char == SEPARATOR or "\ud800" <= char <= "\udfff" for char in value)
    )


def _read_lines(path: Path) -> Iterator[Tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers."""
    return ((number, line) for number, line in enumerate(read_lines(path), 1) if line.strip())


def _bad_line(path: Path, number: int, problem: str, remedy: str) -> ValueError:
    return ValueError(f"{path}:{number}: {problem}. {remedy}")

