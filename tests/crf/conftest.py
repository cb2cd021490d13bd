"""Which implementation of the recursions a test is for."""

import pytest

from spacy_crf_ner.crf import recursions
from spacy_crf_ner.crf.recursions import cpu, reference

BACKENDS = {"cpu": cpu, "reference": reference}
FUNCTIONS = ("forward", "backward", "posteriors", "viterbi")


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    """The implementation that all batches take. It is an error if any of them takes the other one,
    as it would if the choice were made elsewhere, or if none takes it."""
    chosen, taken = BACKENDS[request.param], []
    monkeypatch.setattr(recursions.backend, "backend_for", lambda potentials: chosen)

    def noted(function):
        def run(*arguments):
            taken.append(function)
            return function(*arguments)

        return run

    def refuse(*arguments):
        raise AssertionError(f"not only {request.param} is used")

    for name, module in BACKENDS.items():
        for function in FUNCTIONS:
            is_chosen = name == request.param
            patch = noted(getattr(module, function)) if is_chosen else refuse
            monkeypatch.setattr(module, function, patch)
    yield chosen
    assert taken, f"{request.param} is not used"
