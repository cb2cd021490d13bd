"""From an export of an annotation tool to `spacy.load` in four commands, with the wheel alone."""

import os
import shlex

import pytest
from blocks import read_blocks
from built_wheel import ALL_FROM_TARGET, ROOT, needs_source, output_of
from typer.testing import CliRunner

from spacy_crf_ner.cli import app

pytestmark = [pytest.mark.slow, needs_source]

# What the page says: the commands, the use of the result, and what `crf init` prints.
COMMANDS, _, PRINTED = (
    block.text for block in read_blocks(ROOT / "docs" / "your-own-corpus.md")[:3]
)
TAG = """
import spacy

nlp = spacy.load("zh_mine")
print([ent.label_ for ent in nlp("王明昨天到北京大学报到。").ents], *nlp.get_pipe("crf_ner").labels)
require_target()
"""


def write_export(path):
    """The demo corpus as doccano exports it."""
    demo = ROOT / "assets" / "demo" / "train.json"
    result = CliRunner().invoke(app, ["convert", str(demo), str(path), "--to", "doccano"])
    assert result.exit_code == 0, result.output


def test_a_newcomer_gets_a_pipeline_in_four_commands(target, installed, tmp_path):
    install, init, train, install_package = (
        shlex.split(line, comments=True) for line in COMMANDS.splitlines()
    )
    assert install[:2] == ["pip", "install"]  # which `target` and `installed` have done
    folder, site = tmp_path / "empty", tmp_path / "site"
    folder.mkdir()
    write_export(folder / "export.jsonl")
    alone = {"env": installed, "cwd": folder}
    assert PRINTED in output_of(*init[1:], **alone)
    # As it is, it would train for minutes.
    output_of(*train[1:], "--vars.max_steps", "2", **alone)
    assert install_package[:2] == ["pip", "install"]
    (wheel,) = folder.glob(install_package[2])
    output_of("-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel, **alone)
    env = {**installed, "PYTHONPATH": os.pathsep.join([installed["PYTHONPATH"], str(site)])}
    output = output_of("-c", ALL_FROM_TARGET + TAG, target, env=env, cwd=folder)
    assert output.split("]")[1].split() == ["LOCATION", "ORGANIZATION", "PERSON", "TIME"]
