"""JSON formats are told apart by their content."""

import pytest

from spacy_crf_ner.formats.catalogue import find_format
from spacy_crf_ner.formats.source import Source

SAMPLES = [
    ("label-studio", '[{"data": {"text": "a b"}}]'),
    ("label-studio", '[{"id": 1, "data": {"x": "a b"}, "annotations": [{"result": []}]}]'),
    ("label-studio", '[{"x": "a", "ner": [{"start": 0, "end": 1, "labels": ["X"]}], "id": 1}]'),
    ("doccano", '{"id": 1, "text": "a", "label": [[0, 1, "X"]]}'),
    ("doccano", '{"id": 1, "data": "a", "labels": []}'),
    (
        "doccano",
        '{"text": "a", "entities": [{"label": "X", "start_offset": 0, "end_offset": 1}]}',
    ),
    ("prodigy", '{"text": "a", "answer": "reject"}'),
    ("prodigy", '{"text": "a", "spans": [{"start": 0, "end": 1, "label": "X"}]}'),
    (
        "prodigy",
        '{"text": "a", "tokens": [{"text": "a", "start": 0, "end": 1, "id": 0}], '
        '"answer": "accept", "_view_id": "ner_manual"}',
    ),
    ("spacy-json", '{"text": "a", "ents": [], "tokens": [{"id": 0, "start": 0, "end": 1}]}'),
    ("spacy-json", '{"text": "a", "tokens": [{"id": 0, "start": 0, "end": 1}]}'),
    ("spacy-json", '[{"id": 0, "paragraphs": [{"raw": "a", "sentences": []}]}]'),
    ("spacy-json", '[["a", {"entities": []}]]'),
    ("spacy-json", '{"classes": ["X"], "annotations": [null, ["a", {"entities": []}]]}'),
    ("cluener", '{"text": "a", "label": {"X": {"a": [[0, 0]]}}}'),
    ("cluener", '{"text": "a"}'),
    ("cluener", '{"text": "a", "label": {}}'),
    ("columns", "[ O\n"),
    ("columns", "{ O\n"),
]


@pytest.mark.parametrize(("name", "content"), SAMPLES)
def test_a_file_has_the_format_of_its_content(name, content):
    assert find_format(Source("a", content.encode())).name == name
