"""What `crf doctor` checks, as far as the emulation of a GPU goes."""

import pytest

from spacy_crf_ner import doctor

CHECKS = [
    (doctor._check_cupy, "computes"),
    (doctor._check_exchange, "both ways"),
    (doctor._check_triton, "launches"),
    pytest.param(doctor._check_training, "learns", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("check", "says"), CHECKS)
def test_checks_pass(check, says):
    assert says in check(0)
