"""What `crf doctor` checks, as far as the emulation of a GPU goes."""

import pytest

from spacy_crf_ner import doctor

CHECKS = {
    doctor._check_cupy: "computes",
    doctor._check_exchange: "both ways",
    doctor._check_triton: "runs",
    doctor._check_training: "learns",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_checks_pass(check):
    assert CHECKS[check] in check(0)
