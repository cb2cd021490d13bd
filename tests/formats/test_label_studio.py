"""Tests of Label Studio's JSON and JSON-MIN."""

import json

import pytest
import spacy
from spacy.tokens import Span

from spacy_crf_ner.formats import label_studio
from spacy_crf_ner.formats.docbin import to_doc
from spacy_crf_ner.formats.format import Predictions
from spacy_crf_ner.formats.record import OVERLAP, REJECTED, SECOND_ANNOTATION, UTF_16
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.util import CorpusError

TEXT = "小王😀去北京"
NLP = spacy.blank("zh")


def value(start, end, text, *labels):
    return {"start": start, "end": end, "text": text, "labels": list(labels)}


def region(*args, **fields):
    return {
        "id": "x",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": value(*args),
        **fields,
    }


PER, LOC = region(0, 2, "小王", "PER"), region(4, 6, "北京", "LOC")


def task(*regions, **fields):
    return {"id": 7, "data": {"text": TEXT}, "annotations": [{"result": regions}], **fields}


def read(*tasks):
    lines = ",\n".join(json.dumps(task, ensure_ascii=False) for task in tasks)
    source = Source("a.json", f"[\n{lines}\n]".encode())
    assert label_studio.recognizes(source)
    return list(label_studio.read(source)), source


def test_tasks_are_read():
    records, source = read(task(PER, LOC), task())
    assert [record.text for record in records] == [TEXT, TEXT]
    assert [record.spans for record in records] == [[(0, 2, "PER"), (4, 6, "LOC")], []]
    assert [record.line for record in records] == [2, 3]
    assert not [*source.left_out, *source.notes, *records[0].notes]


def test_a_single_task_is_read():
    source = Source("a.json", json.dumps(task(PER)).encode())
    (record,) = label_studio.read(source)
    assert record.spans == [(0, 2, "PER")]


def test_offsets_in_utf_16_are_converted_and_noted():
    (record,), _ = read(task(PER, region(5, 7, "北京", "LOC")))
    assert record.spans == [(0, 2, "PER"), (4, 6, "LOC")]
    assert [(note.kind, note.line) for note in record.notes] == [(UTF_16, 2)]
    assert "'北京' [4, 6) LOC" in record.notes[0].detail


@pytest.mark.parametrize(
    ("text", "shown"), [("a  b", "a b"), ("a\nb", "a\\nb"), ("a\r\nb", "a\\n\\nb"), ("a\tb", "a b")]
)
def test_white_space_in_the_mention_may_be_what_a_browser_shows(text, shown):
    entry = task(region(0, len(text), shown, "X"), data={"text": f"{text} c"})
    (record,), _ = read(entry)
    assert record.spans == [(0, len(text), "X")]
    assert record.notes == []


def test_regions_may_lack_the_mention():
    entry = region(0, 2, "", "PER")
    del entry["value"]["text"]
    (record,), _ = read(task(entry))
    assert record.spans == [(0, 2, "PER")]


def test_each_of_several_labels_is_a_mention():
    (record,), _ = read(task(region(0, 2, "小王", "PER", "BOSS")))
    assert record.spans == [(0, 2, "PER"), (0, 2, "BOSS")]
    doc = to_doc(record, NLP)
    assert len(doc.ents) == 1
    assert [note.kind for note in record.notes] == [OVERLAP]


@pytest.mark.parametrize(
    ("data", "to_name"),
    [
        ({"text": TEXT, "title": "x"}, "text"),
        ({"body": TEXT, "title": "x"}, "body"),
        ({"body": TEXT, "text": "x"}, "body"),
        ({"review": TEXT, "number": 3}, "text"),
    ],
)
def test_the_text_is_found_under_any_key(data, to_name):
    (record,), _ = read(task({**PER, "to_name": to_name}, data=data))
    assert record.text == TEXT


def test_the_first_annotation_that_is_not_cancelled_is_used():
    annotations = [
        {"result": [PER], "was_cancelled": True},
        {"result": [LOC], "was_cancelled": False},
        {"result": []},
    ]
    (record,), _ = read(task(annotations=annotations))
    assert record.spans == [(4, 6, "LOC")]
    assert [(note.kind, note.text) for note in record.notes] == [(SECOND_ANNOTATION, TEXT)] * 2


def test_a_task_that_was_cancelled_is_skipped_with_its_text():
    records, source = read(task(annotations=[{"result": [], "was_cancelled": True}]))
    assert records == []
    assert [(note.kind, note.line, note.text) for note in source.notes] == [(REJECTED, 2, TEXT)]


def test_a_task_without_annotations_is_unannotated():
    records, source = read({"data": {"text": TEXT}}, task(annotations=[], drafts=[{"result": []}]))
    assert [record.spans for record in records] == [None, None]
    assert source.left_out == {"drafts left out": 1}


def test_completions_are_what_annotations_once_were():
    entry = {"data": {"text": TEXT}, "completions": [{"result": [PER]}]}
    (record,), _ = read(entry)
    assert record.spans == [(0, 2, "PER")]


def test_predictions_and_other_results_are_left_out_and_counted():
    choices = {"type": "choices", "value": {"choices": ["news"]}}
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    entry = task(PER, choices, relation, relation, predictions=[{"result": [LOC]}])
    (record,), source = read(entry)
    assert record.spans == [(0, 2, "PER")]
    assert source.left_out == {
        "predictions left out": 1,
        "choices results left out": 1,
        "relation results left out": 2,
    }


def test_json_min_is_read():
    about = {"annotator": 1, "annotation_id": 5, "created_at": "2024", "updated_at": "2024"}
    records, _ = read(
        {"review": TEXT, "id": 1, "ner": [value(0, 2, "小王", "PER")], **about},
        {"review": TEXT, "id": 2, **about},
        {"review": TEXT, "id": 1, "ner": [value(4, 6, "北京", "LOC")], **about},
    )
    assert [record.text for record in records] == [TEXT, TEXT]
    assert [record.spans for record in records] == [[(0, 2, "PER")], []]
    (note,) = records[0].notes
    assert (note.kind, note.detail) == (SECOND_ANNOTATION, "in line 4")


def test_json_min_without_ids_is_read():
    entry = {"text": TEXT, "label": [value(5, 7, "北京", "LOC")]}
    records, _ = read(entry, entry)
    assert [record.spans for record in records] == [[(4, 6, "LOC")]] * 2


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (task({"value": {}}), ["the task has the wrong shape", "Expected {"]),
        (task({"type": "labels", "value": {"start": 0}}), ["the task has the wrong shape"]),
        (task("x"), ["the task has the wrong shape"]),
        (task(annotations=[12]), ["the task has the wrong shape"]),
        (task({**PER, "to_name": ["text"]}), ["the task has the wrong shape"]),
        (task(data={"a": "x", "b": "y"}), ["cannot tell which of 'a', 'b' is the text", "Name"]),
        (task(data={"image": 3}), ["no strings", "Expected {"]),
        (task(region(0, 2, "小王", "")), ["empty string"]),
        (task(region("/p[1]", "/p[1]", "小王", "PER")), ["not whole numbers"]),
        (
            task(region(0, 2, "北京", "LOC")),
            ["expected the mention '北京' (LOC) at [0, 2]", "'小王'", "Correct the offsets or"],
        ),
        (task(region(0, 1, "小王", "PER")), ["look end-inclusive: add 1 to each end"]),
        (task(region(13, 19, "北京", "LOC")), ["out of range", "look counted in bytes"]),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(entry, expected):
    with pytest.raises(CorpusError) as caught:
        read(task(), entry)
    assert str(caught.value).startswith("a.json, line 3: ")
    for part in expected:
        assert part in str(caught.value)


def make_docs():
    docs = [NLP(TEXT), NLP(TEXT), NLP(TEXT)]
    docs[0].ents = [Span(docs[0], 0, 2, "PER"), Span(docs[0], 4, 6, "LOC")]
    docs[1].ents = []
    return docs


def write(path, predictions=None):
    label_studio.write(path, make_docs(), predictions)
    return json.loads(path.read_text(encoding="utf8"))


def test_annotations_are_written_as_tasks(tmp_path):
    first, second, third = write(tmp_path / "a.json")
    regions = [{**PER, "id": "0-0"}, {**LOC, "id": "0-1"}]
    assert first == {"data": {"text": TEXT}, "annotations": [{"result": regions}]}
    assert second == {"data": {"text": TEXT}, "annotations": [{"result": []}]}
    assert third == {"data": {"text": TEXT}}
    assert len((tmp_path / "a.json").read_text(encoding="utf8").splitlines()) == 5


def test_predictions_are_written_with_model_and_scores(tmp_path):
    scores = {"PER": 0.75, "LOC": 0.5}
    predictions = Predictions("zh_x 1.0", lambda ent: scores[ent.label_])
    first, second, third = write(tmp_path / "a.json", predictions)
    (prediction,) = first["predictions"]
    assert "annotations" not in first
    assert prediction["model_version"] == "zh_x 1.0"
    assert [each["score"] for each in prediction["result"]] == [0.75, 0.5]
    assert prediction["score"] == 0.5
    assert second["predictions"] == [{"model_version": "zh_x 1.0", "result": []}]
    assert "predictions" not in third


def test_predictions_without_confidences_have_no_scores(tmp_path):
    first, *_ = write(tmp_path / "a.json", Predictions("x 1", lambda ent: None))
    (prediction,) = first["predictions"]
    assert "score" not in prediction
    assert all("score" not in each for each in prediction["result"])


def test_what_was_predicted_is_not_read_as_annotation(tmp_path):
    write(tmp_path / "a.json", Predictions("x 1", lambda ent: 0.5))
    source = Source.open(tmp_path / "a.json")
    assert [record.spans for record in label_studio.read(source)] == [None] * 3
    assert source.left_out["predictions left out"] == 2


def test_no_docs_are_an_empty_array(tmp_path):
    label_studio.write(tmp_path / "a.json", [])
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf8")) == []
