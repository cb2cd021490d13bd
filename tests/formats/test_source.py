"""Tests of corpus files before they are read."""

import json

import pytest

from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.util import CorpusError

VALUES = [{"text": "北京"}, {"text": 'a "quoted" ]'}, {"text": "c", "label": []}]
LINES = [json.dumps(value, ensure_ascii=False) for value in VALUES]


def source(text, name="a.json"):
    return Source(name, text.encode("utf8"))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("\n".join(LINES), [1, 2, 3]),
        ("\n\n" + "\n\n".join(LINES) + "\n", [3, 5, 7]),
        (json.dumps(VALUES), [1, 1, 1]),
        (json.dumps(VALUES, indent=1), [2, 5, 8]),
        ("[\n" + ",\n".join(LINES) + "\n]\n", [2, 3, 4]),
        ("\n".join(json.dumps(value, indent=0) for value in VALUES), [1, 4, 7]),
        # Arrays that were glued together.
        (f"[{LINES[0]},\n{LINES[1]}]\n[{LINES[2]}]", [1, 2, 3]),
    ],
)
def test_json_values_have_the_line_that_they_start_in(text, lines):
    entries = source(text).entries
    assert [entry.value for entry in entries] == VALUES
    assert [entry.line for entry in entries] == lines


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (LINES[0] + '\n{"text": }', 2, "not a JSON object (Expecting value at column 10)"),
        ("[\n" + LINES[0] + ",\n{]", 3, "not a JSON object"),
        ("[\n" + ",\n".join(LINES) + "\n", 4, "a closing bracket is missing"),
        ('[\n{"a": 1,\n"a": 2}]', 2, "the key 'a' occurs twice in one JSON object. Merge the two."),
        ('{"a": {"b": ["\\ud83d"]}}', 1, "half of a surrogate pair"),
    ],
)
def test_an_error_names_the_line(text, line, problem):
    with pytest.raises(CorpusError) as caught:
        _ = source(text).entries
    assert str(caught.value).startswith(f"a.json, line {line}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "is_json"),
    [
        ("{ O\n", "a", False),
        ("[ O\n", "a", False),
        ('{"text": ""}', "a", True),
        ("[\n{", "a", True),
        ('[["a", {}]]', "a", True),
        ("北 O", "a.json", True),
        ("北 O", "a.jsonl", True),
    ],
)
def test_json_is_told_by_extension_or_content(text, name, is_json):
    assert source(text, name).is_json is is_json


def test_some_looks_for_keys_and_the_types_of_their_values():
    file = source("\n".join(LINES))
    assert file.some(text=str)
    assert file.some(text=str, label=list)
    assert not file.some(label=dict)
    assert not source("北 O", "a.txt").some(text=str)
