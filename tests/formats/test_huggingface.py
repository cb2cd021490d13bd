"""Tests of the data sets of Hugging Face's `datasets`."""

import json
import sys

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_crf_ner.formats.catalogue import find_format
from spacy_crf_ner.formats.find import find_sets
from spacy_crf_ner.formats.huggingface import COLUMNS, read, recognizes, write
from spacy_crf_ner.formats.record import Record
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.util import CorpusError

NAMES = ["O", "B-PER", "I-PER"]
LABEL = {"names": NAMES, "_type": "ClassLabel"}
ROWS = {
    "id": ["0", "1"],
    "tokens": [["Li", "Na", "runs"], ["Bo"]],
    "pos_tags": [[1, 1, 2], [1]],
    "ner_tags": [[1, 2, 0], [1]],
}
TAGS = [["B-PER", "I-PER", "O"], ["B-PER"]]


def read_lines(*rows):
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    source = Source("a.jsonl", text.encode())
    return source, list(read(source))


def make_table(feature=None, rows=ROWS):
    pyarrow = pytest.importorskip("pyarrow")
    features = {"ner_tags": feature} if feature else {}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pyarrow.table(rows).replace_schema_metadata(metadata)


def write_parquet(path, table):
    from pyarrow import parquet

    parquet.write_table(table, path)
    return path


def write_arrow(path, table):
    from pyarrow import ipc

    with ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)


def save_to_disk(folder, tables, feature=None, state=True):
    """What `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    # The order is that of state.json.
    names = [f"data-{9 - i:05}-of-{len(tables):05}.arrow" for i, _ in enumerate(tables)]
    for name, table in zip(names, tables):
        write_arrow(folder / name, table)
    info = {"features": {"ner_tags": feature} if feature else {}}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    if state:
        files = [{"filename": name} for name in names]
        (folder / "state.json").write_text(json.dumps({"_data_files": files}))
    return folder


@pytest.mark.parametrize("tokens", ["tokens", "words"])
@pytest.mark.parametrize("tags", ["ner_tags", "ner", "tags", "labels"])
def test_json_lines_have_tokens_and_tags(tokens, tags):
    source, (first, second) = read_lines(
        {"id": "0", tokens: ["Li", "Na"], tags: ["B-PER", "I-PER"], "pos": ["X", "X"]},
        {"id": "1", tokens: ["runs"], tags: ["O"]},
    )
    assert (first.tokens, first.tags, first.line) == (["Li", "Na"], ["B-PER", "I-PER"], 1)
    assert (second.tokens, second.tags, second.line) == (["runs"], ["O"], 2)
    assert source.left_out[COLUMNS] == 1


def test_ner_tags_are_preferred_to_other_tags():
    source, (row,) = read_lines({"tokens": ["Li"], "tags": ["X"], "ner_tags": ["B-PER"]})
    assert row.tags == ["B-PER"]
    assert source.left_out[COLUMNS] == 1


def test_a_row_without_tags_is_unannotated():
    _, rows = read_lines(
        {"tokens": ["a"], "ner_tags": ["O"]}, {"tokens": ["b"], "ner_tags": None}, {"tokens": ["c"]}
    )
    assert [row.spans for row in rows if isinstance(row, Record)] == [None, None]
    assert [row.line for row in rows] == [1, 2, 3]


def test_names_of_numbers_are_in_a_file_beside_json_lines(tmp_path):
    info = {"features": {"ner_tags": {"feature": LABEL, "_type": "Sequence"}}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"tokens": ["Li", "Na"], "ner_tags": [1, 2]}))
    (row,) = read(Source.open(path))
    assert row.tags == ["B-PER", "I-PER"]
    (tmp_path / "dataset_info.json").write_text("[")
    with pytest.raises(CorpusError, match="dataset_info.json: this is no JSON object"):
        list(read(Source.open(path)))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"tokens": ["a"], "ner_tags": [3]}, ["the tag 3 has no name", 'cast_column("ner_tags"']),
        ({"tokens": ["a"], "ner_tags": [None]}, ["the tag None has no name"]),
        ({"tokens": ["a"], "ner_tags": []}, ["a tag for each of the 1 tokens", "Expected {"]),
        ({"tokens": ["a"], "ner_tags": "O"}, ["a tag for each of the 1 tokens"]),
        ({"tokens": "a", "ner_tags": ["O"]}, ["'tokens' is no list of strings", "Expected {"]),
        ({"tokens": [1], "ner_tags": ["O"]}, ["'tokens' is no list of strings"]),
        ({"ner_tags": ["O"]}, ["'tokens' is no list of strings"]),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(row, expected):
    with pytest.raises(CorpusError) as caught:
        read_lines({"tokens": ["a"], "ner_tags": ["O"]}, row)
    assert str(caught.value).startswith("a.jsonl, line 2: ")
    for part in expected:
        assert part in str(caught.value)


def test_without_tokens_the_columns_are_listed():
    with pytest.raises(CorpusError, match="there are no tokens: .* the columns text, tags. Rename"):
        read_lines({"text": "a", "tags": ["O"]})


@pytest.mark.parametrize(
    "feature",
    [
        {"feature": LABEL, "length": -1, "_type": "Sequence"},
        {"feature": LABEL, "_type": "List"},
        [LABEL],
    ],
)
def test_parquet_has_the_names_in_its_metadata(tmp_path, feature):
    source = Source.open(write_parquet(tmp_path / "a.parquet", make_table(feature)))
    assert find_format(source).name == "huggingface"
    rows = list(read(source))
    assert [row.tokens for row in rows] == ROWS["tokens"]
    assert [row.tags for row in rows] == TAGS
    assert [row.line for row in rows] == [1, 2]
    assert source.left_out[COLUMNS] == 1


def test_parquet_may_have_strings_and_missing_tags(tmp_path):
    table = make_table(rows={"words": [["a"], ["b"]], "labels": [["O"], None]})
    tagged, record = read(Source.open(write_parquet(tmp_path / "a.parquet", table)))
    assert (tagged.tokens, tagged.tags) == (["a"], ["O"])
    assert (record.text, record.spans) == (["b"], None)


@pytest.mark.parametrize(
    ("feature", "problem"),
    [
        (None, "line 1: the tag 1 has no name"),
        ([{"names": ["O"]}], "line 1: the tag 1 is none of the 1"),
    ],
)
def test_numbers_without_names_are_an_error(tmp_path, feature, problem):
    source = Source.open(write_parquet(tmp_path / "a.parquet", make_table(feature)))
    with pytest.raises(CorpusError, match=problem):
        list(read(source))


def test_a_folder_of_arrow_files_is_one_source(tmp_path):
    table = make_table()
    folder = save_to_disk(tmp_path / "set", [table.slice(0, 1), table.slice(1)], [LABEL])
    found = find_sets([folder])
    assert found.sets == {"train": [folder]}
    source = Source.open(folder)
    assert find_format(source).name == "huggingface"
    assert [row.tags for row in read(source)] == TAGS


def test_a_folder_of_such_folders_is_a_corpus(tmp_path):
    for name in ("train", "validation", "test"):
        save_to_disk(tmp_path / name, [make_table()], [LABEL])
    (tmp_path / "dataset_dict.json").write_text('{"splits": []}')
    found = find_sets([tmp_path])
    names = {"train": "train", "dev": "validation", "test": "test"}
    assert found.sets == {each: [tmp_path / name] for each, name in names.items()}
    assert [path.name for path in found.ignored] == ["dataset_dict.json"]


def test_files_may_be_numbered_parts(tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}-00000-of-00001.parquet").touch()
    assert list(find_sets([tmp_path]).sets) == ["train", "test"]


def test_arrow_files_that_may_not_belong_together_are_an_error(tmp_path):
    folder = save_to_disk(tmp_path / "one", [make_table()], [LABEL], state=False)
    assert [row.tags for row in read(Source.open(folder))] == TAGS
    folder = save_to_disk(tmp_path / "two", [make_table()] * 2, [LABEL], state=False)
    with pytest.raises(CorpusError, match=r"no state.json.*the 2 files.*save_to_disk"):
        list(read(Source.open(folder)))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_damaged_file_is_an_error(tmp_path, name):
    pytest.importorskip("pyarrow")
    path = tmp_path / name
    write_arrow(path, make_table())
    path.write_bytes(path.read_bytes()[:500])
    assert recognizes(Source.open(path))
    with pytest.raises(CorpusError, match=f"{name}: this is no Parquet or Arrow file.*Save it"):
        list(read(Source.open(path)))


def test_without_pyarrow_the_error_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'spacy-crf-ner\[parquet\]'"):
        list(read(Source("a.parquet", b"PAR1")))


@pytest.mark.parametrize(
    ("row", "is_row"),
    [
        ({"tokens": ["a"], "ner_tags": ["O"]}, True),
        ({"words": ["a"], "labels": [0]}, True),
        ({"tokens": ["a"], "ner_tags": []}, False),
        ({"tokens": [{"text": "a"}], "tags": ["O"]}, False),
        ({"tokens": ["a", "b"], "labels": ["sports"]}, False),
        ({"text": "a", "labels": [[0, 1, "X"]]}, False),
        (["a"], False),
    ],
)
def test_json_is_told_by_its_keys(row, is_row):
    assert recognizes(Source("a.json", json.dumps(row).encode())) is is_row


def test_docs_are_written_as_json_lines(tmp_path):
    vocab = spacy.blank("en").vocab
    doc = Doc(vocab, words=["Li", "\t", "北"])
    doc.ents = [Span(doc, 0, 2, label="PER")]
    write(tmp_path / "a.jsonl", [doc, Doc(vocab, words=["a"])])
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf8").splitlines()
    assert lines == [
        r'{"id": "0", "tokens": ["Li", "\t", "北"], "ner_tags": ["B-PER", "I-PER", "O"]}',
        '{"id": "1", "tokens": ["a"], "ner_tags": null}',
    ]
