"""`crf report` and its errors."""

import json
import shutil

import pytest
from spacy.tokens import DocBin
from typer.testing import CliRunner
from util import TRAIN, make_examples, make_trained

from spacy_crf_ner.cli import app

ENTRY = {
    "epoch": 0,
    "step": 10,
    "losses": {"crf_ner": 5.0},
    "score": 0.5,
    "scores": {"ents_f": 0.5},
}
AUDIT = {
    **{"document": 1, "text": "去北京了", "start": 1, "end": 3, "label": "LOC", "kind": "label"},
    **{"probability": 0.9, "suggestion": None},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A trained pipeline, and corpora."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "training").mkdir()
    nlp = make_trained()
    nlp.to_disk(folder / "training" / "model-best")
    for name, train in (("train", TRAIN), ("test", TRAIN[:2])):
        docs = [eg.reference for eg in make_examples(nlp, train)]
        DocBin(docs=docs).to_disk(folder / f"{name}.spacy")
    return folder


@pytest.fixture
def folder(saved, tmp_path, monkeypatch):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(*options):
    arguments = ["report", "training/model-best", "test.spacy", "-o", "reports/r.html", *options]
    return CliRunner().invoke(app, arguments)


def write_lines(path, *objects):
    path.write_text("".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects), "utf8")


def test_a_page_is_written(folder):
    write_lines(folder / "training" / "training.jsonl", ENTRY, {**ENTRY, "step": 20})
    write_lines(folder / "audit.jsonl", AUDIT)
    result = report("--train", "train.spacy", "--audit", "audit.jsonl")
    assert result.exit_code == 0, result.output
    assert "reports/r.html" in result.output
    page = (folder / "reports" / "r.html").read_text(encoding="utf8")
    assert "<title>training/model-best on" in page
    assert "2 of the 2 documents are in the training corpus as well" in " ".join(page.split())
    # The log beside the model was found.
    assert 'id="learning-figure_1"' in page
    assert "北京<span>LOC</span>" in page
    # The rest of the paths is private.
    assert str(folder.parent) not in page


@pytest.mark.parametrize("missing", ["train", "log", "audit"])
def test_what_is_missing_is_named(folder, missing):
    result = report(f"--{missing}", "nowhere.jsonl")
    assert result.exit_code == 1
    assert "nowhere.jsonl" in result.output
    assert not (folder / "reports").exists()


@pytest.mark.parametrize(
    ("option", "lines", "message"),
    [
        ("log", [ENTRY, {**ENTRY, "losses": None}], "line 2: 'losses' is None"),
        ("log", [{"step": 1}], "line 1: no 'losses'"),
        ("log", [[1]], "line 1: not a JSON object"),
        ("audit", [AUDIT, {**AUDIT, "text": 3}], "line 2: 'text' is 3"),
        ("audit", [{k: v for k, v in AUDIT.items() if k != "kind"}], "line 1: no 'kind'"),
        ("audit", [{**AUDIT, "end": 30}], "line 1: characters 1 to 30 are not in 'text'"),
    ],
)
def test_a_bad_line_is_named(folder, option, lines, message):
    write_lines(folder / "bad.jsonl", *lines)
    result = report(f"--{option}", "bad.jsonl")
    assert result.exit_code == 1
    assert f"bad.jsonl, {message}" in result.output


def test_half_a_line_is_an_error(folder):
    (folder / "bad.jsonl").write_text(json.dumps(ENTRY) + '\n{"step": 2', encoding="utf8")
    assert "bad.jsonl, line 2: not a JSON object" in report("--log", "bad.jsonl").output


def test_a_corpus_in_another_format(folder):
    lines = [
        {"text": text, "label": {label: {text[a:b]: [[a, b - 1]]} for a, b, label in ents}}
        for text, ents in TRAIN[:2]
    ]
    write_lines(folder / "test.json", *lines)
    arguments = ["report", "training/model-best", "test.json", "-o", "r.html"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "test.json" in (folder / "r.html").read_text(encoding="utf8").partition("<style>")[0]
