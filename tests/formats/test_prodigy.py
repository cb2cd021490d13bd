"""Tests of Prodigy's JSON lines."""

import json

import pytest
import spacy
from spacy.tokens import Span

from spacy_crf_ner.formats import prodigy
from spacy_crf_ner.formats.docbin import to_doc
from spacy_crf_ner.formats.format import Predictions
from spacy_crf_ner.formats.record import REJECTED
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.util import CorpusError

TEXT = "小王😀去北京"
NLP = spacy.blank("zh")
PER = {"start": 0, "end": 2, "token_start": 0, "token_end": 1, "label": "PER"}
LOC = {"start": 4, "end": 6, "token_start": 4, "token_end": 5, "label": "LOC", "text": "北京"}


def task(*spans, **fields):
    return {"text": TEXT, "spans": spans, "answer": "accept", "_view_id": "ner_manual", **fields}


def read(*tasks):
    lines = "\n".join(json.dumps(task, ensure_ascii=False) for task in tasks)
    source = Source("a.jsonl", f"\n{lines}".encode())
    assert prodigy.recognizes(source)
    return list(prodigy.read(source)), source


def test_manual_annotation_is_complete():
    (record,), source = read(task(PER, LOC, _input_hash=1, _task_hash=-1, meta={"id": 1}))
    assert record.text == TEXT
    assert record.spans == [(0, 2, "PER"), (4, 6, "LOC")]
    assert record.unknown == []
    assert (record.path, record.line) == ("a.jsonl", 2)
    assert not [*source.left_out, *source.notes]


@pytest.mark.parametrize(
    "fields",
    [{"_view_id": "ner"}, {"_view_id": "spans"}, {"_view_id": "blocks", "_is_binary": True}],
)
def test_of_a_binary_task_only_the_accepted_spans_are_known(fields):
    (record,), _ = read(task(LOC, **fields))
    assert record.spans == [(4, 6, "LOC")]
    assert record.unknown == [(0, 4)]
    assert [t.ent_iob_ for t in to_doc(record, NLP)] == ["", "", "", "", "B", "I"]


def test_what_is_unknown_of_a_binary_task_lies_between_its_spans():
    inner = {"start": 1, "end": 2, "label": "X"}
    middle = {"start": 3, "end": 5, "label": "X"}
    (record,), _ = read(task(middle, PER, inner, _view_id="spans"))
    assert record.unknown == [(2, 3), (5, 6)]


def test_a_task_that_says_that_it_is_not_binary_is_complete():
    (record,), _ = read(task(PER, _view_id="ner", _is_binary=False))
    assert record.unknown == []


def test_rejected_and_ignored_tasks_are_skipped_with_their_texts():
    records, source = read(task(PER, answer="reject"), task(PER, answer="ignore"), task())
    assert [(record.line, record.spans) for record in records] == [(4, [])]
    assert [(note.kind, note.line, note.text) for note in source.notes] == [
        (REJECTED, 2, TEXT),
        (REJECTED, 3, TEXT),
    ]
    assert "'ignore'" in source.notes[1].detail


@pytest.mark.parametrize(
    ("entry", "spans"),
    [
        ({"text": TEXT}, None),
        ({"text": TEXT, "spans": []}, []),
        ({"text": TEXT, "answer": "accept"}, []),
        ({"text": TEXT, "answer": "accept", "_view_id": "ner_manual"}, []),
        ({"text": TEXT, "answer": "accept", "_view_id": "relations", "relations": []}, []),
        ({"text": TEXT, "answer": "accept", "_view_id": "classification", "label": "x"}, None),
        ({"text": TEXT, "answer": "accept", "_view_id": "choice", "accept": ["x"]}, None),
    ],
)
def test_a_task_without_spans_is_unannotated_unless_it_asked_for_them(entry, spans):
    records, _ = read(entry, task())
    assert records[0].spans == spans


def test_other_annotation_is_counted():
    _, source = read(
        task(PER, LOC, relations=[{"head": 0, "child": 4, "label": "in"}]),
        task(accept=["x", "y"], versions=[{}]),
    )
    assert source.left_out == {
        "relations left out": 1,
        "chosen options left out": 2,
        "versions left out": 1,
    }


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (task(answer="yes"), ["the answer 'yes' is none of accept, reject, ignore"]),
        (task({"start": 0, "end": 2}), ["'spans' has the wrong shape", "Expected {"]),
        (task(3), ["'spans' has the wrong shape"]),
        (task(spans=None), ["'spans' has the wrong shape"]),
        (task({**PER, "end": None}), ["not whole numbers"]),
        (task({**PER, "label": ""}), ["empty string"]),
        (task({**PER, "end": 60}), ["out of range", "6 characters"]),
        (task({**LOC, "start": 5, "end": 7}), ["'北京' (LOC)", "look counted in UTF-16"]),
        (task({**LOC, "start": 3}), ["the text there is '去北京'", "Correct"]),
        ({"html": "<b>x</b>", "answer": "accept"}, ["there is no 'text'"]),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(entry, expected):
    with pytest.raises(CorpusError) as caught:
        read(task(), entry)
    assert str(caught.value).startswith("a.jsonl, line 3: ")
    for part in expected:
        assert part in str(caught.value)


def write(path, predictions=None):
    docs = [NLP(TEXT), NLP(TEXT), spacy.blank("en")("a b")]
    docs[0].ents = [Span(docs[0], 0, 2, "PER"), Span(docs[0], 4, 6, "LOC")]
    docs[1].ents = []
    prodigy.write(path, docs, predictions)
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def test_annotated_docs_are_written_as_accepted(tmp_path):
    first, second, third = write(tmp_path / "a.jsonl")
    assert first["spans"] == [PER, {key: LOC[key] for key in LOC if key != "text"}]
    assert first["tokens"][2] == {"text": "😀", "start": 2, "end": 3, "id": 2, "ws": False}
    assert (first["answer"], first["_view_id"]) == ("accept", "ner_manual")
    assert (second["answer"], second["spans"]) == ("accept", [])
    assert third == {
        "text": "a b",
        "tokens": [
            {"text": "a", "start": 0, "end": 1, "id": 0, "ws": True},
            {"text": "b", "start": 2, "end": 3, "id": 1, "ws": False},
        ],
    }


def test_predictions_are_written_as_tasks_to_do(tmp_path):
    scores = {"PER": 0.75, "LOC": None}
    predictions = Predictions("zh_x 1.0", lambda ent: scores[ent.label_])
    first, *_ = write(tmp_path / "a.jsonl", predictions)
    assert first["spans"][0] == {**PER, "source": "zh_x 1.0", "score": 0.75}
    assert "score" not in first["spans"][1]
    assert "answer" not in first
