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
    # In draws of one document twice, F1 is 0 or 1.
    assert ["LOC", "100.00", "100.00", "100.00", "[100.00,", "100.00]", "1"] in rows
    assert ["all", "(micro)", "100.00", "50.00", "66.67", "[0.00,", "100.00]", "2"] in rows
    assert ["macro", "50.00", "50.00", "50.00", "[0.00,", "100.00]", "2"] in rows
    assert ["weighted", "50.00", "50.00", "50.00", "2"] in rows
    assert ["strict", "1", "0", "0", "1", "0", "100.00", "50.00", "66.67"] in rows
    assert scores["intervals"]["per_label"] == {"LOC": [1, 1], "PER": [0, 0]}
    assert scores["intervals"]["micro"] == scores["intervals"]["macro"] == [0, 1]
    assert "no confidences, so no calibration" in result.output
    assert "calibration" not in scores


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
        "dev.json": "no entities are found" if command == "evaluate" else "not a .spacy file",
        "damaged.spacy": "cannot be read",
        "plain.spacy": "no annotation of entities",
    }.items():
        assert message in run_on(command, tmp_path / "model", tmp_path / name, *output)


def evaluate(*arguments):
    """What the command prints, and the scores that it writes."""
    output = arguments[0].parent / "scores.json"
    words = ["evaluate", *map(str, arguments), "--output", str(output)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split()), srsly.read_json(output)


BIO = "去\tO\n北\tB-LOC\n京\tI-LOC\n\n王\tB-PER\n明\tI-PER\n"
JSON = """\
{"text": "去北京", "label": {"LOC": {"北京": [[1, 2]]}}}
{"text": "王明", "label": {"PER": {"王明": [[0, 1]]}}}
"""


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("test.bio", BIO, "tag scheme: BIO"),
        ("test.json", JSON, "format: CLUENER"),
        ("mine/part.json", JSON, "ignored: README.md"),
    ],
)
def test_a_corpus_of_any_format_has_the_same_scores(model, data, tmp_path, name, text, shown):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf8")
    (tmp_path / "README.md").touch()
    if path.parent != tmp_path:
        (path.parent / "README.md").touch()
        path = path.parent
    _, expected = evaluate(model, data)
    output, scores = evaluate(model, path)
    assert shown in output
    del expected["words_per_second"], scores["words_per_second"]
    assert scores == expected


def test_what_a_reader_repairs_is_counted(model, tmp_path):
    path = tmp_path / "test.bio"
    path.write_text(BIO.replace("B-PER", "I-PER"), encoding="utf8")
    output, scores = evaluate(model, path)
    assert "repaired: illegal tag sequence: 1" in output
    assert scores["ents_support"] == {"LOC": 1, "PER": 1}


def test_documents_that_are_not_scored_are_counted(model, data):
    docs = list(DocBin().from_disk(data).get_docs(spacy.blank("zh").vocab))
    without = Doc(docs[0].vocab, words=list("去北京"), spaces=[False] * 3)
    DocBin(docs=[*docs, without]).to_disk(data)
    output, scores = evaluate(model, data)
    assert "not scored, as they have no annotation: 1 documents" in output
    assert scores["ents_p"] == 1


def test_two_pipelines_are_compared(model, data, tmp_path):
    better = spacy.load(model)
    pattern = {"label": "PER", "pattern": [{"TEXT": c} for c in "王明"]}
    better.get_pipe("entity_ruler").add_patterns([pattern])
    better.to_disk(tmp_path / "better")
    docs = list(DocBin().from_disk(data).get_docs(better.vocab))
    DocBin(docs=docs * 10).to_disk(data)
    output, scores = evaluate(tmp_path / "better", data, "--against", model)
    assert scores["ents_f"] == 1
    against = scores["against"]
    assert against["model"] == str(model)
    assert against["scores"]["ents_f"] == pytest.approx(2 / 3)
    assert "PER 100.00 [100.00, 100.00] 0.00 [0.00, 0.00] +100.00" in output
    micro = against["difference"]["micro"]
    assert micro["value"] == pytest.approx(1 / 3)
    assert micro["interval"][0] > 0
    assert micro["p_value"] < 0.01
    assert "A is better: micro F +33.33, 95 % [" in output
    turned, scores = evaluate(model, data, "--against", tmp_path / "better")
    assert "B is better: micro F +33.33, 95 % [" in turned
    assert scores["against"]["difference"]["micro"]["value"] == pytest.approx(-1 / 3)
    same, _ = evaluate(model, data, "--against", model)
    assert "not significant: macro F +0.00, 95 % [0.00, 0.00], p = 1.0000" in same


def test_the_other_pipeline_may_have_another_tokenizer(model, tmp_path):
    """The gold entities are those of the first, so that both are scored on the same."""
    path = tmp_path / "test.json"
    path.write_text(JSON, encoding="utf8")
    english = spacy.blank("en")
    english.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "王明"}])
    english.to_disk(tmp_path / "english")
    _, scores = evaluate(model, path, "--against", tmp_path / "english")
    per_type = scores["against"]["scores"]["ents_per_type"]
    assert (per_type["LOC"]["f"], per_type["PER"]["f"]) == (0, 1)


def test_a_corpus_without_entities_has_no_scores(model, data, tmp_path):
    doc = Doc(spacy.blank("zh").vocab, words=["我"], ents=["O"])
    DocBin(docs=[doc]).to_disk(data)
    output, scores = evaluate(model, data)
    assert "all (micro) - - -" in output
    assert scores["ents_overlap"] is None
    assert "nothing to compare" in run_on("evaluate", model, data, "--against", model)


def test_what_cannot_be_evaluated_is_said(model, data, tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("train.json", "dev.json"):
        (tmp_path / "mine" / name).write_text(JSON, encoding="utf8")
    assert "several sets: dev, train" in run_on("evaluate", model, tmp_path / "mine")
    assert "There is no format 'xml'" in run_on("evaluate", model, data, "--format", "xml")
    assert "need a crf_ner" in run_on("evaluate", model, data, "--threshold", "0.5")
    assert "no crf_ner" in run_on("evaluate", model, data, "--plot", tmp_path / "plot.png")


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
