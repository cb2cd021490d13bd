"""What the package registers is found by name, without importing it."""

import subprocess
import sys
from importlib.metadata import distribution

import pytest
from spacy import registry

OURS = distribution("spacy-crf-ner").entry_points
REGISTRIES = {
    "spacy_architectures": "architectures",
    "spacy_augmenters": "augmenters",
    "spacy_callbacks": "callbacks",
    "spacy_loggers": "loggers",
    "spacy_readers": "readers",
    "spacy_scorers": "scorers",
    "spacy_tokenizers": "tokenizers",
    "thinc_losses": "losses",
    "spacy_misc": "misc",
    "thinc_schedules": "schedules",
}


@pytest.mark.parametrize("entry_point", OURS, ids=lambda ep: f"{ep.group}:{ep.name}")
def test_entry_points_resolve(entry_point):
    found = entry_point.load()
    if entry_point.group in REGISTRIES:
        assert registry.get(REGISTRIES[entry_point.group], entry_point.name) is found
    assert found is not None


def test_the_groups():
    assert {ep.group for ep in OURS} == {
        *REGISTRIES,
        "spacy_cli",
        "spacy_factories",
    }


@pytest.mark.slow
def test_a_pipeline_needs_no_import():
    code = "import spacy; spacy.blank('zh').add_pipe('crf_ner'); print('made')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "made", result.stderr


@pytest.mark.slow
def test_the_cli_is_part_of_spacys():
    command = [sys.executable, "-m", "spacy", "crf", "--help"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0
    for name in ("convert", "evaluate", "annotate"):
        assert name in result.stdout
