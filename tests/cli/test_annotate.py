"""Tests of `python -m spacy crf annotate`."""

import json
import os

import pytest
import spacy
from spacy.cli._util import app as spacy_app
from spacy.tokens import DocBin
from typer.testing import CliRunner
from util import TEXTS as SENTENCES
from util import make_trained

import spacy_crf_ner.cli  # noqa: F401  (adds the commands to spaCy's)
from spacy_crf_ner.annotation.outputs import mark_entities

TEXTS = ["我在北京市，不在北京", "没有"]
MARKED = ["我在[北京市|LOC]，不在[北京|LOC]", "没有"]
ENTRIES = [
    {"text": TEXTS[0], "label": {"LOC": {"北京市": [[2, 4]], "北京": [[8, 9]]}}},
    {"text": TEXTS[1], "label": {}},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A pipeline that knows two places."""
    nlp = spacy.blank("zh")
    patterns = [{"label": "LOC", "pattern": "北京"}, {"label": "LOC", "pattern": "北京市"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    path = tmp_path_factory.mktemp("model")
    nlp.to_disk(path)
    return path


def annotate(*args, **kwargs):
    return CliRunner().invoke(spacy_app, ["crf", "annotate", *map(str, args)], **kwargs)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "\n".join(TEXTS) + "\n"),
        ("a.json", "\n".join(json.dumps({"text": text}) for text in TEXTS)),
        ("a", "\n".join(json.dumps({"text": text, "label": "any"}) for text in TEXTS)),
    ],
)
@pytest.mark.parametrize("from_stdin", [False, True])
def test_entities_are_marked(model, tmp_path, name, content, from_stdin):
    path = tmp_path / name
    path.write_text(content, encoding="utf8")
    if from_stdin:
        result = annotate(model, "-", input=content)
    else:
        result = annotate(model, path)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == MARKED


@pytest.mark.parametrize("options", [[], ["--batch-size", "1"], ["--n-process", "2"]])
def test_entities_are_written_as_cluener_does(model, tmp_path, options):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS), encoding="utf8")
    output = tmp_path / "new" / "a.json"
    result = annotate(model, tmp_path / "a.txt", "--output", output, *options)
    assert result.exit_code == 0, result.output
    lines = output.read_text(encoding="utf8").splitlines()
    assert [json.loads(line) for line in lines] == ENTRIES
    assert "北京市" in lines[0]
    assert os.listdir(output.parent) == ["a.json"]


def test_what_is_written_can_be_converted(model, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS), encoding="utf8")
    annotate(model, tmp_path / "a.txt", "-o", tmp_path / "a.json")
    args = ["crf", "convert", str(tmp_path / "a.json"), str(tmp_path / "a.spacy"), "--strict"]
    assert CliRunner().invoke(spacy_app, args).exit_code == 0
    annotate(model, tmp_path / "a.txt", "-o", tmp_path / "b.spacy")
    vocab = spacy.blank("zh").vocab
    marked = [
        [mark_entities(doc) for doc in DocBin().from_disk(tmp_path / name).get_docs(vocab)]
        for name in ("a.spacy", "b.spacy")
    ]
    assert marked == [MARKED, MARKED]


def test_another_format_may_be_a_folder(model, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS), encoding="utf8")
    output = tmp_path / "new" / "out"
    result = annotate(model, tmp_path / "a.txt", "-o", output, "--to", "brat")
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir(output)) == ["0001.ann", "0001.txt", "0002.ann", "0002.txt"]
    assert (output / "0001.txt").read_text(encoding="utf8") == TEXTS[0]
    lines = (output / "0001.ann").read_text(encoding="utf8").splitlines()
    # The entity ruler has no confidences.
    assert lines == ["T1\tLOC 2 5\t北京市", "T2\tLOC 8 10\t北京"]
    again = annotate(model, tmp_path / "a.txt", "-o", output, "--to", "brat")
    assert again.exit_code == 1
    assert "a folder that is not empty" in " ".join(again.output.split())


def test_a_format_that_holds_confidences_gets_them(tmp_path):
    nlp = make_trained()
    pipe = nlp.get_pipe("crf_ner")
    pipe.temperature = 5.0  # so that they are not all 1.0000
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "a.txt").write_text("\n".join(SENTENCES), encoding="utf8")
    options = ["--output", tmp_path / "out", "--to", "brat"]
    result = annotate(tmp_path / "model", tmp_path / "a.txt", *options)
    assert result.exit_code == 0, result.output
    pipe.spans_key = "sc"
    expected = [f"{ent._.confidence:.4f} (pipeline 0.0.0)" for ent in nlp(SENTENCES[0]).ents]
    lines = (tmp_path / "out" / "0001.ann").read_text(encoding="utf8").splitlines()
    assert [line.split("\t")[2] for line in lines] == ["王明", expected[0], "北京", expected[1]]
    assert all(confidence.startswith("0.") for confidence in expected)


def test_colour_goes_around_what_is_marked(model):
    doc = spacy.load(model)(TEXTS[0])
    colored = mark_entities(doc, colored=True)
    assert "\x1b[" in colored
    assert "[北京市|LOC]\x1b[0m，不在" in colored


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["none.txt"], "none.txt: there is no such file"),
        (["bad.json"], "bad.json, line 2: there is no 'text'"),
        (["latin"], "latin, line 1: byte 0xe9 at position 0 is not UTF-8"),
        (["a.txt", "-o", "a.doc"], "a.doc: unknown format. The extension must be .txt, .jsonl,"),
        (["a.txt", "-o", "a.txt/a.json"], "a.txt"),
        (["a.txt", "-o", "a.txt"], "INPUT and --output are the same file"),
        (["a.txt", "-o", "b.txt", "--rejects", "./a.txt"], "INPUT and --rejects are the same file"),
        (["a.txt", "-o", "b.txt", "--rejects", "b.txt"], "--output and --rejects are the same"),
        (["a.txt", "--to", "csv"], "--to csv is the format of a file"),
        (["a.txt", "--format", "xml"], "--format xml: unknown"),
        (["-", "--format", "parquet"], "Parquet cannot be read from stdin"),
        (["a.txt", "-o", "a/", "--to", "cluener"], "cluener is written to one file"),
        (["a.csv"], "a.csv, line 1: there is no column 'text', only 'a', 'b'"),
        (
            ["a.csv", "--text-field", "a", "-o", "b.csv", "--entities-field", "b"],
            "field 'b' already",
        ),
        (["twice.csv"], "twice.csv, line 1: the column 'text' is there twice"),
        (["a.parquet"], "a.parquet: this is no Parquet file, or a damaged one"),
    ],
)
def test_what_cannot_be_done_is_an_error(model, tmp_path, monkeypatch, args, expected):
    files = {
        "a.txt": b"x",
        "bad.json": b'{"text": ""}\n{}',
        "latin": b"\xe9t\xe9",
        "a.csv": b"a,b\n1,2\n",
        "twice.csv": b"text,text\n1,2\n",
        "a.parquet": b"PAR1",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    result = annotate(model, *args)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert expected in result.output
    assert sorted(os.listdir(tmp_path)) == sorted(files)


def test_an_unknown_model_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    result = annotate("no_such_model", tmp_path / "a.txt")
    assert result.exit_code == 1
    assert "no_such_model" in result.output


def test_a_failure_halfway_leaves_the_old_output(model, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr("spacy_crf_ner.annotation.outputs.Text.write", fail)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS), encoding="utf8")
    output = tmp_path / "out.txt"
    output.write_text("old")
    result = annotate(model, tmp_path / "a.txt", "-o", output)
    assert result.exit_code == 1
    assert "no space left on device" in result.output
    assert output.read_text() == "old"
