"""Inputs of annotation, which are cut into parts and read one part at a time."""

import io
import json
from datetime import date

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from spacy_crf_ner.annotation.inputs import STDIN, open_input
from spacy_crf_ner.annotation.parts import Reject, Row
from spacy_crf_ner.util import CorpusError

ROWS = [{"text": "王明", "id": 1}, {"text": "", "id": 2}, {"text": '李雷, "去"\n上海', "id": 3}]


def read(source, *, size=2, format=None, field="text"):
    """All records of an input, and its parts."""
    with open_input(str(source), format, field) as found:
        parts = list(found.split(size))
        return [each for part in parts for each in found.reader.rows(part)], parts


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_rows(folder, name):
    """The rows in one of the formats."""
    path = folder / name
    if name.endswith(".parquet"):
        parquet.write_table(pyarrow.Table.from_pylist(ROWS), path, row_group_size=2)
    elif name.endswith(".csv"):
        write(path, 'text,id\n王明,1\n"",2\n"李雷, ""去""\n上海",3\n')
    elif name.endswith(".tsv"):
        write(path, '\ufefftext\tid\r\n王明\t1\r\n\t2\r\n"李雷, ""去""\n上海"\t3\r\n')
    elif name == "array.json":
        write(path, json.dumps(ROWS, indent=1))
    elif name == "several.json":
        write(path, "\n".join(json.dumps(row, indent=1) for row in ROWS))
    else:
        write(path, "\n\n".join(json.dumps(row) for row in ROWS))
    return path


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    "name", ["a.jsonl", "none", "array.json", "several.json", "a.csv", "a.tsv", "a.parquet"]
)
def test_records_come_in_order_whatever_the_parts(tmp_path, name, size):
    records, parts = read(write_rows(tmp_path, name), size=size)
    assert [row.text for row in records] == [row["text"] for row in ROWS]
    assert [int(row.fields["id"]) for row in records] == [1, 2, 3]
    assert [part.number for part in parts] == list(range(len(parts)))
    assert len(parts) >= 3 // size


@pytest.mark.parametrize("name", ["a.jsonl", "array.json", "a.csv", "a.tsv"])
def test_stdin_is_read_once(tmp_path, monkeypatch, name):
    path = write_rows(tmp_path, name)
    expected, _ = read(path)
    stdin = io.TextIOWrapper(io.BytesIO(path.read_bytes()))
    monkeypatch.setattr("sys.stdin", stdin)
    format = "csv" if name.endswith("sv") else None
    records, parts = read(STDIN, format=format)
    assert records == expected
    assert all(part.data is not None for part in parts)


def test_a_blank_line_is_an_empty_text(tmp_path):
    records, _ = read(write(tmp_path / "a.txt", "\ufeff王明\r\n\n上\u2028海\r去\n"))
    assert records == [
        Row(1, "王明", {"text": "王明"}),
        Row(2, "", {"text": ""}),
        Row(3, "上\u2028海\r去", {"text": "上\u2028海\r去"}),
    ]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "none"])
def test_an_empty_file_has_no_parts(tmp_path, name):
    assert read(write(tmp_path / name, "")) == ([], [])


def test_the_field_of_the_text_has_another_name(tmp_path):
    records, _ = read(write(tmp_path / "a.csv", "id;body\n7;王明\n"), field="body")
    assert records == [Row(2, "王明", {"id": "7", "body": "王明"})]


@pytest.mark.parametrize(
    ("name", "content", "line", "reason"),
    [
        ("a.txt", b"a\n\xff\nb", 2, "byte 0xff at position 0 is not UTF-8"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"\n{"text": "c"}', 2, "no JSON object in one line"),
        ("a.jsonl", b'{"text": "a"}\n["b"]\n', 2, "a JSON list, not an object"),
        ("a.jsonl", b'{"text": "a"}\n{"text": 1}\n', 2, "'text' is not a string"),
        ("a.jsonl", b'{"text": "a"}\n\n{"b": 1}\n', 3, "there is no 'text'"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\\ud83d"}\n', 2, "half of a surrogate pair"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "a", "text": "b"}\n', 2, "occurs twice"),
        ("a.jsonl", b'{"text": "a"}\n' + b"[" * 100_000 + b"\n", 2, "no JSON object in one line"),
        ("a.csv", b'text,id\n"a\nb",1\nc\nd,2', 4, "1 fields, but the header has 2"),
        ("a.csv", b"text,id\na,1\n\xff,2\n", 3, "byte 0xff at position 0 is not UTF-8"),
    ],
)
def test_a_bad_record_costs_no_other(tmp_path, name, content, line, reason):
    records, _ = read(write(tmp_path / name, content))
    bad = [each for each in records if isinstance(each, Reject)]
    assert [each.line for each in bad] == [line]
    assert reason in bad[0].reason
    assert records[0].text[0] == "a"


def test_parquet_without_a_text_is_a_bad_record(tmp_path):
    parquet.write_table(pyarrow.table({"text": ["a", None]}), tmp_path / "a.parquet")
    records, _ = read(tmp_path / "a.parquet")
    assert records[0] == Row(1, "a", {"text": "a"})
    assert records[1].line == 2
    assert "'text' is not a string" in records[1].reason


def test_types_of_parquet_are_kept(tmp_path):
    row = {"text": "a", "day": date(2026, 11, 26)}
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "a.parquet")
    records, _ = read(tmp_path / "a.parquet")
    assert records[0].fields == row


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "a".encode("utf-16"), "if it is UTF-16"),
        ("a.csv", b'text\n"a\n', "a.csv, line 2: this is not CSV"),
        ("a.json", b'[{"text": "a"}', "the JSON array has no end"),
    ],
)
def test_a_bad_file_is_an_error(tmp_path, monkeypatch, name, content, message):
    # An open quote takes all the rest, up to this many characters.
    monkeypatch.setattr("spacy_crf_ner.annotation.lines._LONGEST_FIELD", 10)
    path = write(tmp_path / name, content + (b"x" * 20 if name == "a.csv" else b""))
    with pytest.raises(CorpusError, match=message):
        read(path)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff")), max_size=8),
    st.integers(1, 4),
)
def test_any_texts_come_back(tmp_path_factory, texts, size):
    folder = tmp_path_factory.mktemp("any")
    lines = [json.dumps({"text": text}) for text in texts]
    assert [
        row.text for row in read(write(folder / "a.jsonl", "\n".join(lines)), size=size)[0]
    ] == (texts)
    content = "".join(f"{text}\n" for text in texts)
    records, _ = read(write(folder / "a.txt", content), size=size, format="text")
    assert [row.text for row in records] == texts
