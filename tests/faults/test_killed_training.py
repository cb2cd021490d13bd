"""Training that is killed at any moment leaves a whole pipeline behind."""

import errno
import os
import random
import signal
import time
import warnings
from io import StringIO

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_model_from_config
from util import TEXTS, make_examples, make_nlp, make_trained

from spacy_crf_ner.training.saving import replace_whole
from spacy_crf_ner.training.sources import add_sources
from spacy_crf_ner.util import replacing_folder


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_pipeline_is_replaced_as_a_whole(tmp_path):
    nlp = make_trained()
    path = tmp_path / "model-last"
    path.mkdir()
    (path / "of an earlier pipeline").touch()
    saved = replace_whole()(nlp)
    saved.to_disk(path)
    assert names_in(tmp_path) == ["model-last"]
    assert "of an earlier pipeline" not in names_in(path)
    assert spacy.load(path).to_bytes() == nlp.to_bytes()
    # The pipeline itself is saved as before.
    nlp.to_disk(path)
    assert isinstance(saved, type(nlp))


def test_another_callback_comes_first(tmp_path):
    nlp = make_trained()
    callback = replace_whole(add_sources(corpus="corpus/mine/train.spacy"))
    callback(nlp).to_disk(str(tmp_path / "model-last"))
    (source,) = spacy.load(tmp_path / "model-last").meta["sources"]
    assert source == {"name": "mine (corpus)"}


def test_a_full_disk_leaves_the_earlier_pipeline(tmp_path, monkeypatch):
    nlp = make_trained()
    path = tmp_path / "model-last"
    save = replace_whole()(nlp).to_disk
    save(path)
    before = spacy.load(path).to_bytes()

    def write_some(folder, exclude):
        folder.mkdir()
        (folder / "cfg").write_text("{", encoding="utf8")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nlp.get_pipe("crf_ner"), "to_disk", write_some)
    with pytest.raises(OSError, match="No space left on device: '.*/model-last'"):
        save(path)
    assert names_in(tmp_path) == ["model-last"]
    assert spacy.load(path).to_bytes() == before


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "model-last"
    for name in (".model-last.new", ".model-last.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cfg").touch()
    with replacing_folder(path) as folder:
        # The earlier one is kept until the new one is complete.
        assert names_in(tmp_path) == [".model-last.old"]
        folder.mkdir()
    assert names_in(tmp_path) == ["model-last"]


def prepare(folder):
    """A pipeline to train that saves itself after each step."""
    corpus = folder / "corpus.spacy"
    DocBin(docs=[eg.reference for eg in make_examples(spacy.blank("zh"))]).to_disk(corpus)
    config = load_model_from_config(make_nlp().config, auto_fill=True).config
    config["paths"].update(train=str(corpus), dev=str(corpus))
    callback = {"@callbacks": "spacy_crf_ner.replace_whole.v1"}
    config["training"].update(max_steps=0, patience=0, eval_frequency=1, before_to_disk=callback)
    return init_nlp(config)


def train_in_a_process(nlp, output):
    """Train until killed; returns the process's id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of threads and forks
        process = os.fork()
    if process == 0:
        try:
            train(nlp, output, stdout=StringIO(), stderr=StringIO())
        finally:
            os._exit(1)
    return process


def assert_whole(path):
    nlp = spacy.load(path)
    assert [doc.text for doc in nlp.pipe(TEXTS)] == TEXTS
    for node in nlp.get_pipe("crf_ner").model.walk():
        for name in node.param_names:
            assert np.isfinite(node.get_param(name)).all()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks processes")
def test_training_is_killed_at_any_moment(tmp_path):
    nlp, rng = prepare(tmp_path), random.Random(0)
    swaps = 0
    for trial in range(20):
        output = tmp_path / str(trial)
        output.mkdir()
        process = train_in_a_process(nlp, output)
        while not (output / "model-last").exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1))
        os.kill(process, signal.SIGKILL)
        assert os.waitpid(process, 0)[1] == signal.SIGKILL
        # Where model-last is missing, it was being swapped, and model-best is complete.
        last = output / "model-last"
        assert_whole(last if last.exists() else output / "model-best")
        swaps += not last.exists()
    assert swaps < 20
