"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest
import torch

# The tensors of tests are small: a second thread only waits, and much so on a busy machine.
torch.set_num_threads(1)

# Read when Triton is imported, by whatever is first to do so.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora beside the repository, which holds no copy of them."""
    path = Path(__file__).resolve().parents[1] / ".." / "shared" / "corpora"
    if not path.is_dir():
        pytest.skip(f"needs the real corpora, which are not at {path}")
    return path
