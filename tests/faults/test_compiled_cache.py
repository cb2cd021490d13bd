"""What numba has compiled is cached in files, and works without them."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import numba
from spacy_crf_ner.jit import jit

sys.path.insert(0, sys.argv[1])
from small import add_one

assert add_one(1) == 2
cache = add_one._cache
print(type(cache).__name__, sum(add_one.stats.cache_hits.values()))
"""
SMALL = """
from spacy_crf_ner.jit import jit


@jit
def add_one(x):
    return x + 1
"""


@pytest.fixture
def run(tmp_path):
    """A function that runs a small compiled function in a process of its own; returns the kind of
    its cache and how often it was used."""
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "small.py").write_text(SMALL, encoding="utf8")
    (tmp_path / "cache").mkdir()

    def run_small(before="", cache=tmp_path / "cache"):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
        command = [sys.executable, "-c", before + PROGRAM, tmp_path / "module"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run_small


# Nothing can be made below it, not even by root.
NOWHERE = "/dev/null/cache"
WITHOUT_OTHER_PLACES = """
from numba.core.caching import CacheImpl, UserProvidedCacheLocator
CacheImpl._locator_classes = [UserProvidedCacheLocator]
"""
FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""


@pytest.mark.slow
def test_what_was_compiled_is_used_again_and_damage_repaired(run, tmp_path):
    assert run() == ["Cache", "0"]
    assert run() == ["Cache", "1"]
    for pattern in ("*.nbi", "*.nbc"):
        (path,) = (tmp_path / "cache").rglob(pattern)
        path.write_bytes(path.read_bytes()[:9])
        assert run() == ["Cache", "0"]
        assert run() == ["Cache", "1"]


@pytest.mark.slow
def test_where_no_cache_can_be_made(run):
    assert run(WITHOUT_OTHER_PLACES, NOWHERE) == ["NullCache", "0"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_where_the_cache_cannot_grow(run, tmp_path):
    assert run(FULL) == ["Cache", "0"]
    assert not list((tmp_path / "cache").rglob("*.nb?"))
