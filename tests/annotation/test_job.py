"""A job that is stopped goes on, and ends with what it would have ended with."""

import json
import os

import pytest
import spacy
from spacy.cli._util import app as spacy_app
from typer.testing import CliRunner

import spacy_crf_ner.cli  # noqa: F401  (adds the commands to spaCy's)
from spacy_crf_ner.annotation.annotator import Result
from spacy_crf_ner.annotation.job import Job
from spacy_crf_ner.annotation.parts import Reject
from spacy_crf_ner.formats.catalogue import FORMATS
from spacy_crf_ner.util import CorpusError

TEXTS = ["我在北京市", "没有", "北京和上海", "不在北京", "上海"]
LINES = "".join(json.dumps({"text": text, "id": i}) + "\n" for i, text in enumerate(TEXTS))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    nlp = spacy.blank("zh")
    patterns = [{"label": "LOC", "pattern": name} for name in ("北京", "北京市", "上海")]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    path = tmp_path_factory.mktemp("model")
    nlp.to_disk(path)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text(LINES, encoding="utf8")
    return tmp_path


def annotate(model, *args):
    args = ["crf", "annotate", str(model), *args, "--part-size", "2"]
    return CliRunner().invoke(spacy_app, args)


def stop_after(monkeypatch, n_parts):
    """Fail when `n_parts` parts are done."""
    save = Job.save

    def fail(self, number, result):
        if number >= n_parts:
            raise OSError("the machine is on fire")
        save(self, number, result)

    monkeypatch.setattr(Job, "save", fail)


def contents(path):
    """The content of a file, or of all files of a folder."""
    if path.is_file():
        return path.read_bytes()
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "args",
    [
        ["-o", "b.jsonl"],
        ["-o", "b.txt"],
        ["-o", "b.csv"],
        ["-o", "b.tsv"],
        ["-o", "b.parquet"],
        ["-o", "b.json"],
        ["-o", "b.spacy"],
        *(["-o", "b", "--to", name] for name in FORMATS),
        ["-o", "b/"],
        ["-o", "b/", "--to", "parquet"],
    ],
)
def test_a_job_goes_on_where_it_stopped(model, folder, args):
    whole = annotate(model, "a.jsonl", *args)
    assert whole.exit_code == 0, whole.output
    output = folder / args[1].rstrip("/")
    expected = contents(output)
    assert sorted(os.listdir()) == sorted(["a.jsonl", output.name])
    os.rename(output, "expected")
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2)
        stopped = annotate(model, "a.jsonl", *args)
    assert "the machine is on fire" in stopped.output
    parts = output if args[1].endswith("/") else folder / f"{output.name}.parts"
    assert len(list(parts.glob("part-*"))) == 2
    again = annotate(model, "a.jsonl", *args)
    assert "going on" in again.output
    assert contents(output) == expected
    assert sorted(os.listdir()) == sorted(["a.jsonl", "expected", output.name])


def test_parts_that_are_done_are_not_done_again(model, folder, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2)
        annotate(model, "a.jsonl", "-o", "b.jsonl")
    part = folder / "b.jsonl.parts" / "part-000000.jsonl"
    part.write_text("left alone\n")
    annotate(model, "a.jsonl", "-o", "b.jsonl")
    assert (folder / "b.jsonl").read_text("utf8").splitlines()[0] == "left alone"


@pytest.mark.parametrize("what", ["input", "pipeline", "format", "field"])
def test_an_unfinished_job_is_not_mixed_with_another(model, folder, what):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 1)
        annotate(model, "a.jsonl", "-o", "b.jsonl")
    args = ["-o", "b.jsonl"]
    if what == "input":
        (folder / "a.jsonl").write_text(LINES + LINES, encoding="utf8")
    elif what == "format":
        args += ["--to", "prodigy"]
    elif what == "field":
        args += ["--text-field", "title"]
    else:
        nlp = spacy.load(model)
        nlp.get_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "没"}])
        nlp.to_disk(folder / "model")
        model = folder / "model"
    result = annotate(model, "a.jsonl", *args)
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    expected = {"input": "input size", "pipeline": "hash of its files", "format": "output format"}
    expected["field"] = "text field"
    assert "an unfinished job with other settings" in said
    assert f"{expected[what]} was" in said
    assert "delete the folder" in said


def test_an_error_in_the_first_part_does_not_stand_in_the_way(model, folder):
    (folder / "a.jsonl").write_text("{}\n")
    assert annotate(model, "a.jsonl", "-o", "b.jsonl").exit_code == 1
    (folder / "a.jsonl").write_text(LINES, encoding="utf8")
    result = annotate(model, "a.jsonl", "-o", "b.jsonl")
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir()) == ["a.jsonl", "b.jsonl"]


def test_a_finished_folder_is_not_overwritten(model, folder):
    annotate(model, "a.jsonl", "-o", "b/")
    assert sorted(os.listdir("b")) == [f"part-00000{i}.jsonl" for i in range(3)]
    before = contents(folder / "b")
    result = annotate(model, "a.jsonl", "-o", "b/")
    assert result.exit_code == 1
    assert "a folder that is not empty" in " ".join(result.output.split())
    assert contents(folder / "b") == before


def test_what_is_rejected_in_each_run_is_in_the_file(model, folder):
    lines = LINES.splitlines(keepends=True)
    lines[1] = "{}\n"
    lines[4] = "no\n"
    (folder / "a.jsonl").write_text("".join(lines), encoding="utf8")
    args = ["a.jsonl", "-o", "b.jsonl", "--rejects", "r.jsonl"]
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2)
        annotate(model, *args)
    assert not (folder / "r.jsonl").exists()
    result = annotate(model, *args)
    assert "3 documents" in result.output
    assert "2 records rejected: r.jsonl" in result.output
    rejects = [json.loads(line) for line in (folder / "r.jsonl").read_text("utf8").splitlines()]
    assert [(each["line"], each["record"]) for each in rejects] == [(2, {}), (5, "no")]
    ids = [json.loads(line)["id"] for line in (folder / "b.jsonl").read_text("utf8").splitlines()]
    assert ids == [0, 2, 3]


@pytest.mark.slow
def test_several_processes_write_what_one_writes(model, folder):
    annotate(model, "a.jsonl", "-o", "b.jsonl")
    result = annotate(model, "a.jsonl", "-o", "c.jsonl", "--n-process", "2")
    assert result.exit_code == 0, result.output
    assert contents(folder / "b.jsonl") == contents(folder / "c.jsonl")


@pytest.mark.slow
def test_an_error_in_a_process_is_shown(model, folder):
    (folder / "a.jsonl").write_text(LINES + "{}\n", encoding="utf8")
    result = annotate(model, "a.jsonl", "-o", "c.jsonl", "--n-process", "2")
    assert result.exit_code == 1
    assert "a.jsonl, line 6: there is no 'text'" in result.output


def test_an_empty_input_gives_an_empty_output(model, folder):
    (folder / "a.jsonl").write_text("")
    for name in ("b.jsonl", "b.spacy", "b.parquet", "b.json"):
        result = annotate(model, "a.jsonl", "-o", name)
        assert result.exit_code == 0, result.output
        assert (folder / name).is_file()


def test_the_state_is_what_was_saved(tmp_path):
    job = Job(tmp_path / "job", ".txt")
    assert job.start({"a": 1}) is False
    result = Result(2, 10, [Reject(3, "why", {"text": "\ud83d"[:0]})])
    job.save(0, result)
    assert job.load(0) is None  # the part itself is not there yet
    job.path_of(0).write_text("x")
    assert job.load(0) == result
    assert list(job.rejects(1)) == result.rejects
    assert job.start({"a": 1}) is True
    with pytest.raises(CorpusError, match="a was 1, now 2"):
        job.start({"a": 2})
