"""Denormal numbers are 0 within updates, in their thread, and nowhere else."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from util import make_examples, make_trained

from spacy_crf_ner.pipeline.denormals import flush_denormals

if not torch.set_flush_denormal(False):
    pytest.skip("this CPU cannot flush denormal numbers", allow_module_level=True)


def flushing():
    return sys.float_info.min / 2 == 0


def test_they_are_0_inside_and_numbers_again_after_that():
    denormal, one = np.array([1e-40], dtype="f"), np.array([1.0], dtype="f")
    with flush_denormals() as is_supported:
        assert is_supported
        assert not (denormal * one).view("i4").any()
        with flush_denormals():
            pass
        assert flushing()
    assert (denormal * one).view("i4").any()


def test_an_error_restores_the_mode():
    with pytest.raises(ValueError, match="stop"), flush_denormals():
        raise ValueError("stop")
    assert not flushing()


def test_other_threads_keep_theirs():
    with ThreadPoolExecutor(1) as other:
        assert not other.submit(flushing).result()
        with flush_denormals():
            assert not other.submit(flushing).result()
            assert flushing()


def count_denormals(optimizer):
    tiny = np.finfo("f").tiny
    return sum(((m != 0) & (abs(m) < tiny)).sum() for m in optimizer.mom1.values())


# `nlp.update` calls the component's `update` without an optimizer, and then `finish_update`.
STEPS = {
    "nlp.update": lambda nlp: nlp.update,
    "update": lambda nlp: nlp.get_pipe("crf_ner").update,
    "rehearse": lambda nlp: nlp.get_pipe("crf_ner").rehearse,
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_makes_denormal_moments_0(name):
    nlp = make_trained()
    optimizer, examples = nlp.resume_training(), make_examples(nlp)
    step = STEPS[name](nlp)
    step(examples, sgd=optimizer)
    for moments in optimizer.mom1.values():
        moments[:] = 1e-40
    assert count_denormals(optimizer)
    step(examples, sgd=optimizer)
    # Not just those of weights with a gradient: most rows of the tables have none.
    assert not count_denormals(optimizer)
    assert not flushing()
