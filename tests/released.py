"""The packages in tests/fixtures, which each released version wrote; see README.md there."""

from pathlib import Path

import pytest
import srsly

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = sorted(FIXTURES.glob("pipeline-*"))
# Old names are allowed, and that spaCy is older than the one that wrote the package.
allow_old = pytest.mark.filterwarnings(
    r"ignore:(?s).*spacy_crf_ner:DeprecationWarning", r"ignore:\[W095\]:UserWarning"
)
each_version = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def package_in(folder):
    """The name of the package that is in a folder as pip installs it."""
    return next(folder.glob("*/__init__.py")).parent.name


def expected_in(folder):
    """For each text, the entities that were found when it was written: text, label, confidence."""
    return {line["text"]: line["ents"] for line in srsly.read_jsonl(folder / "expected.jsonl")}


def assert_finds(nlp, expected):
    for doc in nlp.pipe(expected):
        entities = expected[doc.text]
        assert [(ent.text, ent.label_) for ent in doc.ents] == [(e[0], e[1]) for e in entities]
        confidences = [ent._.confidence for ent in doc.ents]
        assert confidences == pytest.approx([e[2] for e in entities], abs=1e-3)
