"""Tests of how records become docs, and docs files."""

import os

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

from spacy_crf_ner.formats.docbin import to_doc
from spacy_crf_ner.formats.record import (
    BLANK_MENTION,
    BLANK_RIM,
    BLANK_TOKEN,
    EMPTY_TEXT,
    MISALIGNED,
    OVERLAP,
    Record,
)
from spacy_crf_ner.formats.write import write_docbins
from spacy_crf_ner.util import CorpusError, decode_lines, replacing

ZH = spacy.blank("zh")
EN = spacy.blank("en")
MISSING, INSIDE, OUTSIDE, BEGIN = 0, 1, 2, 3


def ents_of(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def kinds_of(record):
    return [note.kind for note in record.notes]


def test_characters_become_tokens():
    doc = to_doc(Record("我在北京", [(2, 4, "LOC")], "a", 1), ZH)
    assert [token.text for token in doc] == ["我", "在", "北", "京"]
    assert [token.ent_iob for token in doc] == [OUTSIDE, OUTSIDE, BEGIN, INSIDE]
    assert ents_of(doc) == [(2, 4, "LOC")]


@pytest.mark.parametrize(
    ("spans", "iob"), [(None, [MISSING] * 2), ([], [OUTSIDE] * 2)], ids=["missing", "none"]
)
@pytest.mark.parametrize("text", ["北京", ["北", "京"]])
def test_missing_annotation_is_not_outside(text, spans, iob, tmp_path):
    doc = to_doc(Record(text, spans, "a", 1), ZH)
    write_docbins({tmp_path / "a.spacy": [doc]})
    (restored,) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(ZH.vocab)
    assert [token.ent_iob for token in restored] == iob


@pytest.mark.parametrize(
    ("spans", "kept", "kinds"),
    [
        ([(0, 2, "A"), (1, 4, "B")], [(1, 4, "B")], [OVERLAP]),
        ([(0, 2, "A"), (1, 3, "B")], [(0, 2, "A")], [OVERLAP]),
        ([(1, 3, "B"), (0, 2, "A")], [(0, 2, "A")], [OVERLAP]),
        ([(0, 2, "A"), (0, 2, "B")], [(0, 2, "A")], [OVERLAP]),
        ([(0, 1, "A"), (1, 2, "B"), (0, 3, "C")], [(0, 3, "C")], [OVERLAP] * 2),
        ([(2, 4, "A"), (0, 2, "B")], [(0, 2, "B"), (2, 4, "A")], []),
    ],
)
@pytest.mark.parametrize("text", ["甲乙丙丁", ["甲", "乙", "丙", "丁"]])
def test_of_overlapping_mentions_the_longest_then_the_first_stays(text, spans, kept, kinds):
    record = Record(text, spans, "a", 1)
    assert ents_of(to_doc(record, ZH)) == kept
    assert kinds_of(record) == kinds


@pytest.mark.parametrize(
    ("text", "span", "kept", "kind"),
    [
        ("甲\u3000乙", (0, 2, "A"), [(0, 1, "A")], BLANK_RIM),
        ("甲\u3000乙", (1, 3, "A"), [(2, 3, "A")], BLANK_RIM),
        ("甲\u3000乙", (1, 2, "A"), [], BLANK_MENTION),
        (["甲", " ", "乙"], (0, 2, "A"), [(0, 1, "A")], BLANK_RIM),
        (["甲", " ", "乙"], (1, 2, "A"), [], BLANK_MENTION),
    ],
)
def test_white_space_at_the_rim_is_trimmed(text, span, kept, kind):
    record = Record(text, [span], "a", 1)
    assert ents_of(to_doc(record, ZH)) == kept
    assert kinds_of(record) == [kind]


def test_white_space_within_a_mention_stays():
    record = Record("New York is big", [(0, 8, "LOC")], "a", 1)
    assert ents_of(to_doc(record, EN)) == [(0, 2, "LOC")]
    assert not record.notes


def test_tokens_of_a_misaligned_mention_are_missing():
    # Both mentions in one token, which has no annotation then, and an entity right beside it.
    record = Record("unhappy Paris now", [(0, 2, "A"), (3, 5, "A"), (8, 13, "LOC")], "a.json", 7)
    doc = to_doc(record, EN)
    assert [token.ent_iob for token in doc] == [MISSING, BEGIN, OUTSIDE]
    assert kinds_of(record) == [MISALIGNED] * 2
    assert str(record.notes[0]).startswith(f"a.json, line 7: {MISALIGNED}: 'un' [0, 2) A")


@pytest.mark.parametrize("text", ["", " \n", ["\u3000"]])
def test_an_empty_text_gives_an_empty_doc(text):
    record = Record(text, None, "a", 3)
    assert len(to_doc(record, ZH)) == 0
    assert [(note.kind, note.line) for note in record.notes] == [(EMPTY_TEXT, 3)]


def test_tokens_are_joined_without_spaces_where_the_language_has_none():
    record = Record(["北京", "很", "大"], [(0, 1, "LOC")], "a", 1)
    doc = to_doc(record, ZH)
    assert doc.text == "北京很大"
    assert not doc.has_unknown_spaces


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_elsewhere_spaces_are_unknown_so_that_training_keeps_the_tokens(lang, tmp_path):
    nlp = EN if lang == "en" else type("Spaced", (), {"vocab": EN.vocab, "lang": lang})()
    record = Record(["U.N.-led", "(", "x)"], [(0, 1, "ORG")], "a", 1)
    write_docbins({tmp_path / "a.spacy": [to_doc(record, nlp)]})
    (example,) = Corpus(tmp_path / "a.spacy")(EN)
    assert [token.text for token in example.predicted] == ["U.N.-led", "(", "x)"]
    assert ents_of(example.reference) == [(0, 1, "ORG")]


@pytest.mark.parametrize("nlp", [ZH, EN])
def test_a_document_of_tokens_is_one_sentence(nlp):
    record = Record(["北", "京", "大"], [(0, 2, "LOC")], "a", 3, lines=range(3, 6))
    record.note(BLANK_TOKEN, "", 1)
    assert [record.line_of(i) for i in range(3)] == [3, 4, 5]
    assert [note.line for note in record.notes] == [4]
    doc = to_doc(record, nlp)
    assert ents_of(doc) == [(0, 2, "LOC")]
    assert [(sent.start, sent.end) for sent in doc.sents] == [(0, 3)]


def test_all_files_are_written_or_none(tmp_path):
    good = Doc(ZH.vocab, words=["北"])
    with pytest.raises(AttributeError):
        write_docbins({tmp_path / "a.spacy": [good], tmp_path / "b.spacy": ["not a doc"]})
    assert os.listdir(tmp_path) == []


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_lines_are_split_at_line_ends_only_and_lose_the_byte_order_mark():
    data = "\ufeff甲\r\n乙\u2028丙\n".encode()
    assert decode_lines(data, "a") == ["甲", "乙\u2028丙", ""]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("a O\n北 O\n".encode("gb18030"), ["a.txt, line 2: byte 0xb1 at position 4", "-f GB18030"]),
        ("北 O\n".encode("utf-16"), ["a.txt, line 1: byte 0xff at position 0", "-f UTF-16"]),
        (b"", ["a.txt: the file is empty", "Remove or replace it"]),
        (b"\xef\xbb\xbf\r\n \n", ["a.txt: the file is empty"]),
    ],
)
def test_a_file_that_is_no_text_is_an_error(data, expected):
    with pytest.raises(CorpusError) as caught:
        decode_lines(data, "a.txt")
    for part in expected:
        assert part in str(caught.value)
