"""Dictionaries and gazetteers: file formats, storage, and matches against a plain search."""

import copy
import json
import logging
import pickle
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import spacy

from spacy_crf_ner.layers.lexicon import Lexicon
from spacy_crf_ner.lexicon import set_lexicon
from spacy_crf_ner.training import lexicon
from spacy_crf_ner.training.lexicon import add_lexicon, read_gazetteer, read_jieba


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def matches_of(entries, texts, is_boundary=lambda text, i: True):
    """What the matcher finds: for each text (start, end, class), in characters."""
    nlp = spacy.blank("zh")
    set_lexicon(nlp.vocab, entries)
    matcher = Lexicon.in_vocab(nlp.vocab).matcher
    joined = "\n".join(texts)
    cuts = [
        [i for i in range(len(text) + 1) if i in (0, len(text)) or is_boundary(text, i)]
        for text in texts
    ]
    offsets = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
    starts = [offset + i for offset, cut in zip(offsets, cuts) for i in cut[:-1]]
    ends = [offset + i for offset, cut in zip(offsets, cuts) for i in cut[1:]]
    found = matcher(joined, np.array(starts, dtype="i8"), np.array(ends, dtype="i8"))
    result = [[] for _ in texts]
    for first, last, label in zip(*(x.tolist() for x in found)):
        i = np.searchsorted(offsets, starts[first], side="right") - 1
        where = starts[first] - offsets[i], ends[last] - offsets[i]
        result[i].append((*where, matcher.classes[label]))
    return [sorted(some) for some in result]


def search(entries, text, is_boundary=lambda text, i: True):
    """The same, plainly."""
    edges = [i for i in range(len(text) + 1) if i in (0, len(text)) or is_boundary(text, i)]
    return sorted(
        {
            (start, end, label)
            for start in edges
            for end in edges
            for word, label in entries
            if start < end and text[start:end] == word
        }
    )


@pytest.mark.parametrize("seed", range(20))
def test_matches_are_those_of_a_plain_search(seed):
    rng = random.Random(seed)
    alphabet = ["ab", "京北\0", "x😀𠮷 ", "\u2028é\r"][seed % 4]
    sizes = rng.choice([[1, 2, 3], [2, 5], [3, 4, 9]])
    entries = [
        ("".join(rng.choices(alphabet, k=rng.choice(sizes))), rng.choice("ABC"))
        for _ in range(rng.choice([1, 5, 60]))
    ]
    texts = ["".join(rng.choices(alphabet, k=rng.choice([0, 1, 2, 40]))) for _ in range(10)]
    assert matches_of(entries, texts) == [search(entries, text) for text in texts]

    # Tokens of about three characters, in the same places whenever the text is the same.
    def is_boundary(text, i):
        return (i * 7 + len(text)) % 3 == 0

    expected = [search(entries, text, is_boundary) for text in texts]
    assert matches_of(entries, texts, is_boundary) == expected


def test_many_words():
    rng = random.Random(0)
    digits = "0123456789"
    entries = [("".join(rng.choices(digits, k=rng.choice([4, 5]))), "N") for _ in range(30000)]
    words = {word for word, _ in entries}
    text = "".join(rng.choices(digits, k=3000))
    expected = sorted(
        (i, i + n, "N") for n in (4, 5) for i in range(len(text)) if text[i : i + n] in words
    )
    assert matches_of(entries, [text]) == [[e for e in expected if e[1] <= len(text)]]


def test_texts_are_not_searched_across():
    assert matches_of([("ab", "X")], ["a", "b", "", "ab"]) == [[], [], [], [(0, 2, "X")]]


def test_a_word_of_several_classes():
    entries = [("北京", "ns"), ("北京", "PLACE"), ("北京", "ns"), ("北", "ns")]
    (found,) = matches_of(entries, ["北京"])
    assert found == [(0, 1, "ns"), (0, 2, "PLACE"), (0, 2, "ns")]


def test_text_gazetteer(tmp_path):
    path = write(tmp_path / "places.txt", "\ufeff北京\tCITY", "", "  ", "New York \r", "三亚\tCITY")
    expected = [("北京", "CITY"), ("New York", "places"), ("三亚", "CITY")]
    assert list(read_gazetteer(path)) == expected


def test_patterns_of_the_entity_ruler(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("spacy"), "propagate", True)
    path = tmp_path / "patterns.jsonl"
    ruler = spacy.blank("en").add_pipe("entity_ruler")
    ruler.add_patterns(
        [
            {"label": "ORG", "pattern": "Apple"},
            {"label": "GPE", "pattern": [{"LOWER": "san"}, {"LOWER": "francisco"}]},
            {"label": "GPE", "pattern": "می‌روم", "id": "x"},
        ]
    )
    ruler.to_disk(path)
    assert sorted(read_gazetteer(path)) == [("Apple", "ORG"), ("می‌روم", "GPE")]
    assert "skipped 1 of 3 patterns" in caplog.text
    assert str(path) in caplog.text


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("a.txt", "北京\tCITY\t3", "expected a word, or a word and its class.*line of its own"),
        ("a.txt", "北京\t", "expected a word, or a word and its class"),
        ("a.txt", "\tCITY", "expected a word, or a word and its class"),
        ("a.jsonl", "北京", "not JSON.*at column 1.*jq"),
        ("a.jsonl", '["北京"]', "expected a pattern of spaCy's EntityRuler.*Write it as"),
        ("a.jsonl", '{"pattern": "北京"}', "expected a pattern"),
        ("a.jsonl", '{"label": "GPE", "pattern": " "}', "expected a pattern"),
        ("a.jsonl", '{"label": "GPE", "pattern": "a\\nb"}', "expected a pattern.*on one line"),
        ("a.jsonl", '{"label": "GPE", "pattern": "\\ud800"}', "expected a pattern"),
    ],
)
def test_bad_lines_are_named(tmp_path, name, line, problem):
    good = json.dumps({"label": "GPE", "pattern": "上海"}) if name == "a.jsonl" else "上海"
    path = write(tmp_path / name, good, "", line)
    with pytest.raises(ValueError, match=f"{name}, line 3: {problem}"):
        list(read_gazetteer(path))


def test_bad_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.txt: there is no such file"):
        list(read_gazetteer(tmp_path / "none.txt"))
    (tmp_path / "gbk.txt").write_bytes("a\n北京".encode("gbk"))
    with pytest.raises(ValueError, match=r"gbk\.txt, line 2: byte 0xb1.* is not UTF-8.*iconv"):
        list(read_gazetteer(tmp_path / "gbk.txt"))
    with pytest.raises(ValueError, match=r"blank\.txt: the file is empty"):
        list(read_gazetteer(write(tmp_path / "blank.txt", "", " ")))


@pytest.mark.slow
def test_jieba_and_gazetteers_become_one_lexicon(tmp_path):
    pytest.importorskip("jieba")
    path = write(tmp_path / "PLACE.txt", "北京")
    nlp = spacy.blank("zh")
    assert add_lexicon(jieba=True, gazetteers=[path])(nlp) is nlp
    matcher = Lexicon.in_vocab(nlp.vocab).matcher
    assert {"PLACE", "ns", "nr", "nt", "n"} <= set(matcher.classes)
    starts = np.arange(4)
    first, last, label = matcher("去北京市", starts, starts + 1)
    found = {(a, b, matcher.classes[c]) for a, b, c in zip(first, last, label)}
    assert {(1, 2, "PLACE"), (1, 2, "ns"), (1, 3, "ns")} <= found
    assert (last > first).all()  # jieba's single characters are left out


@pytest.mark.slow
def test_sources_are_noted_once(tmp_path):
    path = write(tmp_path / "PLACE.txt", "北京")
    nlp = spacy.blank("zh")
    nlp.meta["sources"] = [{"name": "mine"}]
    for _ in range(2):
        add_lexicon(gazetteers=[path])(nlp)
    nlp.to_disk(tmp_path / "model")
    names = [source["name"] for source in spacy.load(tmp_path / "model").meta["sources"]]
    assert names == ["mine", "PLACE.txt (gazetteer)"]
    pytest.importorskip("jieba")
    nlp = add_lexicon(jieba=True)(spacy.blank("zh"))
    assert nlp.meta["sources"] == [{"name": "jieba (dictionary)"}]


def test_jieba_is_for_chinese_only(monkeypatch):
    monkeypatch.setattr(lexicon, "find_spec", lambda name: None)
    nlp = add_lexicon(jieba=True)(spacy.blank("en"))
    assert Lexicon.in_vocab(nlp.vocab).matcher.classes == []
    assert not nlp.meta.get("sources")
    with pytest.raises(ValueError, match="pip install jieba"):
        add_lexicon(jieba=True)(spacy.blank("zh"))


def test_jieba_that_is_missing_or_strange(tmp_path, monkeypatch):
    monkeypatch.setattr(lexicon, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install jieba"):
        list(read_jieba())
    write(tmp_path / "dict.txt", "北京 3 ns", "上海 ns")
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(lexicon, "find_spec", lambda name: spec)
    with pytest.raises(ValueError, match=r"dict\.txt, line 2: expected `word frequency class`"):
        list(read_jieba())


def test_without_sources_the_lexicon_is_empty():
    nlp = add_lexicon()(spacy.blank("zh"))
    assert Lexicon.in_vocab(nlp.vocab).matcher.classes == []


@pytest.mark.parametrize("wrap", [str, Path, lambda path: [path]])
def test_one_gazetteer_or_a_list(wrap, tmp_path):
    nlp = add_lexicon(gazetteers=wrap(write(tmp_path / "CITY.txt", "北京")))(spacy.blank("zh"))
    assert Lexicon.in_vocab(nlp.vocab).matcher.classes == ["CITY"]
    assert nlp.meta["sources"] == [{"name": "CITY.txt (gazetteer)"}]


def test_a_bad_source_leaves_the_lexicon_alone(tmp_path):
    nlp = spacy.blank("zh")
    set_lexicon(nlp.vocab, [("北京", "CITY")])
    with pytest.raises(ValueError, match="no such file"):
        add_lexicon(gazetteers=[write(tmp_path / "a.txt", "上海"), tmp_path / "none"])(nlp)
    assert Lexicon.in_vocab(nlp.vocab).matcher.classes == ["CITY"]


def test_of_equal_lexicons_there_is_one():
    nlp = spacy.blank("zh")
    assert Lexicon.in_vocab(nlp.vocab) is None
    set_lexicon(nlp.vocab, [("北京", "CITY"), ("上海", "CITY")])
    found = Lexicon.in_vocab(nlp.vocab)
    assert found.matcher is Lexicon.of([("北京", "CITY"), ("上海", "CITY")]).matcher
    assert found is copy.deepcopy(found)
    assert found is pickle.loads(pickle.dumps(found))
    assert found is not Lexicon.of([("北京", "CITY"), ("上海", "PLACE")])


def test_a_lexicon_that_waits_for_its_layer_is_saved(tmp_path):
    nlp = spacy.blank("zh")
    set_lexicon(nlp.vocab, [("北京", "CITY"), ("😀𠮷", "b"), ("New York", "CITY")])
    nlp.to_disk(tmp_path)
    expected = Lexicon.of([("北京", "CITY"), ("New York", "CITY"), ("😀𠮷", "b")])
    for other in (nlp, spacy.load(tmp_path), spacy.blank("zh").from_bytes(nlp.to_bytes())):
        assert Lexicon.in_vocab(other.vocab) is expected
