"""Pipelines are calibrated whenever training saves them."""

import logging
from io import StringIO

import pytest
import spacy
from spacy import registry
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from util import TRAIN, make_examples, make_nlp, make_trained

from spacy_crf_ner.calibration.calibrate import calibrate
from spacy_crf_ner.training import calibrate as module
from spacy_crf_ner.training.calibrate import calibrate_on_dev
from spacy_crf_ner.training.sources import add_sources

# Two names and one that is not annotated.
DEV = [*TRAIN, ("李雷在广州", [(3, 5, "LOC")]), ("王明在上海", [])]


def write_corpus(path, sentences):
    DocBin(docs=[eg.reference for eg in make_examples(spacy.blank("zh"), sentences)]).to_disk(path)
    return str(path)


def test_training(tmp_path):
    registry.callbacks("test_calibrate_on_dev.v1", func=calibrate_on_dev)
    config = make_nlp(decoding="entities", threshold=0.45).config.copy()
    dev = write_corpus(tmp_path / "dev.spacy", DEV)
    config["paths"].update(train=write_corpus(tmp_path / "train.spacy", TRAIN), dev=dev)
    config["training"].update(max_steps=30, eval_frequency=10)
    config["training"]["optimizer"]["learn_rate"] = 0.01
    config["training"]["before_to_disk"] = {"@callbacks": "test_calibrate_on_dev.v1"}
    train(init_nlp(config), tmp_path, stdout=StringIO(), stderr=StringIO())
    for name in ("model-best", "model-last"):
        nlp = spacy.load(tmp_path / name)
        pipe = nlp.get_pipe("crf_ner")
        found = pipe.temperature, pipe.threshold
        assert found[0] != 1.0
        assert found[1] == nlp.config["components"]["crf_ner"]["threshold"] != 0.45
        fitted = calibrate(nlp, list(Corpus(dev)(nlp)))["crf_ner"]
        assert fitted[:2] == pytest.approx(found, abs=2e-3)


def make_pipeline(tmp_path, sentences):
    nlp = make_trained(decoding="entities", threshold=0.45)
    dev = write_corpus(tmp_path / "dev.spacy", sentences)
    nlp.config["paths"].update(train=dev, dev=dev)
    return nlp


def test_another_callback_is_called_first(tmp_path):
    nlp = make_pipeline(tmp_path, DEV)
    assert calibrate_on_dev(add_sources(corpus="corpus/mine/train.spacy"))(nlp) is nlp
    assert nlp.meta["sources"] == [{"name": "mine (corpus)"}]
    assert nlp.get_pipe("crf_ner").threshold != 0.45


def test_without_entities_it_stays_as_it_was(tmp_path, caplog):
    nlp = make_pipeline(tmp_path, [("今天下雨", [])])
    with caplog.at_level(logging.WARNING, logger="spacy"):
        calibrate_on_dev()(nlp)
    assert "[crf_ner] The dev corpus has no entities" in caplog.text
    pipe = nlp.get_pipe("crf_ner")
    assert (pipe.temperature, pipe.threshold) == (1.0, 0.45)


def test_of_a_large_corpus_it_takes_a_part(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_TOKENS", 20)
    numbers = []
    monkeypatch.setattr(module, "calibrate", lambda _, sample: numbers.append(len(sample)) or {})
    calibrate_on_dev()(make_pipeline(tmp_path, TRAIN * 4))
    # Every sixth of 20 documents with 112 tokens.
    assert numbers == [4]
