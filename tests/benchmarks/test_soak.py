"""The benchmark that soaks finds what is lost, doubled or wrong."""

import json

import pytest
from typer.testing import CliRunner

from benchmarks import soak


def write(folder, records, rejects=()):
    (folder / "out").mkdir()
    lines = [json.dumps({**record, "entities": []}) + "\n" for record in records]
    (folder / "out" / "part-000000.jsonl").write_text("".join(lines[:2]))
    (folder / "out" / "part-000001.jsonl").write_text("".join(lines[2:]))
    lines = [json.dumps({"record": record}) + "\n" for record in rejects]
    (folder / "rejects.jsonl").write_text("".join(lines))


def records(*numbers):
    return [soak.make_record(i, 0) for i in numbers]


@pytest.mark.parametrize(
    ("written", "rejected", "expected"),
    [
        (records(0, 1, 2, 4), records(3), {}),
        (records(0, 2, 4), records(3), {"lost": 1}),
        (records(0, 1, 2, 4), [], {"lost": 1, "rejected": 0}),
        (records(0, 1, 1, 2, 4), records(3), {"doubled": 1, "wrong": 1}),
        (records(0, 2, 1, 4), records(3), {"wrong": 1}),
        ([*records(0, 1, 2), {"id": 4, "text": "other"}], records(3), {"wrong": 1}),
        (records(0, 1, 4), records(2, 3), {"rejected": 2, "wrong": 1}),
    ],
)
def test_differences_are_counted(tmp_path, monkeypatch, written, rejected, expected):
    monkeypatch.setattr(soak, "BAD", 4)
    written = [record if "text" in record else {**record, "text": ""} for record in written]
    write(tmp_path, written, rejected)
    found = soak.compare(tmp_path, 5, 0)
    assert found == {"rejected": 1, "lost": 0, "doubled": 0, "wrong": 0, **expected}


def test_an_entity_that_is_not_in_the_text_is_wrong(tmp_path):
    (record,) = records(0)
    entity = {"start": 0, "end": 1, "label": "X", "text": "?", "confidence": None}
    write(tmp_path, [])
    (tmp_path / "out" / "part-000000.jsonl").write_text(
        json.dumps({**record, "entities": [entity]})
    )
    assert soak.compare(tmp_path, 1, 0)["wrong"] == 1


@pytest.mark.slow
def test_a_command_that_is_killed_loses_nothing():
    args = ["--documents", "20000", "--part-size", "200", "--kill-every", "8"]
    result = CliRunner().invoke(soak.app, args)
    assert result.exit_code == 0, result.output
    assert "lost" in result.output
