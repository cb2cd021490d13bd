"""Tests of `python -m spacy crf audit`."""

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner
from util import TRAIN, make_examples, make_nlp

from spacy_crf_ner.cli import app


@pytest.fixture
def files(tmp_path):
    """A config for a small model, and a corpus with an error: 广州 is no person."""
    nlp = make_nlp()
    texts = [(f"{text}{i}", ents) for i in range(6) for text, ents in TRAIN]
    texts[8] = (texts[8][0], [(0, 3, "PER"), (5, 7, "PER")])
    DocBin(docs=[eg.reference for eg in make_examples(nlp, texts)]).to_disk(tmp_path / "all.spacy")
    config = nlp.config.copy()
    config["training"].update(max_steps=40, eval_frequency=2, dropout=0.0, patience=1)
    config["training"]["optimizer"] = {"@optimizers": "Adam.v1", "learn_rate": 0.02}
    config.to_disk(tmp_path / "config.cfg")
    return tmp_path


def audit(files, *options):
    arguments = ["audit", files / "config.cfg", files / "all.spacy", files / "out", *options]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_an_error_is_found_and_left_out(files):
    result = audit(files, "--folds", 2, "--leave-out", 0.02)
    assert result.exit_code == 0, result.output
    errors = list(srsly.read_jsonl(files / "out" / "errors.jsonl"))
    order = [e["probability"] * e["consistency"] for e in errors]
    assert order == pytest.approx(sorted(order), abs=1e-5)
    assert (errors[0]["document"], errors[0]["mention"], errors[0]["kind"]) == (8, "广州", "label")
    assert "[广州]" in result.output
    vocab = Vocab()
    docs = list(DocBin().from_disk(files / "out" / "cleaned.spacy").get_docs(vocab))
    assert [token.ent_iob_ for token in docs[8]] == ["B", "I", "I", "O", "O", "", "", "O"]
    assert all(token.ent_iob for i, doc in enumerate(docs) if i != 8 for token in doc)
    mentions = {line["mention"]: line for line in srsly.read_jsonl(files / "out/mentions.jsonl")}
    assert mentions["广州"]["labels"] == {"LOC": 5, "PER": 1}
    # Nothing is trained again, unless something has changed.
    times = {path: path.stat().st_mtime_ns for path in files.glob("out/*/model-last/meta.json")}
    result = audit(files, "--folds", 2)
    assert result.output.count("trained before") == len(times) == 2
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    result = audit(files, "--folds", 2, "--training.max_steps", 1)
    assert "trained before" not in result.output


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda files: (files / "config.cfg").unlink(), "config.cfg: no such file"),
        (lambda files: (files / "all.spacy").unlink(), "there is no such file"),
        (lambda files: (files / "all.spacy").write_text("x"), "this is no .spacy file"),
        (
            lambda files: DocBin(docs=[make_nlp().make_doc("王明")]).to_disk(files / "all.spacy"),
            "no annotation of entities",
        ),
        (
            lambda files: (files / "config.cfg").write_text('[nlp]\nlang = "zh"\n'),
            "fill-config",
        ),
    ],
)
def test_clear_errors(files, change, error):
    change(files)
    result = audit(files)
    assert result.exit_code == 1
    assert error in result.output
    assert "Traceback" not in result.output


def test_a_config_without_a_recognizer(files):
    nlp = spacy.blank("zh")
    nlp.add_pipe("ner")
    nlp.config.to_disk(files / "config.cfg")
    result = audit(files, "--training.max_steps", 1, "--folds", 2)
    assert result.exit_code == 1
    assert "must have one crf_ner" in result.output
