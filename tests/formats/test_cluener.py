"""Tests of CLUENER's JSON lines."""

import json

import pytest
import spacy
from spacy.tokens import Span

from spacy_crf_ner.formats import cluener
from spacy_crf_ner.formats.cluener import to_cluener
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.util import CorpusError

TEXT = "北京很大，北京"


def read(entry):
    line = entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False)
    return list(cluener.read(Source("a.json", f"\n{line}".encode())))


def test_offsets_are_end_inclusive():
    entry = {"text": TEXT, "label": {"LOC": {"北京": [[0, 1], [5, 6]]}}}
    (record,) = read(entry)
    assert record.text == TEXT
    assert record.spans == [(0, 2, "LOC"), (5, 7, "LOC")]
    assert (record.path, record.line) == ("a.json", 2)


def test_offsets_count_characters_beyond_the_basic_plane_as_one():
    (record,) = read({"text": "𠮷野家在北京", "label": {"LOC": {"北京": [[4, 5]]}}})
    assert record.spans == [(4, 6, "LOC")]


@pytest.mark.parametrize(
    ("entry", "spans"), [({"text": TEXT}, None), ({"text": TEXT, "label": {}}, [])]
)
def test_no_label_is_missing_annotation_and_an_empty_one_is_no_entities(entry, spans):
    (record,) = read(entry)
    assert record.spans == spans


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{", ["not a JSON object", "line of its own", "jq"]),
        ("北 B-LOC", ["not a JSON object"]),
        ("3", ["a JSON int", "jq"]),
        ({"label": {}}, ["there is no 'text'", "Expected {"]),
        ({"text": 3}, ["'text' is not a string"]),
        ('{"text": "\\ud83d"}', ["surrogate", "Remove"]),
        ('{"text": "北京", "label": {"LOC": {}, "LOC": {}}}', ["'LOC' occurs twice", "Merge"]),
        ({"text": TEXT, "label": None}, ["'label' has the wrong shape", "Expected {"]),
        ({"text": TEXT, "label": ["LOC"]}, ["'label' has the wrong shape"]),
        ({"text": TEXT, "label": {"LOC": [[0, 1]]}}, ["'label' has the wrong shape"]),
        ({"text": TEXT, "label": {"LOC": {"北京": [0, 1]}}}, ["'label' has the wrong shape"]),
        (
            {"text": TEXT, "label": {"LOC": {"北京": [["0", "1"]]}}},
            ["not whole numbers", "Expected"],
        ),
        ({"text": TEXT, "label": {"": {"北京": [[0, 1]]}}}, ["empty string", "Name it"]),
        (
            {"text": TEXT, "label": {"LOC": {"北京": [[2, 3]]}}},
            ["expected the mention '北京' (LOC) at [2, 3]", "there is '很大'", "Correct"],
        ),
        (
            {"text": TEXT, "label": {"LOC": {"北京": [[0, 2]]}}},
            ["there is '北京很'", "look end-exclusive: subtract 1"],
        ),
        (
            {"text": TEXT, "label": {"LOC": {"北京": [[5, 7]]}}},
            ["[5, 7]", "out of range", "7 characters", "look end-exclusive: subtract 1"],
        ),
        (
            {"text": TEXT, "label": {"LOC": {"北京": [[70, 71]]}}},
            ["[70, 71]", "out of range", "7 characters", "Correct"],
        ),
        ({"text": TEXT, "label": {"LOC": {"北京": [[-2, -1]]}}}, ["out of range"]),
        ({"text": TEXT, "label": {"LOC": {"": [[1, 0]]}}}, ["out of range"]),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(entry, expected):
    with pytest.raises(CorpusError) as caught:
        read(entry)
    assert str(caught.value).startswith("a.json, line 2: ")
    for part in expected:
        assert part in str(caught.value)


def test_docs_are_written_as_they_were_read():
    entry = {"text": TEXT, "label": {"LOC": {"北京": [[0, 1], [5, 6]]}, "ADJ": {"大": [[3, 3]]}}}
    (record,) = read(entry)
    doc = spacy.blank("zh")(TEXT)
    doc.ents = [Span(doc, start, end, label=label) for start, end, label in record.spans]
    assert to_cluener(doc) == entry
