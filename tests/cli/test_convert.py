"""Tests of `python -m spacy crf convert`."""

import json
import os

import pytest
import spacy
from spacy.cli._util import app as spacy_app
from spacy.tokens import DocBin
from typer.testing import CliRunner

import spacy_crf_ner.cli  # noqa: F401  (adds the commands to spaCy's)

BIO = "北 B-LOC\n京 I-LOC\n很 O\n大 O\n\n他 B-PER\n\n"
JSON = '{"text": "北京很大", "label": {"LOC": {"北京": [[0, 1]]}}}\n'


def convert(*args):
    return CliRunner().invoke(spacy_app, ["crf", "convert", *map(str, args)])


def put(folder, **files):
    """Write files, a double underscore in a name being a dot."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode("utf8")
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def docs_of(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("zh").vocab))


def ents_of(path):
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs_of(path)]


def many(n, start=0):
    """n documents, each with a text of its own."""
    return "".join(
        json.dumps({"text": f"北京{i}", "label": {"LOC": {"北京": [[0, 1]]}}}) + "\n"
        for i in range(start, start + n)
    )


def test_a_file_to_one_docbin(tmp_path):
    put(tmp_path, a__txt=BIO)
    result = convert(tmp_path / "a.txt", tmp_path / "new" / "a.spacy")
    assert result.exit_code == 0, result.output
    assert ents_of(tmp_path / "new" / "a.spacy") == [[("北京", "LOC")], [("他", "PER")]]
    assert "tag scheme: BIO" in result.output
    assert os.listdir(tmp_path / "new") == ["a.spacy"]


def test_files_and_formats_are_pooled_in_one_docbin(tmp_path):
    put(tmp_path, a__txt=BIO, b__json=JSON, c=JSON)
    result = convert(*(tmp_path / name for name in ("a.txt", "b.json", "c")), tmp_path / "a.spacy")
    assert result.exit_code == 0, result.output
    assert len(docs_of(tmp_path / "a.spacy")) == 4


def test_a_folder_to_one_docbin(tmp_path):
    source = put(tmp_path / "in", a__txt=BIO, b=BIO, schema__json="{}", README__md="# x", __x="")
    (source / "sub").mkdir()
    result = convert(source, tmp_path / "all.spacy")
    assert result.exit_code == 0, result.output
    assert len(docs_of(tmp_path / "all.spacy")) == 4
    for name in ("schema.json", "README.md", ".x", "sub"):
        assert f"ignored: {name}" in result.output
    assert "ignored: b" not in result.output


def test_carriage_returns_and_byte_order_mark_are_accepted(tmp_path):
    put(tmp_path, a=("\ufeff" + BIO.replace("\n", "\r\n")).encode("utf8"))
    assert convert(tmp_path / "a", tmp_path / "a.spacy").exit_code == 0
    assert ents_of(tmp_path / "a.spacy") == [[("北京", "LOC")], [("他", "PER")]]


def test_a_brace_may_be_the_first_token(tmp_path):
    put(tmp_path, a="{ O\n" + BIO)
    result = convert(tmp_path / "a", tmp_path / "a.spacy")
    assert result.exit_code == 0, result.output
    assert docs_of(tmp_path / "a.spacy")[0].text == "{北京很大"


def test_text_to_annotate_has_missing_entities(tmp_path):
    put(tmp_path, train__json='{"text": "北京"}\n')
    result = convert(tmp_path / "train.json", tmp_path / "train.spacy")
    assert result.exit_code == 0, result.output
    assert [token.ent_iob for token in docs_of(tmp_path / "train.spacy")[0]] == [0, 0]
    assert "not annotated" in result.output


@pytest.mark.parametrize(
    "names",
    [
        ("train", "dev", "test"),
        ("train.txt", "valid.txt", "test.txt"),
        ("Train.char.bmes", "validation.char.bmes", "TEST.char.bmes"),
        ("train.x", "val.x", "test.y"),
        ("train.x", "development.x", "test.y"),
    ],
)
def test_a_folder_to_a_folder(tmp_path, names):
    source = put(tmp_path / "in", schema__json="{}", other__txt="x")
    contents = (BIO, "他 B-PER\n", "他 B-PER\n\n她 B-PER\n\n")
    put(
        source,
        **{name.replace(".", "__"): text for name, text in zip(names, contents, strict=True)},
    )
    result = convert(source, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir(tmp_path / "out")) == ["dev.spacy", "test.spacy", "train.spacy"]
    sizes = [len(docs_of(tmp_path / "out" / f"{name}.spacy")) for name in ("train", "dev", "test")]
    assert sizes == [2, 1, 2]
    assert "ignored: schema.json" in result.output
    assert "ignored: other.txt" in result.output


def test_a_folder_can_be_converted_in_place_twice(tmp_path):
    source = put(tmp_path / "in", train=BIO, dev=BIO, test=BIO)
    for _ in range(2):
        result = convert(source, source)
        assert result.exit_code == 0, result.output
    assert len(docs_of(source / "train.spacy")) == 2


@pytest.mark.parametrize("from_folder", [True, False])
def test_dev_is_split_off_and_test_is_dev_where_there_are_none(tmp_path, from_folder):
    source = put(tmp_path / "in", train__json=many(50))
    result = convert(source if from_folder else source / "train.json", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "no dev set: 5 documents of train" in result.output
    assert "no test set: test.spacy is the dev set" in result.output
    texts = {
        name: [doc.text for doc in docs_of(tmp_path / "out" / f"{name}.spacy")]
        for name in ("train", "dev", "test")
    }
    assert (len(texts["train"]), len(texts["dev"])) == (45, 5)
    assert sorted(texts["train"] + texts["dev"]) == sorted(f"北京{i}" for i in range(50))
    assert texts["test"] == texts["dev"]


def test_the_split_follows_seed_and_share(tmp_path):
    source = put(tmp_path, a__json=many(50)) / "a.json"

    def dev_texts(*options):
        result = convert(source, tmp_path / "out", *options)
        assert result.exit_code == 0, result.output
        return [doc.text for doc in docs_of(tmp_path / "out" / "dev.spacy")]

    assert dev_texts() == dev_texts("--seed", "0")
    assert dev_texts() != dev_texts("--seed", "1")
    assert len(dev_texts("--split", "0.5")) == 25
    assert len(dev_texts("--split", "0")) == 1
    assert len(dev_texts("--split", "1")) == 49


def test_the_summary(tmp_path):
    source = put(
        tmp_path / "in",
        train="-DOCSTART- O\n\n" + BIO + "大 O\n京 I-LOC\n\n",
        dev__json=JSON + '{"text": " ", "label": {}}\n' + '{"text": "他来"}\n',
        test="他 B-PER\n",
    )
    result = convert(source, tmp_path / "out")
    assert result.exit_code == 0, result.output
    rows = [line.rsplit(maxsplit=3) for line in result.output.splitlines()]
    table = {row[0].strip(): row[1:] for row in rows if len(row) == 4}
    assert table["documents"] == ["3", "2", "1"]
    assert table["not annotated"] == ["0", "1", "0"]
    assert table["tokens"] == ["7", "6", "1"]
    assert table["per document, median"] == ["2", "3", "1"]
    assert table["per document, max"] == ["4", "4", "1"]
    assert table["entities"] == ["3", "1", "1"]
    assert table["LOC"] == ["2", "1", "0"]
    assert table["PER"] == ["1", "0", "1"]
    assert table["-DOCSTART- lines left out"] == ["1", "0", "0"]
    assert table["repaired: illegal tag sequence"] == ["1", "0", "0"]
    assert table["skipped: document with an empty text"] == ["0", "1", "0"]
    assert str(source) not in result.output


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.txt", "北 B-LOC\n大 O\n京 I-LOC\n", "line 3: repaired: illegal tag"),
        ("a.txt", "北\tB-LOC\n \tO\n", "line 2: repaired: token that is white space"),
        (
            "a.json",
            JSON + '{"text": "北京", "label": {"A": {"北京": [[0, 1]], "北": [[0, 0]]}}}',
            "line 2: skipped: mention that overlaps a longer or earlier one: '北' [0, 1) A",
        ),
        (
            "a.json",
            JSON + '{"text": "北 京", "label": {"A": {"北 ": [[0, 1]]}}}',
            "line 2: repaired: mention that begins or ends with white space",
        ),
        (
            "a.json",
            JSON + '{"text": "北 京", "label": {"A": {" ": [[1, 1]]}}}',
            "line 2: skipped: mention that is all white space",
        ),
        ("a.json", JSON + '{"text": "", "label": {}}', "line 2: skipped: document with an empty"),
    ],
)
def test_repairs_and_skips_are_listed_and_fail_when_strict(tmp_path, name, content, where):
    source = put(tmp_path / "in", **{name.replace(".", "__"): content}) / name
    output = tmp_path / "out" / "a.spacy"
    strict = convert(source, output, "--strict")
    assert strict.exit_code == 1
    assert f"{source}, {where}" in strict.output
    assert "1 repairs and skips, listed above: nothing is written" in strict.output
    assert not output.parent.exists()
    verbose = convert(source, output, "--verbose")
    assert verbose.exit_code == 0
    assert f"{source}, {where}" in verbose.output
    assert output.exists()


def test_misaligned_mentions_are_skipped_by_the_tokenizer_of_the_language(tmp_path):
    entry = {"text": "in unhappy Paris", "label": {"A": {"un": [[3, 4]], "Paris": [[11, 15]]}}}
    put(tmp_path, a__json=json.dumps(entry))
    result = convert(tmp_path / "a.json", tmp_path / "a.spacy", "--lang", "en", "-V")
    assert result.exit_code == 0, result.output
    assert "line 1: skipped: mention that does not align with the tokens: 'un'" in result.output
    assert [token.ent_iob for token in docs_of(tmp_path / "a.spacy")[0]] == [2, 0, 3]


def test_docstarts_are_no_repair(tmp_path):
    put(tmp_path, a="-DOCSTART- O\n" + BIO)
    assert convert(tmp_path / "a", tmp_path / "a.spacy", "--strict").exit_code == 0


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", JSON + "北", "a.json, line 2: not a JSON object|Write each document on a line"),
        ("a.json", '{"label": {}}', "a.json, line 1: there is no 'text'|Expected {"),
        ("a.json", '{"text": "x", "label": 1}', "a.json, line 1: 'label' has the wrong shape"),
        (
            "a.jsonl",
            JSON + JSON.replace("[0, 1]", "[0, 2]"),
            "a.jsonl, line 2: expected the mention '北京'|subtract 1 from each end",
        ),
        ("a.json", JSON.replace("[0, 1]", "[0, 9]"), "a.json, line 1: |out of range|Correct"),
        ("a", "{\n", "a, line 2: not a JSON object|jq"),
        ("a", "北 B-LOC\n京\n", "a, line 2: expected at least 2 columns|Add"),
        ("a", "北 B-LOC\n京 x I-LOC\n", "a, line 2: expected 2 columns|Add or remove"),
        ("a", "北 B-LOC\n京 Z-LOC\n", "a, line 2: the tag 'Z-LOC' belongs to no|Correct the tag"),
        ("a", BIO.encode("gb18030"), "a, line 1: byte 0xb1 at position 0 is not UTF-8|iconv -f"),
        ("a", BIO.encode("utf-16"), "a, line 1: byte 0xff at position 0 is not UTF-8|-f UTF-16"),
        ("a.zip", b"PK\x03\x04\0\0", "a.zip: the format is not known. Known are spacy"),
        ("a.spacy", b"x", "a.spacy: this is no .spacy file, or a damaged one"),
        ("a", "", "a: the file is empty|Remove"),
        ("a", "-DOCSTART- O\n", "a: no documents are found|Add some"),
        ("a", "北 O\n京 O\n", "a: no entities are found|Check that"),
        ("a.json", '{"text": "北京", "label": {}}', "a.json: no entities are found|Check that"),
        ("a.json", '{"text": "", "label": {}}', "a.json: no documents are found|Add some"),
    ],
)
@pytest.mark.parametrize("output", ["out/a.spacy", "out"])
def test_bad_input_is_an_error_and_leaves_no_output(tmp_path, name, content, expected, output):
    source = put(tmp_path / "in", **{name.replace(".", "__"): content})
    result = convert(source / name, tmp_path / output)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    for part in expected.split("|"):
        assert part in result.output
    assert str(source / name) in result.output
    assert os.listdir(tmp_path) == ["in"]
    assert os.listdir(source) == [name]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"train": BIO, "dev": "他 B-ORG\n"}, "dev, line 1: the dev set has labels|ORG|Correct"),
        (
            {"train": BIO, "dev": BIO, "test": "他 O\n\n我 O\n他 B-ORG\n\n她 B-ADJ\n\n甲 B-ORG"},
            "test, line 4: the test set has labels that the training set lacks: ADJ, ORG; "
            "here '他' is ORG",
        ),
        ({"train": BIO, "dev": "他 O\n"}, "dev: no entities are found"),
        ({"train__json": '{"text": "x"}'}, "train.json: no entities are found|--format"),
        ({"train": BIO, "dev": BIO, "val": BIO}, "val: both this and|named as a dev set|Rename"),
        ({"dev": BIO}, "in: there is no training set|Name the file or the folder train"),
        ({"README": "x"}, "in: there is no corpus file in it|Check the path"),
        ({"train": "他 B-PER\n"}, "train: one document cannot be split|Add documents"),
        ({"train": BIO, "test": ""}, "test: the file is empty"),
    ],
)
def test_a_bad_folder_is_an_error_and_leaves_no_output(tmp_path, files, expected):
    source = put(tmp_path / "in", **files)
    before = os.listdir(source)
    result = convert(source, tmp_path / "out")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    for part in expected.split("|"):
        assert part in result.output
    assert os.listdir(tmp_path) == ["in"]
    assert os.listdir(source) == before


def test_a_failed_conversion_leaves_the_old_output(tmp_path):
    put(tmp_path, a=BIO, b="北 Z-LOC\n")
    assert convert(tmp_path / "a", tmp_path / "a.spacy").exit_code == 0
    before = (tmp_path / "a.spacy").read_bytes()
    assert convert(tmp_path / "b", tmp_path / "a.spacy").exit_code == 1
    assert (tmp_path / "a.spacy").read_bytes() == before


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["none.txt", "a.spacy"], "none.txt: there is no such file. Check the path"),
        (["a.txt", "a.txt/out"], "a.txt"),
        (["a.txt", "a.spacy", "--lang", "qqq"], "qqq"),
    ],
)
def test_what_cannot_be_found_or_made_is_an_error(tmp_path, monkeypatch, args, expected):
    put(tmp_path, a__txt=BIO)
    monkeypatch.chdir(tmp_path)
    result = convert(*args)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert expected in result.output
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_set_may_be_a_folder_of_files(tmp_path):
    source = tmp_path / "in"
    put(source, other=BIO)
    for name in ("train", "validation"):
        put(source / name, a__txt=BIO, b__json=JSON, notes__md="x")
    result = convert(source, tmp_path / "out")
    assert result.exit_code == 0, result.output
    sizes = [len(docs_of(tmp_path / "out" / f"{name}.spacy")) for name in ("train", "dev")]
    assert sizes == [3, 3]
    assert "ignored: other" in result.output
    assert "ignored: notes.md" in result.output
    assert "format: columns of tokens and tags" in result.output
    assert "CLUENER's JSON lines" in result.output


def test_docbins_are_read_if_there_is_nothing_else(tmp_path):
    source = put(tmp_path / "in", train=BIO, dev=BIO)
    convert(source, tmp_path / "out")
    result = convert(tmp_path / "out", tmp_path / "again", "--strict")
    assert result.exit_code == 0, result.output
    for name in ("train", "dev"):
        path = tmp_path / "again" / f"{name}.spacy"
        assert ents_of(path) == ents_of(tmp_path / "out" / f"{name}.spacy")


def test_a_format_can_be_forced(tmp_path):
    put(tmp_path, a__json=BIO)
    assert convert(tmp_path / "a.json", tmp_path / "a.spacy").exit_code == 1
    result = convert(tmp_path / "a.json", tmp_path / "a.spacy", "--format", "columns")
    assert result.exit_code == 0, result.output
    wrong = convert(tmp_path / "a.json", tmp_path / "a.spacy", "--format", "xml")
    assert wrong.exit_code == 1
    assert "There is no format 'xml'. There are spacy" in wrong.output


def test_what_is_skipped_goes_to_a_file_of_rejects(tmp_path):
    entries = [
        {"text": "in unhappy Paris", "label": {"A": {"un": [[3, 4]], "Paris": [[11, 15]]}}},
        {"text": "New York", "label": {"A": {"New York": [[0, 7]]}, "B": {"York": [[4, 7]]}}},
        {"text": " "},
    ]
    put(tmp_path, a__json="\n".join(map(json.dumps, entries)))
    rejects = tmp_path / "new" / "rejects.jsonl"
    options = ["--lang", "en", "--rejects", rejects]
    result = convert(tmp_path / "a.json", tmp_path / "a.spacy", *options)
    assert result.exit_code == 0, result.output
    assert "3 rejects" in result.output
    lines = [json.loads(line) for line in rejects.read_text(encoding="utf8").splitlines()]
    misaligned, overlapping, empty = lines
    assert misaligned["reason"] == "mention that does not align with the tokens"
    assert misaligned["text"] == entries[0]["text"]
    assert (misaligned["start"], misaligned["end"], misaligned["label"]) == (3, 5, "A")
    assert (misaligned["file"], misaligned["line"]) == (str(tmp_path / "a.json"), 1)
    assert overlapping["reason"] == "mention that overlaps a longer or earlier one"
    assert (overlapping["start"], overlapping["end"], overlapping["label"]) == (4, 8, "B")
    assert (empty["reason"], empty["line"]) == ("document with an empty text", 3)


def test_all_mentions_go_to_a_key_of_spans(tmp_path):
    entry = {"text": "New York", "label": {"A": {"New York": [[0, 7]]}, "B": {"York": [[4, 7]]}}}
    put(tmp_path, a__json=json.dumps(entry))
    options = ["--lang", "en", "--spans-key", "sc", "--strict"]
    result = convert(tmp_path / "a.json", tmp_path / "a.spacy", *options)
    assert result.exit_code == 0, result.output
    (doc,) = docs_of(tmp_path / "a.spacy")
    assert [(span.text, span.label_) for span in doc.spans["sc"]] == [
        ("New York", "A"),
        ("York", "B"),
    ]
    assert [ent.label_ for ent in doc.ents] == ["A"]


def test_files_that_were_glued_together_are_repaired_and_counted(tmp_path):
    put(tmp_path, a=BIO + "\ufeff" + BIO + "\u3000\n" + BIO, b__json=JSON + "\ufeff" + JSON)
    result = convert(tmp_path / "a", tmp_path / "b.json", tmp_path / "a.spacy", "-V")
    assert result.exit_code == 0, result.output
    assert result.output.count("repaired: what files that were glued together have") == 4
    assert "a, line 8: repaired: what files that were glued together have between them: a byte" in (
        result.output
    )
    assert len(docs_of(tmp_path / "a.spacy")) == 8


def test_another_format_is_written(tmp_path):
    put(tmp_path, a__txt=BIO)
    result = convert(tmp_path / "a.txt", tmp_path / "new" / "a.json", "--to", "cluener")
    assert result.exit_code == 0, result.output
    lines = (tmp_path / "new" / "a.json").read_text(encoding="utf8").splitlines()
    assert json.loads(lines[0]) == json.loads(JSON)
    assert len(lines) == 2


def test_each_set_of_a_folder_is_written_and_none_is_made(tmp_path):
    source = put(tmp_path / "in", train=BIO, test__json=JSON + '{"text": "北 京"}\n')
    result = convert(source, tmp_path / "out", "--to", "columns")
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir(tmp_path / "out")) == ["test.tsv", "train.tsv"]
    output = " ".join(result.output.split())
    assert "columns cannot hold documents without annotation: lost in 1 documents" in output
    assert "columns cannot hold spaces between tokens: lost in 1 documents" in output
    assert "columns cannot hold missing annotation" not in output


def test_a_folder_format_is_written_and_read(tmp_path):
    put(tmp_path, a__json=JSON + '{"text": "北京"}\n')
    result = convert(tmp_path / "a.json", tmp_path / "out", "--to", "brat")
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir(tmp_path / "out")) == ["0001.ann", "0001.txt", "0002.txt"]
    result = convert(tmp_path / "out", tmp_path / "b.json", "--to", "cluener")
    assert result.exit_code == 0, result.output
    assert "format: brat's standoff files" in result.output
    lines = (tmp_path / "b.json").read_text(encoding="utf8").splitlines()
    assert list(map(json.loads, lines)) == [json.loads(JSON), {"text": "北京"}]


def test_each_set_may_be_a_folder_of_pairs(tmp_path):
    source = put(tmp_path / "in", train=many(12), test=many(3))
    result = convert(source, tmp_path / "brat", "--to", "brat")
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir(tmp_path / "brat")) == ["test", "train"]
    put(tmp_path / "brat", annotation__conf="[entities]\nLOC\n")
    result = convert(tmp_path / "brat", tmp_path / "out", "--strict")
    assert result.exit_code == 0, result.output
    sizes = [len(docs_of(tmp_path / "out" / f"{name}.spacy")) for name in ("train", "dev", "test")]
    assert sizes == [11, 1, 3]
    assert "ignored: annotation.conf" in result.output


def test_a_folder_of_pairs_is_split(tmp_path):
    convert(put(tmp_path / "in", a=many(20)) / "a", tmp_path / "brat", "--to", "brat")
    result = convert(tmp_path / "brat", tmp_path / "out")
    assert result.exit_code == 0, result.output
    sizes = [len(docs_of(tmp_path / "out" / f"{name}.spacy")) for name in ("train", "dev")]
    assert sizes == [18, 2]


def test_a_folder_that_is_not_empty_stays_as_it_is(tmp_path):
    put(tmp_path, a__json=JSON)
    put(tmp_path / "out", mine="x")
    result = convert(tmp_path / "a.json", tmp_path / "out", "--to", "brat")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    output = " ".join(result.output.split())
    assert "out: there is a folder that is not empty. Empty it, or name another." in output
    assert os.listdir(tmp_path / "out") == ["mine"]


def test_what_is_wrong_in_one_of_many_files_is_said_shortly(tmp_path):
    texts = {f"{name}__txt": "北京" for name in "abcde"}
    source = put(tmp_path / "in", **texts, a__ann="")
    result = convert(source, tmp_path / "out")
    assert result.exit_code == 1
    output = " ".join(result.output.split())
    assert "c.txt and 2 other files: no entities are found in brat's standoff files" in output


@pytest.mark.slow
def test_real_corpora_in_folders(corpora, tmp_path):
    result = convert(corpora / "badou", tmp_path / "out", "--strict")
    assert result.exit_code == 0, result.output
    assert "ignored: schema.json" in result.output
    assert len(docs_of(tmp_path / "out" / "dev.spacy")) == 209
