"""Calibration on confidences whose truth is known."""

import random

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Example
from typer.testing import CliRunner
from util import LISTENER, MODEL, TRAIN, fit, make_examples, make_trained, small

from spacy_crf_ner.cli import app
from spacy_crf_ner.evaluation.calibration import (
    expected_calibration_error,
    fit_temperature,
    reliability,
)


def test_bins_and_error():
    bins = reliability([0.05, 0.95, 0.95, 0.95, 1.0], [False, True, True, False, True])
    assert [b.count for b in bins] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 4]
    assert bins[9].confidence == pytest.approx(0.9625)
    assert bins[9].accuracy == 0.75
    assert bins[1].confidence is None
    expected = (1 * 0.05 + 4 * 0.2125) / 5
    assert expected_calibration_error(bins) == pytest.approx(expected)
    assert expected_calibration_error(reliability([], [])) is None


def noisy_examples(nlp, share, seed):
    """Examples that are right in so many cases, and without entities in the others."""
    generator = random.Random(seed)
    texts = [TRAIN[0], TRAIN[1], TRAIN[3]]
    train = [generator.choice(texts) for _ in range(60)]
    train = [(text, ents if generator.random() < share else []) for text, ents in train]
    return make_examples(nlp, train)


def test_the_temperature_of_an_overconfident_component():
    nlp = make_trained()
    pipe = nlp.get_pipe("crf_ner")
    examples = noisy_examples(nlp, 0.7, seed=1)
    temperature = fit_temperature(pipe, examples)
    assert temperature > 2
    pipe.temperature = temperature
    # Found again from there, it is the best there is.
    assert fit_temperature(pipe, examples) == pytest.approx(temperature, rel=0.02)


def test_the_temperature_changes_confidences_only(tmp_path):
    nlp = make_trained(spans_key="crf")
    before = nlp(TRAIN[0][0])
    nlp.get_pipe("crf_ner").temperature = 5.0
    nlp.to_disk(tmp_path)
    after = spacy.load(tmp_path)(TRAIN[0][0])
    assert [e.text for e in after.ents] == [e.text for e in before.ents]
    assert after.ents[0]._.confidence < before.ents[0]._.confidence


def test_nothing_to_fit():
    nlp = make_trained(steps=1)
    doc = nlp.make_doc("北京")
    with pytest.raises(ValueError, match="no annotation"):
        fit_temperature(nlp.get_pipe("crf_ner"), [Example(doc, doc.copy())])


def test_commands(tmp_path):
    nlp = make_trained()
    nlp.to_disk(tmp_path / "model")
    docs = [eg.reference for eg in noisy_examples(nlp, 0.7, seed=1)]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    paths = [str(tmp_path / name) for name in ("model", "dev.spacy", "calibrated")]
    result = CliRunner().invoke(app, ["calibrate", *paths], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    temperature = spacy.load(paths[2]).get_pipe("crf_ner").temperature
    assert f"{temperature:.3f}" in result.output
    errors = []
    for model in (paths[0], paths[2]):
        picture, scores = tmp_path / "picture.png", tmp_path / "scores.json"
        arguments = ["evaluate", model, paths[1], "-o", str(scores), "--plot", str(picture)]
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert picture.read_bytes().startswith(b"\x89PNG")
        errors.append(srsly.read_json(scores)["calibration"]["ece"])
    assert errors[1] < errors[0]


def test_what_a_component_listens_to_is_run_for_it(tmp_path):
    nlp = spacy.blank("zh")
    nlp.add_pipe("tok2vec", config={"model": small(MODEL)["model"]["tok2vec"]})
    nlp.add_pipe("crf_ner", config=small(LISTENER))
    fit(nlp)
    nlp.to_disk(tmp_path / "model")
    examples = noisy_examples(nlp, 0.7, seed=1)
    DocBin(docs=[eg.reference for eg in examples]).to_disk(tmp_path / "dev.spacy")
    paths = [str(tmp_path / name) for name in ("model", "dev.spacy", "calibrated")]
    result = CliRunner().invoke(app, ["calibrate", *paths], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for eg in examples:
        nlp.get_pipe("tok2vec")(eg.predicted)
    expected = fit_temperature(nlp.get_pipe("crf_ner"), examples)
    assert expected > 2
    found = spacy.load(paths[2]).get_pipe("crf_ner").temperature
    assert found == pytest.approx(expected, rel=1e-3)
