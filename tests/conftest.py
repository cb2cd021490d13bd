"""Fixtures for all tests."""

import gc
import os
from pathlib import Path

import catalogue
import pytest
import torch

pytest_plugins = ["built_wheel"]

# The tensors of tests are small: a second thread only waits, and much so on a busy machine.
torch.set_num_threads(1)

# A registry goes through the entry points of all packages whenever a name is looked up in it, which
# took a tenth of the time. It takes a dict as well, as entry points once were.
found = catalogue.AVAILABLE_ENTRY_POINTS
catalogue.AVAILABLE_ENTRY_POINTS = {group: found.select(group=group) for group in found.groups}

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


def pytest_collection_finish(session):
    """Spare the garbage collector all that was imported, which stays."""
    gc.collect()
    gc.freeze()
