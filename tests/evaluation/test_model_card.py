"""Model cards of pipelines whose scores are known."""

import re

import pytest
import spacy
import srsly
from spacy.tokens import Doc
from spacy.training import Example
from util import TRAIN, make_examples, make_trained

from spacy_crf_ner.evaluation.card import NOT_STATED, About, read_about, write_card
from spacy_crf_ner.util import CorpusError

ABOUT = """\
---
description: Persons and places
license: MIT
url: https://example.org/model
example: 王明去北京
---
## Limits

Six sentences.
"""


def write_about(tmp_path, text):
    path = tmp_path / "about.md"
    path.write_text(text, encoding="utf8")
    return path


def card_of(nlp, examples, folder, about=NOT_STATED):
    nlp.to_disk(folder)
    write_card(nlp, examples, about, data="mine/test.spacy", folder=folder)
    return (folder / "README.md").read_text(encoding="utf8")


def rows_of(card):
    rows = (line.strip("| ").split(" | ") for line in card.splitlines() if line.startswith("|"))
    return {cells[0]: cells[1:] for cells in rows}


@pytest.fixture
def ruler():
    """A pipeline that finds one of the two labels, and no confidences."""
    nlp = spacy.blank("zh")
    patterns = [{"label": "LOC", "pattern": [{"TEXT": c} for c in "北京"]}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp


def ruler_examples(nlp):
    golds = [
        Doc(nlp.vocab, words=list("去北京"), spaces=[False] * 3, ents=["O", "B-LOC", "I-LOC"]),
        Doc(nlp.vocab, words=list("王明"), spaces=[False] * 2, ents=["B-PER", "I-PER"]),
    ]
    return [Example(nlp.make_doc(gold.text), gold) for gold in golds]


def test_an_about_file(tmp_path):
    about = read_about(write_about(tmp_path, ABOUT))
    assert about.fields == {
        "description": "Persons and places",
        "license": "MIT",
        "url": "https://example.org/model",
    }
    assert about.example == "王明去北京"
    assert about.sections == "## Limits\n\nSix sentences."


def test_an_about_file_without_fields_or_without_sections(tmp_path):
    about = read_about(write_about(tmp_path, "## Limits\n\nMany.\n"))
    assert about == About({}, NOT_STATED.example, "## Limits\n\nMany.")
    about = read_about(write_about(tmp_path, "---\nlicense: MIT\n---\n"))
    assert about == About({"license": "MIT"}, NOT_STATED.example, NOT_STATED.sections)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nlicense: MIT\n", "line 1: the fields have no end"),
        ("---\nlicense: MIT\nlicence: MIT\n---\n", "line 3: expected `FIELD: VALUE`.*description"),
        ("---\nlicense:\n---\n", "line 2: expected"),
        ("", "empty"),
    ],
)
def test_errors_in_an_about_file_name_the_line(tmp_path, text, message):
    with pytest.raises(CorpusError, match=message):
        read_about(write_about(tmp_path, text))


def test_a_card_has_scores_with_intervals(ruler, tmp_path):
    card = card_of(ruler, ruler_examples(ruler), tmp_path / "model")
    rows = rows_of(card)
    # Of two documents, a draw may contain only one, and so all or nothing.
    assert rows["LOC"] == ["100.00", "100.00", "100.00", "100.00 to 100.00", "1"]
    assert rows["PER"] == ["0.00", "0.00", "0.00", "0.00 to 0.00", "1"]
    assert rows["**all (micro)**"] == ["100.00", "50.00", "66.67", "0.00 to 100.00", "2"]
    assert rows["macro"][2] == "50.00"
    assert "On `mine/test.spacy`: 2 documents, 5 tokens." in card
    assert "Calibration" not in card


def test_a_card_of_a_crf_has_its_calibration_and_settings(tmp_path):
    nlp = make_trained()
    nlp.get_pipe("crf_ner").temperature = 1.5
    nlp.meta["name"], nlp.meta["version"] = "mine", "1.2.3"
    nlp.meta["sources"] = ["words", {"name": "mine (corpus)"}]
    about = read_about(write_about(tmp_path, ABOUT))
    card = card_of(nlp, make_examples(nlp, TRAIN), tmp_path / "model", about)
    assert card.startswith("# zh_mine\n\nPersons and places\n\n")
    assert "## Limits\n\nSix sentences.\n\n## Scores" in card
    assert re.search(r"expected calibration error .* is 0\.\d{4} on", card)
    assert "temperature is 1.500" in card
    rows = rows_of(card)
    assert rows["labels of `crf_ner`"] == ["`LOC`, `PER`"]
    assert rows["licence"] == ["MIT"]
    assert rows["sources"] == ["words, mine (corpus)"]
    assert rows["spacy"] == [spacy.__version__]
    assert re.fullmatch(r"\d\.\d MB", rows["size on disk"][0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", rows["date of this card"][0])


def test_its_python_works(tmp_path, monkeypatch):
    nlp = make_trained()
    about = About({}, "王明在北京工作", "")
    card = card_of(nlp, make_examples(nlp, TRAIN), tmp_path / "zh_pipeline", about)
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    assert code.count("\n") == 4
    monkeypatch.chdir(tmp_path)
    printed = []
    exec(code, {"print": printed.append})
    assert printed == [[("王明", "PER"), ("北京", "LOC")]]


def test_the_scores_and_fields_are_in_the_meta(ruler, tmp_path):
    ruler.meta["performance"] = {"ents_f": 0.1, "loss": 3.0}
    about = read_about(write_about(tmp_path, ABOUT))
    card_of(ruler, ruler_examples(ruler), tmp_path / "model", about)
    meta = srsly.read_json(tmp_path / "model" / "meta.json")
    assert meta["performance"]["ents_f"] == pytest.approx(2 / 3)
    assert meta["performance"]["ents_per_type"]["LOC"]["f"] == 1
    assert meta["performance"]["loss"] == 3
    assert "ents_support" not in meta["performance"]
    assert (meta["license"], meta["description"]) == ("MIT", "Persons and places")
    assert spacy.load(tmp_path / "model").meta["performance"] == meta["performance"]


def test_what_is_not_known_is_said(ruler, tmp_path):
    card = card_of(ruler, ruler_examples(ruler), tmp_path / "model")
    assert NOT_STATED.sections in card
    assert rows_of(card)["licence"] == rows_of(card)["sources"] == ["not stated"]


def test_a_label_that_was_only_predicted_outside_of_the_annotation(ruler, tmp_path):
    gold = Doc(ruler.vocab, words=list("去北京"), spaces=[False] * 3, ents=["O", None, None])
    examples = [*ruler_examples(ruler)[1:], Example(ruler.make_doc(gold.text), gold)]
    rows = rows_of(card_of(ruler, examples, tmp_path / "model"))
    assert rows["LOC"] == ["0.00", "0.00", "0.00", "–", "0"]
