"""Tests of `python -m spacy crf distill`."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from thinc.api import Config
from typer.testing import CliRunner
from util import TEXTS, TRAIN, ents_of, make_examples, make_trained, small

from spacy_crf_ner.cli import app
from spacy_crf_ner.distillation.student import distilled_corpus
from spacy_crf_ner.pipeline.soft_targets import KEY, read_soft_targets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """Folders of one that knows the corpus, and of one of another scheme."""
    folder = tmp_path_factory.mktemp("teachers")
    make_trained(tok2vec=True).to_disk(folder / "good")
    make_trained(tag_scheme="BIO", steps=1).to_disk(folder / "bio")
    spacy.blank("zh").to_disk(folder / "blank")
    return folder


def write_docs(path, train):
    nlp = spacy.blank("zh")
    DocBin(docs=[eg.reference for eg in make_examples(nlp, train)]).to_disk(path)


@pytest.fixture
def files(tmp_path):
    """One document with its annotation, and the others without. Training is short."""
    config = Config().from_disk(ROOT / "configs" / "bilstm.cfg", interpolate=False)
    config["components"]["crf_ner"]["model"] = small()["model"]
    config["initialize"]["before_init"] = None
    config["training"]["max_steps"] = 1
    config["training"]["eval_frequency"] = 20
    config["training"]["optimizer"] = {"@optimizers": "Adam.v1", "learn_rate": 0.01}
    config.to_disk(tmp_path / "config.cfg")
    write_docs(tmp_path / "train.spacy", TRAIN[:1])
    write_docs(tmp_path / "dev.spacy", TRAIN)
    write_docs(tmp_path / "raw.spacy", TRAIN[1:2])
    (tmp_path / "raw.txt").write_text(f"{TEXTS[2]}\n\n{TEXTS[3]}\n", encoding="utf8")
    (tmp_path / "raw.jsonl").write_text(json.dumps({"text": TEXTS[4]}), encoding="utf8")
    return tmp_path


def distill(teacher, files, *options):
    arguments = ["distill", teacher, files / "config.cfg", files / "output"]
    arguments += ["--paths.train", files / "train.spacy", "--paths.dev", files / "dev.spacy"]
    return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *options)])


def test_a_student_learns_from_labelled_and_raw_texts(teachers, files):
    options = ["--weight", 0.25, "--training.max_steps", 40, "--training.dropout", 0.0]
    for name in ("raw.spacy", "raw.txt", "raw.jsonl"):
        options += ["--raw", files / name]
    result = distill(teachers / "good", files, *options)
    assert result.exit_code == 0, result.output
    # The teacher's are shared, by a component of its own.
    assert "taken from the teacher: 0 embedding tables, no encoder" in result.output
    assert "1 labelled documents: gold 0.75, teacher 0.25" in result.output
    assert "4 unlabelled documents: teacher 1" in result.output
    nlp = spacy.load(files / "output" / "model-best")
    assert nlp.get_pipe("crf_ner").labels == ("LOC", "PER")
    assert [ents_of(doc) for doc in nlp.pipe(TEXTS)] == [ents for _, ents in TRAIN]
    path = files / "output" / "distilled.spacy"
    reader = {"@readers": "spacy_crf_ner.DistilledCorpus.v1", "path": str(path)}
    assert nlp.config["corpora"]["train"] == reader
    targets = [read_soft_targets(eg.reference) for eg in distilled_corpus(path)(nlp)]
    assert [each.weight for each in targets] == [0.25, 1, 1, 1, 1]
    assert not any(eg.predicted.user_data for eg in distilled_corpus(path)(nlp))


def test_examples_that_an_augmenter_made_are_taught_as_well(teachers, files):
    write_docs(files / "train.spacy", TRAIN)
    result = distill(teachers / "good", files, "--also", teachers / "good")
    assert result.exit_code == 0, result.output
    nlp = spacy.load(files / "output" / "model-last")
    examples = list(distilled_corpus(files / "output" / "distilled.spacy")(nlp))
    assert len(examples) > len(TRAIN)
    assert f"{len(examples)} labelled documents" in result.output
    assert "0 unlabelled documents" in result.output
    for eg in examples:
        assert eg.predicted.text == eg.reference.text
        assert len(eg.reference.user_data[KEY]["tags"]) == len(eg.predicted)
    # Other corpora are left alone.
    assert nlp.config["corpora"]["dev"]["@readers"] == "spacy.Corpus.v1"


def test_a_student_starts_from_layers_like_its_own(teachers, files):
    make_trained(steps=1).to_disk(files / "alike")
    result = distill(files / "alike", files, "--also", teachers / "good")
    assert result.exit_code == 0, result.output
    assert "taken from the teacher: 2 embedding tables, its encoder" in result.output


def test_a_start_is_sought_all_over_the_corpus(teachers, files, monkeypatch):
    make_trained(steps=1).to_disk(files / "alike")
    write_docs(files / "train.spacy", TRAIN)
    read = []

    def progress(examples, total):
        read.append(list(examples))
        return read[-1]

    monkeypatch.setattr("spacy_crf_ner.cli.distill._progress", progress)
    monkeypatch.setattr("spacy_crf_ner.distillation.student.COMPARED", 20)
    result = distill(files / "alike", files, "--raw", files / "raw.txt")
    assert result.exit_code == 0, result.output
    compared, taught = ([eg.predicted.text for eg in examples] for examples in read)
    assert 1 < len(compared) < len(taught)
    assert compared == taught[:: len("".join(taught)) // 20 + 1]


def test_what_cannot_be_is_an_error_before_training(teachers, files):
    def error(teacher, *options):
        result = distill(teacher, files, *options)
        assert result.exit_code == 1
        assert not (files / "output").exists()
        return result.output

    good = teachers / "good"
    assert "nowhere" in error(teachers / "nowhere")
    assert "teacher must have one crf_ner in its pipeline, but has 0" in error(teachers / "blank")
    assert "teacher's tag scheme is BIO, the student's is BIOES" in error(teachers / "bio")
    assert "scheme is BIO, the student's is BIOES" in error(good, "--also", teachers / "bio")
    assert "no-such.txt: there is no such file" in error(good, "--raw", "no-such.txt")
    assert "no-such.spacy: there is no such file" in error(good, "--raw", "no-such.spacy")
    assert "no-such.spacy" in error(good, "--paths.train", "no-such.spacy")
    write_docs(files / "train.spacy", [("王明在北京", [(0, 2, "NAME"), (3, 5, "LOC")])])
    output = error(good)
    assert "labels that the teacher does not know: NAME. The teacher's are LOC, PER" in output
    (files / "config.cfg").unlink()
    assert "config.cfg: no such file" in error(good)


def test_labels_that_a_config_has_of_its_own_must_be_the_teachers(teachers, files):
    config = Config().from_disk(files / "config.cfg", interpolate=False)
    config["initialize"]["components"] = {"crf_ner": {"labels": ["PER", "LOC", "ORG"]}}
    config.to_disk(files / "config.cfg")
    result = distill(teachers / "good", files)
    assert result.exit_code == 1
    assert "The teacher's are LOC, PER; the student's are LOC, ORG, PER" in result.output
