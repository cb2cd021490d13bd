"""Tests on real corpora, their figures counted once more by simpler means."""

import json
from collections import Counter

import pytest
import spacy

from spacy_crf_ner.formats.catalogue import FORMATS, find_format
from spacy_crf_ner.formats.corpus import read_corpus
from spacy_crf_ner.formats.find import find_files
from spacy_crf_ner.formats.record import GLUED, OVERLAP
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.formats.write import write_files


def read(path, lang="zh"):
    corpus = read_corpus({"all": [path]}, spacy.blank(lang))
    return corpus.sets["all"], corpus.scheme


def count_ents(docs):
    return Counter(ent.label_ for doc in docs for ent in doc.ents)


def large(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(("name", "overlaps"), [large("train", 2), ("dev", 0)])
def test_cluener(corpora, name, overlaps):
    path = corpora / "cluener" / f"{name}.json"
    entries = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    gold = Counter(
        label
        for entry in entries
        for label, mentions in entry["label"].items()
        for places in mentions.values()
        for _ in places
    )
    corpus_set, scheme = read(path)
    assert scheme is None
    assert [doc.text for doc in corpus_set.docs] == [entry["text"] for entry in entries]
    assert [note.kind for note in corpus_set.notes] == [OVERLAP] * overlaps
    assert sum(gold.values()) - sum(count_ents(corpus_set.docs).values()) == overlaps
    if not overlaps:
        assert count_ents(corpus_set.docs) == gold


@pytest.mark.parametrize(
    ("name", "lang", "scheme"),
    [
        large("badou/train", "zh", "BIO"),
        ("badou/dev", "zh", "BIO"),
        ("badou/test", "zh", "BIO"),
        large("chisiec/train.txt", "zh", "BIOES"),
        ("chisiec/dev.txt", "zh", "BIOES"),
        ("chisiec/test.txt", "zh", "BIOES"),
        large("conll2003/train.txt", "en", "BIO"),
        large("conll2003/valid.txt", "en", "BIO"),
        large("conll2003/test.txt", "en", "BIO"),
    ],
)
def test_columns(corpora, name, lang, scheme):
    text = (corpora / name).read_text(encoding="utf8")
    rows = [line.split() for line in text.split("\n") if line.strip()]
    # A byte order mark is left of a file that was glued to another one.
    rows = [row for row in rows if row[0] not in ("-DOCSTART-", "\ufeff")]
    corpus_set, found = read(corpora / name, lang)
    assert found == scheme
    assert corpus_set.left_out["-DOCSTART- lines left out"] == text.count("-DOCSTART-")
    assert [note.kind for note in corpus_set.notes] == [GLUED] * text.count("\ufeff")
    assert [token.text for doc in corpus_set.docs for token in doc] == [row[0] for row in rows]
    gold = Counter(row[-1][2:] for row in rows if row[-1][:2] in ("B-", "S-"))
    assert count_ents(corpus_set.docs) == gold


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(
    ("name", "lang"), [("cluener/dev.json", "zh"), ("chisiec/dev.txt", "zh"), ("badou/dev", "zh")]
)
def test_each_format_holds_all_entities(corpora, name, lang, form, tmp_path):
    docs = read(corpora / name, lang)[0].docs
    output = tmp_path / f"corpus{form.suffix}"
    write_files({output: docs}, form)
    files = find_files([output], "all").sets
    assert {find_format(Source.open(path)) for path in files["all"][:3]} == {form}
    restored = read_corpus(files, spacy.blank(lang)).sets["all"]
    assert not restored.notes

    def ents_of(docs):
        return [[(ent.start, ent.end, ent.text, ent.label_) for ent in doc.ents] for doc in docs]

    assert ents_of(restored.docs) == ents_of(docs)
