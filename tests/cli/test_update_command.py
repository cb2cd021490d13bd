"""Tests of `python -m spacy crf update`."""

import json

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner
from util import TEXTS, TRAIN, ents_of, make_examples, make_trained

from spacy_crf_ner.cli import app

NEW = [
    ("王明买手机", {"PRODUCT": {"手机": [[3, 4]]}}),
    ("李雷在上海卖电脑", {"PRODUCT": {"电脑": [[6, 7]]}}),
    ("今天买电脑", {"PRODUCT": {"电脑": [[3, 4]]}}),
    ("手机在北京", {"PRODUCT": {"手机": [[0, 1]]}}),
]


@pytest.fixture
def files(tmp_path):
    """A pipeline, new documents in both forms, and old ones."""
    nlp = make_trained()
    nlp.to_disk(tmp_path / "model")
    lines = [json.dumps({"text": text, "label": label}) for text, label in NEW]
    (tmp_path / "new.json").write_text("\n".join(lines), encoding="utf8")
    spans = [
        (
            text,
            [(start, end + 1, name) for name in label for ((start, end),) in label[name].values()],
        )
        for text, label in NEW
    ]
    for name, train in (("new", spans), ("old", TRAIN)):
        docs = [eg.reference for eg in make_examples(nlp, train)]
        DocBin(docs=docs).to_disk(tmp_path / f"{name}.spacy")
    return tmp_path


def run(files, data, *options):
    arguments = ["update", files / "model", files / data, files / "output", "--max-steps", 3]
    return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *options)])


def test_a_pipeline_learns_new_labels_and_keeps_the_old_ones(files):
    options = ["--dev", files / "new.json", "--rehearse", files / "old.spacy", "--weight", 0.5]
    options += ["--max-steps", 60, "--training.optimizer.learn_rate", 0.01]
    result = run(files, "new.spacy", *options)
    assert result.exit_code == 0, result.output
    assert "labels that the pipeline has: LOC, PER" in result.output
    assert "new labels: PRODUCT" in result.output
    assert "annotated in the new documents: PRODUCT" in result.output
    assert "4 new documents: gold 1, what the pipeline knows 0.5" in result.output
    assert "5 documents to rehearse" in result.output
    assert "4 dev documents, with 4 entities that the pipeline found" in result.output
    nlp = spacy.load(files / "output" / "model-last")
    assert [ents_of(doc) for doc in nlp.pipe(TEXTS)] == [ents for _, ents in TRAIN]
    assert ents_of(nlp("李雷在上海卖电脑")) == [(0, 2, "PER"), (3, 5, "LOC"), (6, 8, "PRODUCT")]
    assert (files / "output" / "model-best").is_dir()


def test_new_data_may_be_of_any_form(files):
    split = "no dev set: 1 documents of train, drawn with seed 0"
    for data in ("new.spacy", "new.json"):
        result = run(files, data)
        assert result.exit_code == 0, result.output
        assert split in result.output
        assert "3 new documents" in result.output
    (files / "folder").mkdir()
    (files / "new.json").rename(files / "folder" / "train.json")
    result = run(files, "folder")
    assert result.exit_code == 0, result.output
    assert "no dev set: 1 documents of train" in result.output
    assert "no test set" not in result.output
    (files / "new.spacy").rename(files / "folder" / "train.spacy")
    assert split in run(files, "folder").output
    (files / "old.spacy").rename(files / "folder" / "dev.spacy")
    result = run(files, "folder")
    assert "5 dev documents" in result.output
    assert "annotated in the new documents: LOC, PER, PRODUCT" in result.output


def test_an_update_can_be_updated(files):
    assert run(files, "new.spacy").exit_code == 0
    (files / "output").rename(files / "first")
    (files / "model").rename(files / "before")
    (files / "first" / "model-last").rename(files / "model")
    result = run(files, "old.spacy", "--labels", "PER, LOC")
    assert result.exit_code == 0, result.output
    assert "labels that the pipeline has: LOC, PER, PRODUCT" in result.output
    assert "new labels: none" in result.output
    (line,) = (line for line in result.output.splitlines() if "annotated in" in line)
    assert "LOC, PER" in line
    assert "PRODUCT" not in line


def test_what_is_skipped_is_counted(files):
    lines = [
        {"text": "李雷买手机", "label": {"PRODUCT": {"手机": [[3, 4]], "机": [[4, 4]]}}},
        {"text": "今天买电脑", "label": {"PRODUCT": {"电脑": [[3, 4]]}}},
        {"text": "没有人"},
    ]
    (files / "new.json").write_text("\n".join(map(json.dumps, lines)), encoding="utf8")
    result = run(files, "new.json", "--dev", files / "old.spacy")
    assert result.exit_code == 0, result.output
    assert "1 documents without annotation are left out" in result.output
    assert "skipped: mention that overlaps a longer or earlier one: 1" in result.output
    assert "2 new documents" in result.output


def test_what_cannot_be_is_an_error_before_training(files):
    def error(data, *options):
        result = run(files, data, *options)
        assert result.exit_code == 1, result.output
        assert not (files / "output").exists()
        return result.output

    assert "nowhere.spacy: there is no such file" in error("nowhere.spacy")
    assert "nowhere.json: there is no such file" in error("nowhere.json")
    assert "nowhere.spacy: there is no" in error("new.spacy", "--rehearse", "nowhere.spacy")
    (files / "damaged.spacy").write_bytes((files / "new.spacy").read_bytes()[:99])
    assert "damaged.spacy: this is no .spacy file, or a damaged one" in error("damaged.spacy")
    (files / "folder").mkdir()
    (files / "new.json").rename(files / "folder" / "train.json")
    assert "a folder has its own dev set" in error("folder", "--dev", files / "new.spacy")
    assert "labels PRODUCT. --labels has only OTHER" in error("new.spacy", "--labels", "OTHER")
    spacy.blank("zh").to_disk(files / "model")
    assert "pipeline must have one crf_ner" in error("new.spacy")
