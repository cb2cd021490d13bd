"""What `crf doctor` says. Its checks on a GPU are in tests/gpu."""

import sys
from importlib.metadata import packages_distributions
from types import ModuleType

import pytest
import torch
from spacy.cli import app
from typer.testing import CliRunner

from spacy_crf_ner import doctor
from spacy_crf_ner.cli import doctor as cli
from spacy_crf_ner.doctor import Check, examine, versions

# Takes a second, and the doctor asks several times.
INSTALLED = packages_distributions()


@pytest.fixture(autouse=True)
def asked_once(monkeypatch):
    monkeypatch.setattr(doctor, "packages_distributions", lambda: INSTALLED)


def passes(gpu_id):
    return f"on {gpu_id}"


def fails(gpu_id):
    raise OSError("libcublas.so.13: cannot open shared object file")


def make_checks(monkeypatch, *checks):
    made = [
        Check(f"check {i}", run, lambda i=i: f"remedy {i}", needed)
        for i, (run, needed) in enumerate(checks)
    ]
    monkeypatch.setattr(doctor, "CHECKS", made)
    monkeypatch.setattr(cli, "CHECKS", made)


def run_doctor(*arguments):
    result = CliRunner().invoke(app, ["crf", "doctor", *arguments])
    # Lines may be wrapped anywhere.
    return result.exit_code, " ".join(result.output.split())


def test_versions():
    found = versions()
    assert found["torch"] == torch.__version__
    assert found["CUDA of torch"] == (torch.version.cuda or "none")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize(("cuda", "remedy"), [(None, "build for CPUs"), ("13.0", "nvidia-smi")])
def test_without_a_gpu_it_ends_there(monkeypatch, cuda, remedy):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    (finding,) = examine(0)
    assert (finding.name, finding.works, finding.needed) == ("GPU", False, True)
    assert remedy in finding.remedy
    code, output = run_doctor()
    assert code == 1
    assert remedy in output
    assert "not checked: CuPy" in output


def test_all_is_well(monkeypatch):
    make_checks(monkeypatch, (passes, True), (passes, False))
    code, output = run_doctor("--gpu-id", "2")
    assert code == 0
    assert "check 0: on 2" in output
    assert "check 1: on 2" in output
    assert "not checked" not in output


def test_what_is_only_slower_does_not_end_it(monkeypatch):
    make_checks(monkeypatch, (fails, False), (passes, True))
    code, output = run_doctor()
    assert code == 0
    assert "check 0: OSError: libcublas.so.13" in output
    assert "remedy 0" in output
    assert "check 1: on 0" in output


def test_what_is_needed_ends_it(monkeypatch):
    make_checks(monkeypatch, (passes, True), (fails, True), (passes, True))
    code, output = run_doctor()
    assert code == 1
    assert "remedy 1" in output
    assert "not checked: check 2" in output


def test_cupy_without_cudas_libraries(monkeypatch):
    """`import cupy` works without them."""
    monkeypatch.setitem(sys.modules, "cupy", ModuleType("cupy"))
    monkeypatch.setitem(sys.modules, "cupy.cublas", None)
    with pytest.raises(ImportError, match=r"cupy\.cublas"):
        doctor._check_cupy(0)


@pytest.mark.parametrize(
    ("cuda", "installed", "remedy"),
    [
        ("13.0", [], "pip install 'cupy-cuda13x[ctk]'"),
        ("12.8", ["cupy-cuda12x"], "pip install 'cupy-cuda12x[ctk]'"),
        ("13.0", ["cupy-cuda12x"], "pip uninstall cupy-cuda12x; pip install 'cupy-cuda13x[ctk]'"),
    ],
)
def test_which_cupy(monkeypatch, cuda, installed, remedy):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(doctor, "packages_distributions", lambda: {"cupy": installed})
    assert doctor._how_to_have_cupy().startswith(remedy)


@pytest.mark.parametrize(
    ("cudnn", "seconds", "works"), [(92000, 1.0, True), (92000, 3.0, False), (91200, 1.0, False)]
)
def test_bfloat16_has_to_pay(monkeypatch, cudnn, seconds, works):
    times = {torch.float32: 2.0, torch.bfloat16: seconds}
    monkeypatch.setattr(doctor, "_time_lstm", lambda gpu_id, dtype: times[dtype])
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: cudnn)
    text = f"takes {seconds / 2:.2f} times as long as float32, cuDNN {cudnn}"
    if works:
        assert doctor._check_bfloat16(0) == text
    else:
        with pytest.raises(RuntimeError, match=text):
            doctor._check_bfloat16(0)
