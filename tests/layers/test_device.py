"""The GPU that a model is on. What needs one is in tests/gpu."""

import numpy as np
import pytest
import torch
from thinc.api import CupyOps, NumpyOps, get_current_ops

from spacy_crf_ner.layers.device import use_device

WEIGHTS = np.zeros(1, dtype="f")


def test_a_model_on_the_cpu_asks_for_nothing(monkeypatch):
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    before = get_current_ops()
    use_device(NumpyOps(), WEIGHTS)
    assert get_current_ops() is before


def test_a_forked_process_says_that_it_cannot_use_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    with pytest.raises(RuntimeError, match="n_process=1"):
        use_device(CupyOps(), WEIGHTS)
