"""Calibration of pipelines, and where what was fitted is kept."""

import random

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Example
from typer.testing import CliRunner
from util import LISTENER, MODEL, TRAIN, ents_of, fit, make_examples, make_trained, small

from spacy_crf_ner.calibration.calibrate import calibrate
from spacy_crf_ner.calibration.calibrate import fit as fit_to
from spacy_crf_ner.cli import app


def noisy_examples(nlp, share, seed):
    """Examples that are right in so many cases, and without entities in the others."""
    generator = random.Random(seed)
    texts = [TRAIN[0], TRAIN[1], TRAIN[3]]
    train = [generator.choice(texts) for _ in range(60)]
    train = [(text, ents if generator.random() < share else []) for text, ents in train]
    return make_examples(nlp, train)


def f1_on(examples):
    """The F1 of what is found in all of these sentences: the two entities that each really has."""
    n_gold = sum(len(eg.reference.ents) for eg in examples)
    return pytest.approx(2 * n_gold / (2 * len(examples) + n_gold))


def make_entities():
    """A pipeline that is sure of its entities."""
    return make_trained(decoding="entities", threshold=0.45)


def test_an_overconfident_component():
    nlp = make_entities()
    pipe, examples = nlp.get_pipe("crf_ner"), noisy_examples(nlp, 0.7, seed=1)
    fitted = calibrate(nlp, examples)["crf_ner"]
    assert fitted.temperature == pipe.temperature > 2
    assert fitted.f1 == f1_on(examples)
    assert fitted.threshold == pipe.threshold == pytest.approx(fitted.f1 / 2, abs=0.05)
    # Found again from there.
    assert calibrate(nlp, examples)["crf_ner"] == pytest.approx(fitted)


def test_the_config_has_the_threshold(tmp_path):
    nlp = make_entities()
    calibrate(nlp, noisy_examples(nlp, 0.7, seed=1))
    pipe = nlp.get_pipe("crf_ner")
    nlp.to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    assert config["components"]["crf_ner"]["threshold"] == pipe.threshold != 0.45
    loaded = spacy.load(tmp_path).get_pipe("crf_ner")
    assert (loaded.threshold, loaded.temperature) == (pipe.threshold, pipe.temperature)
    other = spacy.load(tmp_path, config={"components": {"crf_ner": {"threshold": 0.99}}})
    assert other.get_pipe("crf_ner").threshold == 0.99
    assert ents_of(other(TRAIN[0][0])) == []
    assert ents_of(spacy.load(tmp_path)(TRAIN[0][0])) == TRAIN[0][1]


def test_viterbi_without_a_threshold_does_not_get_one():
    nlp = make_trained()
    examples = noisy_examples(nlp, 0.7, seed=1)
    fitted = calibrate(nlp, examples)["crf_ner"]
    assert fitted.threshold is None
    assert fitted.f1 == f1_on(examples)
    assert nlp.get_pipe("crf_ner").threshold == 0.0
    assert nlp.get_pipe("crf_ner").temperature > 2
    nlp.get_pipe("crf_ner").threshold = 0.9
    assert calibrate(nlp, examples)["crf_ner"].threshold < 0.5


def test_the_temperature_changes_confidences_only(tmp_path):
    nlp = make_trained(spans_key="crf")
    before = nlp(TRAIN[0][0])
    nlp.get_pipe("crf_ner").temperature = 5.0
    nlp.to_disk(tmp_path)
    after = spacy.load(tmp_path)(TRAIN[0][0])
    assert ents_of(after) == ents_of(before)
    assert after.ents[0]._.confidence < before.ents[0]._.confidence


def test_nothing_to_fit():
    nlp = make_entities()
    doc = nlp.make_doc("王明在北京")
    unlabelled = Example(doc, doc.copy())
    without = make_examples(nlp, [("王明在北京", [])])
    for examples in ([], [unlabelled], without, make_examples(nlp, [("", [])])):
        assert calibrate(nlp, examples) == {"crf_ner": None}
    pipe = nlp.get_pipe("crf_ner")
    assert (pipe.temperature, pipe.threshold) == (1.0, 0.45)
    assert calibrate(spacy.blank("zh"), without) == {}


def test_documents_without_annotation_do_not_count():
    nlp = make_entities()
    pipe, examples = nlp.get_pipe("crf_ner"), noisy_examples(nlp, 0.7, seed=1)
    docs = [nlp.make_doc(text) for text, _ in TRAIN]
    unlabelled = [Example(doc, doc.copy()) for doc in docs]
    assert fit_to(pipe, [unlabelled, [*examples, *unlabelled]]) == fit_to(pipe, [examples])


def run(command, *arguments):
    result = CliRunner().invoke(app, [command, *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_commands(tmp_path):
    nlp = make_entities()
    model, dev, calibrated = (tmp_path / name for name in ("model", "dev.spacy", "calibrated"))
    nlp.to_disk(model)
    DocBin(docs=[eg.reference for eg in noisy_examples(nlp, 0.7, seed=1)]).to_disk(dev)
    output = run("calibrate", model, dev, calibrated)
    pipe = spacy.load(calibrated).get_pipe("crf_ner")
    assert f"temperature {pipe.temperature:.3f}, threshold {pipe.threshold:.3f}, exp" in output
    scores, errors = tmp_path / "scores.json", []
    for each in (model, calibrated):
        picture = tmp_path / "picture.png"
        run("evaluate", each, dev, "-o", scores, "--plot", picture)
        assert picture.read_bytes().startswith(b"\x89PNG")
        errors.append(srsly.read_json(scores)["calibration"]["ece"])
    assert errors[1] < errors[0]
    assert f"F1 {srsly.read_json(scores)['ents_f']:.4f}" in output


def test_the_command_says_what_it_leaves_as_it_was(tmp_path):
    nlp = make_entities()
    nlp.to_disk(tmp_path / "model")
    docs = [eg.reference for eg in make_examples(nlp, [("今天下雨", [])])]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    output = run("calibrate", *(tmp_path / name for name in ("model", "dev.spacy", "new")))
    assert "crf_ner: stays as it was" in output
    assert spacy.load(tmp_path / "new").get_pipe("crf_ner").threshold == 0.45


def test_what_a_component_listens_to_is_run_for_it():
    nlp = spacy.blank("zh")
    nlp.add_pipe("tok2vec", config={"model": small(MODEL)["model"]["tok2vec"]})
    nlp.add_pipe("crf_ner", config=small(LISTENER))
    fit(nlp)
    examples = noisy_examples(nlp, 0.7, seed=1)
    fitted = calibrate(nlp, noisy_examples(nlp, 0.7, seed=1))["crf_ner"]
    for eg in examples:
        nlp.get_pipe("tok2vec")(eg.predicted)
    nlp.get_pipe("crf_ner").temperature = 1.0
    found = fit_to(nlp.get_pipe("crf_ner"), [examples])
    assert found.temperature == pytest.approx(fitted.temperature, rel=1e-3)
    assert fitted.temperature > 2
    assert nlp.pipe_names == ["tok2vec", "crf_ner"]
