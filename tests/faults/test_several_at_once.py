"""Several processes or threads find what one does."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import spacy
import torch
from several_at_once import assert_same, find, make_texts
from spacy.language import Language
from tiny_encoders import add_transformer, make_encoder
from util import make_trained

PROGRAM = Path(__file__).with_name("several_at_once.py")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bilstm", "attention", "transformer"])
def test_processes_and_threads_find_the_same(kind, tmp_path):
    """With as many threads as torch takes, which would hang in a process that was forked."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    command = [sys.executable, PROGRAM, kind, tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_two_threads_find_the_same():
    nlp = make_trained(spans_key="crf")
    texts = make_texts(60)
    alone = find(nlp, texts, batch_size=2)
    assert any(ents for ents, _ in alone)
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda _: find(nlp, texts, batch_size=2), range(2)):
            assert_same(found, alone)


@Language.component("note_threads")
def note_threads(doc):
    doc.user_data["threads"] = torch.get_num_threads()
    return doc


def test_processes_have_one_thread_each():
    nlp = make_trained()
    nlp.add_pipe("note_threads")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        docs = list(nlp.pipe(["王明"] * 4, n_process=2, batch_size=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert [doc.user_data["threads"] for doc in docs] == [1] * 4


def test_an_encoder_that_predicts_stays_without_dropout(tmp_path):
    """Another thread may be predicting, too."""
    nlp = spacy.blank("zh")
    encoder = add_transformer(nlp, make_encoder(tmp_path / "encoder"))
    docs = [nlp.make_doc("王明")]
    for _ in range(2):
        encoder.model.begin_update(docs)
        assert encoder.model.transformer.training
        encoder.model.predict(docs)
        assert not encoder.model.transformer.training
