"""Vectors of words for a layer `SoftLexicon` in a config."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from spacy.training.initialize import read_vectors

from ..layers.soft_lexicon import NO_WORDS, WordVectors
from ..util import CorpusError


def word_vectors(path: str | None = None) -> Callable[[], WordVectors]:
    """The vectors of a file.

    path (str | None): A file in the text format of word2vec, such as `crf vectors` writes, or a
        .zip or .tar.gz of one. None for no words.
    RETURNS (Callable[[], WordVectors]): Reads them.
    """
    return partial(read_word_vectors, path)


def read_word_vectors(path: str | None) -> WordVectors:
    """Read words and their vectors.

    path (str | None): The file; None for no words.
    RETURNS (WordVectors): The words of two characters or more.
    RAISES: CorpusError if it is no such file.
    """
    if path is None:
        return NO_WORDS
    file = Path(path)
    try:
        table, words, _ = read_vectors(file, 0)
    except FileNotFoundError:
        raise CorpusError("there is no such file.", file) from None
    # What spaCy's reader raises, depending on what is in the file.
    except (IndexError, RuntimeError, StopIteration, ValueError) as error:
        raise _cannot_read(file) from error
    if not table.shape[1]:
        raise _cannot_read(file)
    return WordVectors.of(words, table)


def _cannot_read(path: Path) -> CorpusError:
    return CorpusError(
        "expected word2vec's text format: a line with the number of words and the width, then a "
        "word and its numbers in each line.",
        path,
    )
