"""What `make run` would do with its variables."""

import re
import subprocess
from pathlib import Path

import pytest
import srsly

ROOT = Path(__file__).resolve().parents[1]
SIZE, RATE = "--training.batcher.size", "--training.optimizer.learn_rate.initial_rate"


def commands_of(*variables):
    command = ["make", "-n", "run", "VENV=none", *variables]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.replace("\\\n", " ")


@pytest.mark.parametrize(
    ("variables", "steps", "settings"),
    [
        ([], "400", ""),
        (["GPU=0"], "400", ""),
        (["CORPUS=cluener"], "8000", ""),
        (["CORPUS=cluener", "GPU=0"], "4000", f"{SIZE} 3000 {RATE} 0.002"),
        (["CORPUS=badou", "GPU=1"], "2500", f"{SIZE} 3000 {RATE} 0.002"),
        (["CORPUS=badou", "CONFIG=transformer"], "2500", ""),
        (["CORPUS=badou", "CONFIG=transformer", "GPU=0"], "1250", f"{SIZE} 4000 {RATE} 0.00007"),
        (
            ["CONFIG=transformer_bilstm", "CORPUS=chisiec", "GPU=0"],
            "1250",
            f"{SIZE} 3000 {RATE} 0.00007",
        ),
    ],
)
def test_a_gpu_gets_larger_batches(variables, steps, settings):
    commands = commands_of(*variables)
    assert re.search(r"--vars\.max_steps (\d+)", commands)[1] == steps
    found = re.search(r'SPACY_CONFIG_OVERRIDES="(.*?)"', commands)
    assert (found[1] if found else "").split() == settings.split()


def test_a_gpu_is_checked_first():
    commands = commands_of("GPU=1").splitlines()
    install, doctor, run = (
        next(i for i, line in enumerate(commands) if part in line)
        for part in ('".[gpu]"', "spacy crf doctor --gpu-id 1", "spacy project run all")
    )
    assert install < doctor < run
    assert "doctor" not in commands_of()


def test_all_variables_are_those_of_the_project():
    passed = set(re.findall(r"--vars\.(\w+)", commands_of()))
    assert passed == set(srsly.read_yaml(ROOT / "project.yml")["vars"])
