"""Tests of doccano's JSON lines."""

import json

import pytest
import spacy
from spacy.tokens import Span

from spacy_crf_ner.formats import doccano
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.util import CorpusError

TEXT = "小王😀去北京"
SPANS = [(0, 2, "PER"), (4, 6, "LOC")]
TRIPLES = [list(span) for span in SPANS]
OBJECTS = [
    {"id": i, "label": label, "start_offset": start, "end_offset": end}
    for i, (start, end, label) in enumerate(SPANS)
]


def read(*entries):
    lines = "\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    source = Source("a.jsonl", f"\n{lines}".encode())
    assert doccano.recognizes(source)
    return list(doccano.read(source)), source


@pytest.mark.parametrize(
    "entry",
    [
        {"id": 1, "text": TEXT, "label": TRIPLES, "Comments": []},
        {"text": TEXT, "labels": TRIPLES},
        {"data": TEXT, "label": TRIPLES},
        {"text": TEXT, "entities": OBJECTS, "relations": []},
        {"text": TEXT, "entities": TRIPLES, "cats": []},
        {"text": TEXT, "label": TRIPLES, "data": "a name of one's own"},
    ],
)
def test_the_dialects(entry):
    (record,), source = read(entry)
    assert record.text == TEXT
    assert record.spans == SPANS
    assert (record.path, record.line) == ("a.jsonl", 2)
    assert not source.left_out


def test_no_label_is_missing_annotation_and_an_empty_one_is_no_entities():
    records, _ = read({"text": TEXT}, {"text": TEXT, "label": []})
    assert [record.spans for record in records] == [None, []]


def test_other_annotation_is_counted():
    relation = {"id": 0, "from_id": 0, "to_id": 1, "type": "in"}
    entry = {"text": TEXT, "entities": OBJECTS, "relations": [relation] * 2, "Comments": ["?"]}
    _, source = read(entry, {"text": TEXT, "entities": TRIPLES, "cats": ["news"]})
    assert source.left_out == {
        "relations left out": 2,
        "comments left out": 1,
        "document classes left out": 1,
    }


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ([[0, 2]], ["'label' has the wrong shape", "Expected {"]),
        ([[0, 2, "PER", "x", 1]], ["'label' has the wrong shape"]),
        ([[0, 2, ""]], ["empty string", "Name it"]),
        ([[0, 2, 7]], ["the label 7 is not a string", "Expected {"]),
        ([["0", "2", "PER"]], ["not whole numbers"]),
        ([[0, 2.0, "PER"]], ["not whole numbers"]),
        ([[2, 2, "PER"]], ["an empty string", "look end-inclusive: add 1 to each end"]),
        ([[6, 6, "PER"]], ["an empty string", "Correct the offsets."]),
        ([[5, 7, "LOC"]], ["[5, 7] of LOC", "6 characters", "look counted in UTF-16"]),
        ([[13, 19, "LOC"]], ["out of range", "look counted in bytes"]),
        ([[13, 90, "LOC"]], ["out of range", "Correct the offsets."]),
        ([[-2, 2, "LOC"]], ["out of range", "Correct the offsets."]),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(label, expected):
    with pytest.raises(CorpusError) as caught:
        read({"text": TEXT, "label": label})
    assert str(caught.value).startswith("a.jsonl, line 2: ")
    for part in expected:
        assert part in str(caught.value)


def test_numbers_as_labels_are_an_error():
    annotation = {"label": 3, "start_offset": 0, "end_offset": 2, "user": 1}
    with pytest.raises(CorpusError, match="the label 3 is not a string"):
        read({"text": TEXT, "annotations": [annotation]})


def test_an_object_without_offsets_is_an_error():
    with pytest.raises(CorpusError, match="'entities' has the wrong shape"):
        read({"text": TEXT, "label": []}, {"text": TEXT, "entities": [{"label": "PER"}]})


@pytest.mark.parametrize(
    "entry",
    [
        {"text": TEXT, "label": ["a class"]},
        {"text": TEXT, "label": {"PER": {}}},
        {"text": TEXT, "label": "a class"},
        {"text": TEXT, "entities": []},
        {"text": TEXT, "entities": [{"start": 0, "end": 2, "label": "PER"}]},
        {"text": ["小", "王"], "label": TRIPLES},
    ],
)
def test_other_json_is_not_recognized(entry):
    assert not doccano.recognizes(Source("a.jsonl", json.dumps(entry).encode()))


def test_docs_are_written_with_triples(tmp_path):
    nlp = spacy.blank("zh")
    docs = [nlp(TEXT), nlp(TEXT), nlp(TEXT)]
    docs[0].ents = [Span(docs[0], 0, 2, "PER"), Span(docs[0], 4, 6, "LOC")]
    docs[1].ents = []
    doccano.write(tmp_path / "a.jsonl", docs)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf8").splitlines()
    assert TEXT in lines[0]
    assert [json.loads(line) for line in lines] == [
        {"text": TEXT, "label": TRIPLES},
        {"text": TEXT, "label": []},
        {"text": TEXT},
    ]
