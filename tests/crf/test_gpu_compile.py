"""The Triton kernels compile for GPUs from Turing to Hopper, whether there is one or not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
SCRIPT = Path(__file__).parent / "compile_kernels.py"
KERNELS = ("_forward", "_backward", "_viterbi")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("capability", "tags"), [(75, (17, 129)), (80, (1, 41)), (90, (17, 65, 129, 257))]
)
def test_kernels_compile(tmp_path, capability, tags):
    # Not interpreted, and not taken from what was compiled before.
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    env["TRITON_CACHE_DIR"] = str(tmp_path)
    command = [sys.executable, str(SCRIPT), str(capability), *map(str, tags)]
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    compiled = [tuple(row) for row in json.loads(result.stdout)]
    assert [row[:2] for row in compiled] == [(name, n) for n in tags for name in KERNELS]
    for *_, target, is_machine_code in compiled:
        assert target.split()[1].startswith(f"sm_{capability}")
        assert is_machine_code
