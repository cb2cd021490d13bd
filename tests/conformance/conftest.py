"""The trained pipelines of the conformance tests: each is trained once, and tests load copies."""

import pytest
import spacy
from conformance_pipelines import KINDS, TRAIN, first_is_quick, fit, make_nlp
from spacy.tokens import DocBin
from util import make_examples


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """The tiny encoder's folder."""
    pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")
    from tiny_encoders import NO_DROPOUT, make_encoder

    return make_encoder(tmp_path_factory.mktemp("conformance") / "encoder", **NO_DROPOUT)


@pytest.fixture(scope="session", params=first_is_quick(KINDS))
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def make(kind, request):
    """Makes pipelines of the kind, not yet initialized."""
    folder = request.getfixturevalue("encoder") if kind == "transformer" else ""
    return lambda **settings: make_nlp(kind, folder, **settings)


@pytest.fixture(scope="session")
def path(kind, make, tmp_path_factory):
    """A trained pipeline on disk."""
    folder = tmp_path_factory.mktemp("conformance") / kind
    fit(make()).to_disk(folder)
    return folder


@pytest.fixture
def nlp(path):
    """A copy of it, which a test may change."""
    return spacy.load(path)


@pytest.fixture
def name(kind):
    """What the recognizer is called in its pipeline."""
    return "ner" if kind == "ner" else "crf_ner"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """What the pipelines were trained on, in spaCy's binary format."""
    path = tmp_path_factory.mktemp("conformance") / "train.spacy"
    DocBin(docs=[eg.reference for eg in make_examples(spacy.blank("zh"), TRAIN)]).to_disk(path)
    return path
