"""`crf evaluate` on a pipeline whose scores are known."""

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner
from util import TRAIN, make_examples, make_trained

from spacy_crf_ner.cli import app


@pytest.fixture
def model(tmp_path):
    nlp = spacy.blank("zh")
    patterns = [{"label": "LOC", "pattern": [{"TEXT": c} for c in "北京"]}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def data(tmp_path):
    vocab = spacy.blank("zh").vocab
    docs = [
        Doc(vocab, words=list("去北京"), spaces=[False] * 3, ents=["O", "B-LOC", "I-LOC"]),
        Doc(vocab, words=list("王明"), spaces=[False] * 2, ents=["B-PER", "I-PER"]),
    ]
    DocBin(docs=docs).to_disk(tmp_path / "test.spacy")
    return tmp_path / "test.spacy"


def test_scores_are_shown_and_written(model, data, tmp_path):
    output = tmp_path / "metrics" / "scores.json"
    arguments = ["evaluate", str(model), str(data), "--output", str(output)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    scores = srsly.read_json(output)
    assert (scores["ents_p"], scores["ents_r"]) == (1.0, 0.5)
    assert scores["ents_macro_f"] == 0.5
    assert scores["ents_per_type"]["PER"]["f"] == 0
    assert scores["ents_support"] == {"LOC": 1, "PER": 1}
    assert (scores["docs"], scores["words"]) == (2, 5)
    rows = [line.split() for line in result.output.splitlines()]
    assert ["LOC", "100.00", "100.00", "100.00", "1"] in rows
    assert ["all", "(micro)", "100.00", "50.00", "66.67", "2"] in rows


@pytest.mark.parametrize("missing", ["model", "data"])
def test_what_is_missing_is_named(missing, model, data, tmp_path):
    paths = {"model": str(model), "data": str(data), missing: str(tmp_path / "nowhere")}
    result = CliRunner().invoke(app, ["evaluate", paths["model"], paths["data"]])
    assert result.exit_code == 1
    assert "nowhere" in result.output


def test_decoding_and_threshold_can_be_others_than_the_component_has(tmp_path):
    nlp = make_trained(steps=3)
    nlp.to_disk(tmp_path / "model")
    examples = make_examples(nlp, TRAIN)
    DocBin(docs=[eg.reference for eg in examples]).to_disk(tmp_path / "test.spacy")
    arguments = ["evaluate", str(tmp_path / "model"), str(tmp_path / "test.spacy")]
    recalls = []
    for threshold in ("0.01", "0.99"):
        output = tmp_path / "scores.json"
        options = ["--decoding", "entities", "--threshold", threshold, "-o", str(output)]
        result = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        recalls.append(srsly.read_json(output)["ents_r"])
    assert recalls[0] > recalls[1]


def run_on(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_what_cannot_be_scored_says_why(tmp_path, command):
    nlp = make_trained(steps=1)
    nlp.to_disk(tmp_path / "model")
    output = [tmp_path / "output"] if command == "calibrate" else []
    (tmp_path / "dev.json").write_text('{"text": "北京"}\n', encoding="utf8")
    (tmp_path / "damaged.spacy").write_bytes(b"no DocBin")
    DocBin(docs=[nlp.make_doc("北京")]).to_disk(tmp_path / "plain.spacy")
    for name, message in {
        "none.spacy": "no such file",
        "dev.json": "not a .spacy file",
        "damaged.spacy": "cannot be read",
        "plain.spacy": "no annotation of entities",
    }.items():
        assert message in run_on(command, tmp_path / "model", tmp_path / name, *output)


@pytest.mark.parametrize("command", ["evaluate", "annotate"])
def test_a_pipeline_that_finds_no_entities_is_an_error(tmp_path, command):
    nlp = spacy.blank("zh")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("北京\n", encoding="utf8")
    output = run_on(command, tmp_path / "model", tmp_path / "texts.txt")
    assert "nothing that finds entities" in output
    assert "sentencizer" in output


@pytest.mark.parametrize("command", ["evaluate", "annotate"])
def test_a_pipeline_for_spans_only_is_an_error(tmp_path, command):
    nlp = spacy.blank("zh")
    nlp.add_pipe("crf_ner", config={"annotate_ents": False, "spans_key": "sc"})
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("北京\n", encoding="utf8")
    output = run_on(command, tmp_path / "model", tmp_path / "texts.txt")
    assert "sets doc.spans, but not doc.ents" in output


def test_a_pipeline_that_is_not_there(tmp_path):
    (tmp_path / "texts.txt").write_text("北京\n", encoding="utf8")
    texts = tmp_path / "texts.txt"
    for arguments in (
        ("evaluate", "no_model", texts),
        ("annotate", "no_model", texts),
    ):
        assert "no_model" in run_on(*arguments)
