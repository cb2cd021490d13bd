"""`benchmarks.onnx` counts what differs."""

import pytest
import srsly
from spacy.tokens import DocBin
from typer.testing import CliRunner
from util import TEXTS, make_trained

from benchmarks import onnx
from spacy_crf_ner.export.decoding import Entity


@pytest.fixture
def tagged():
    nlp = make_trained(spans_key=onnx.SPANS_KEY)
    return [nlp(TEXTS[0])]


def as_entities(docs):
    return [
        [
            Entity(s.start_char, s.end_char, s.label_, s._.confidence)
            for s in d.spans[onnx.SPANS_KEY]
        ]
        for d in docs
    ]


def test_the_same_entities(tagged):
    n_entities = len(as_entities(tagged)[0])
    assert n_entities
    assert onnx.count_differences(as_entities(tagged), tagged, True) == (n_entities, 0, 0.0)


def test_different_entities_and_confidences(tagged):
    (first, *others), *_ = as_entities(tagged)
    other_end, doubtful = first._replace(end=9), first._replace(confidence=first.confidence - 0.25)
    counts = onnx.count_differences([[other_end, *others]], tagged, True)
    assert counts == (1 + len(others), 2, 0.0)
    _, different, confidence = onnx.count_differences([[doubtful, *others]], tagged, True)
    assert (different, confidence) == (0, pytest.approx(0.25))


def test_the_command(tmp_path):
    nlp = make_trained()
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=map(nlp.make_doc, TEXTS)).to_disk(tmp_path / "dev.spacy")
    arguments = [tmp_path / "model", tmp_path / "dev.spacy", "--runs", 1]
    arguments += ["--json", tmp_path / "onnx.json", "-o", tmp_path / "onnx.md"]
    result = CliRunner().invoke(onnx.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    (row,) = srsly.read_json(tmp_path / "onnx.json")["results"]
    assert (row["texts"], row["different"]) == (len(TEXTS), 0)
    assert row["entities"] > 0
    assert "| 0 |" in (tmp_path / "onnx.md").read_text(encoding="utf8")
