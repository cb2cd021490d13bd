"""What `make run` and `make release` would do with their variables."""

import re
import subprocess
from pathlib import Path

import pytest
import srsly
from packaging.requirements import Requirement
from spacy.util import load_config, walk_dict

ROOT = Path(__file__).resolve().parents[1]
REQUIRED = ("dependencies", "dev")
SIZE, RATE = "--training.batcher.size", "--training.optimizer.learn_rate.initial_rate"


def make(*variables, target="run"):
    command = ["make", "-n", "--no-print-directory", target, "VENV=none", *variables]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def commands_of(*variables, target="run"):
    result = make(*variables, target=target)
    assert result.returncode == 0, result.stderr
    return result.stdout.replace("\\\n", " ")


@pytest.mark.parametrize(
    ("variables", "steps", "settings"),
    [
        ([], "400", ""),
        (["GPU=0"], "400", ""),
        (["CORPUS=cluener"], "5000", ""),
        (["CORPUS=cluener", "GPU=0"], "2500", f"{SIZE} 3000 {RATE} 0.002"),
        (["CORPUS=badou", "GPU=1"], "750", f"{SIZE} 3000 {RATE} 0.002"),
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


@pytest.mark.parametrize(
    ("variables", "target", "config", "name"),
    [
        (["CONFIG=bilstm_words", "WORDS={0}"], "run", "bilstm_words", "WORDS"),
        (["CONFIG=transformer", "VECTORS={0}"], "run", "transformer", "VECTORS"),
        (["CONFIG=transformer", "GAZETTEER={0}"], "run", "transformer", "GAZETTEER"),
        (["MODELS=en_crf_ner_conll", "WORDS={0}"], "release", "bilstm_words", "WORDS"),
    ],
)
def test_a_file_that_the_config_has_no_part_for_is_an_error(
    variables, target, config, name, tmp_path
):
    for corpus in ("demo", "conll2003"):
        (tmp_path / corpus).mkdir()
    file = tmp_path / "some.vec"
    file.touch()
    given = [variable.format(file) for variable in variables]
    result = make(f"CORPORA={tmp_path}", *given, target=target)
    assert result.returncode
    assert f"configs/{config}.cfg has no part for {name}." in result.stderr


def test_files_for_parts_of_the_config_are_used(tmp_path):
    file = tmp_path / "some.vec"
    file.touch()
    commands = commands_of(*(f"{name}={file}" for name in ("WORDS", "GAZETTEER", "VECTORS")))
    assert f"--vars.words {file} --vars.gazetteer {file}" in commands
    assert "--vars.vectors vectors/some" in commands


def release(*variables):
    """The commands of `make release` after those that make the environment."""
    return commands_of(*variables, target="release").split(".installed\n")[-1].splitlines()


def test_a_release_has_six_pipelines(tmp_path):
    for name in ("cluener", "chisiec", "conll2003"):
        (tmp_path / name).mkdir()
    commands = release(f"CORPORA={tmp_path}")
    steps = ("crf convert", "train", "crf card", "mkdir -p packages", "package")
    assert len(commands) == 6 * len(steps)
    for i, command in enumerate(commands):
        assert re.search(rf"\b{steps[i % len(steps)]}\b", command)
    trained = [re.search(r"train configs/(\w+)\.cfg --output training/(\w+)", c) for c in commands]
    assert [match.groups() for match in trained if match] == [
        ("bilstm", "zh_crf_ner_cluener"),
        ("bilstm", "zh_crf_ner_cluener_sm"),
        ("bilstm", "zh_crf_ner_chisiec"),
        ("bilstm", "zh_crf_ner_chisiec_sm"),
        ("bilstm_words", "en_crf_ner_conll"),
        ("bilstm_words", "en_crf_ner_conll_sm"),
    ]
    for command, match in zip(commands, trained):
        if match:
            assert ("adversarial_epsilon 0" in command) == match[2].endswith("_sm")
    for path in re.findall(r"--about (\S+)", "\n".join(commands)):
        assert (ROOT / path).is_file()


def test_a_release_of_one_pipeline(tmp_path):
    (tmp_path / "conll2003").mkdir()
    _, train, card, _, package = release(
        f"CORPORA={tmp_path}", "MODELS=en_crf_ner_conll_sm", "STEPS=2", "SEED=3", "VERSION=1.2.3"
    )
    for part in ("--nlp.lang en", "--training.max_steps 2", "--system.seed 3"):
        assert part in train
    assert "corpus/conll2003/test.spacy --about assets/models/conll2003.md" in " ".join(
        card.split()
    )
    assert "--name crf_ner_conll_sm --version 1.2.3" in card
    assert "training/en_crf_ner_conll_sm/model-best packages" in package


def test_a_pipeline_that_is_not_known_is_an_error():
    command = [
        "make",
        "-n",
        "--no-print-directory",
        "release",
        "VENV=none",
        "MODELS=zh_crf_ner_clue",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "zh_crf_ner_clue" in result.stderr


def test_settings_of_the_small_pipelines_are_those_of_the_configs():
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    settings = re.search(r"^SMALL := (.+)$", makefile, re.MULTILINE)[1].split()
    for config in ("bilstm", "bilstm_words"):
        shipped = load_config(ROOT / "configs" / f"{config}.cfg")
        values = {f"--{'.'.join(path)}": value for path, value in walk_dict(shipped)}
        width, epsilon = (values[name] for name in settings[::2])
        assert int(settings[1]) == width / 2
        assert epsilon > float(settings[3]) == 0


@pytest.mark.parametrize("which", ["lowest", "newest"])
def test_the_lowest_and_the_newest_releases_are_tested_alike(which):
    commands = commands_of("PYTHON=python3.12", target=f"test-{which}")
    assert f"python3.12 -m venv --clear none-{which}\n" in commands
    assert f"install --progress-bar on -c none-{which}/pins.txt -e" in commands
    assert commands.endswith(f'none-{which}/bin/python -m pytest -q -m "not slow"\n')
    assert ("sed" in commands) == (which == "lowest")
    # torch's CPU build comes first, where the variable says how to get it.
    commands = commands_of("TORCH_CPU=--no-deps torch", target=f"test-{which}")
    assert commands.index("pins.txt --no-deps torch\n") < commands.index('-e ".[dev]"')


def test_the_lowest_releases_are_the_lower_bounds():
    """Of all that an environment for development requires."""
    (command,) = re.findall(r"^sed .*(?= >)", commands_of(target="test-lowest"), re.MULTILINE)
    pins = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    text = (ROOT / "pyproject.toml").read_text(encoding="utf8")
    lists = [re.search(rf"^{name} = \[\n(.*?)^\]", text, re.M | re.S)[1] for name in REQUIRED]
    lines = re.findall(r'^    "(.*)"', "".join(lists), re.M)
    requirements = [Requirement(line) for line in lines]
    assert len(requirements) > 20
    for requirement in requirements:
        (lowest,) = (s.version for s in requirement.specifier if s.operator == ">=")
        assert f"{requirement.name}=={lowest}" in pins
    # And no two for the same.
    assert len({pin.split("==")[0] for pin in pins}) == len(set(pins))
