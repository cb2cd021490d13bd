"""The corpora of the benchmark of updates."""

import spacy
from spacy.tokens import DocBin
from util import ents_of, make_examples

from benchmarks.continual import load, write_corpora

DOCS = [
    ("甲乙丙", [(0, 1, "A"), (1, 2, "B"), (2, 3, "C")]),
    ("丙乙甲", [(0, 1, "C"), (1, 2, "B"), (2, 3, "A")]),
    ("甲甲甲", [(0, 1, "A"), (2, 3, "C")]),
]


def write(folder, docs):
    folder.mkdir()
    for name in ("train", "dev"):
        references = [eg.reference for eg in make_examples(spacy.blank("zh"), docs)]
        DocBin(docs=references).to_disk(folder / f"{name}.spacy")
    return folder


def read(path):
    return [(doc.text, ents_of(doc)) for doc in load(path)]


def test_one_corpus_is_halved_and_its_labels_are_too(tmp_path):
    corpus = write(tmp_path / "corpus", DOCS)
    assert write_corpora(corpus, None, tmp_path, 2, 1) == ({"A", "B"}, {"C"})
    assert read(tmp_path / "old/train.spacy") == [
        ("甲乙丙", [(0, 1, "A"), (1, 2, "B")]),
        ("甲甲甲", [(0, 1, "A")]),
    ]
    assert read(tmp_path / "old/rehearse.spacy") == read(tmp_path / "old/train.spacy")[:1]
    assert read(tmp_path / "new/train.spacy") == [("丙乙甲", [(0, 1, "C")])]
    assert [len(ents) for _, ents in read(tmp_path / "old/dev.spacy")] == [2, 2, 1]
    assert [len(ents) for _, ents in read(tmp_path / "new/dev.spacy")] == [1, 1, 1]


def test_of_a_second_corpus_a_half_is_learned(tmp_path):
    old, new = write(tmp_path / "a", DOCS[:1]), write(tmp_path / "b", [("丁", [(0, 1, "D")])] * 3)
    assert write_corpora(old, new, tmp_path, 2, 100) == ({"A", "B", "C"}, {"D"})
    assert read(tmp_path / "old/train.spacy") == DOCS[:1]
    assert read(tmp_path / "old/rehearse.spacy") == DOCS[:1]
    assert len(read(tmp_path / "new/train.spacy")) == 2
    assert len(read(tmp_path / "new/dev.spacy")) == 3
