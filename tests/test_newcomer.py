"""From an export of an annotation tool to `spacy.load` in four commands, with the wheel alone."""

import os

import pytest
from built_wheel import ALL_FROM_TARGET, ROOT, needs_source, output_of

pytestmark = [pytest.mark.slow, needs_source]

TAG = """
import spacy

nlp = spacy.load("zh_mine")
print([ent.label_ for ent in nlp("王明昨天到北京大学报到。").ents], *nlp.get_pipe("crf_ner").labels)
require_target()
"""


def write_export(path):
    text = (ROOT / "assets" / "demo" / "train.json").read_text(encoding="utf8")
    path.write_text("\n".join(text.splitlines()[:60]), encoding="utf8")


def test_a_newcomer_gets_a_pipeline_in_four_commands(target, installed, tmp_path):
    folder, site = tmp_path / "empty", tmp_path / "site"
    folder.mkdir()
    write_export(folder / "export.jsonl")
    alone = {"env": installed, "cwd": folder}
    output_of(
        "-m", "spacy", "crf", "init", "mine", "--lang", "zh", "--data", "export.jsonl", **alone
    )
    # As it is, it would train for minutes.
    steps = ("--vars.max_steps", "2")
    output_of("-m", "spacy", "project", "run", "all", "mine", *steps, **alone)
    (wheel,) = folder.glob("mine/packages/zh_mine-0.1.0/dist/*.whl")
    output_of("-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel, **alone)
    env = {**installed, "PYTHONPATH": os.pathsep.join([installed["PYTHONPATH"], str(site)])}
    output = output_of("-c", ALL_FROM_TARGET + TAG, target, env=env, cwd=folder)
    assert output.split("]")[1].split() == ["LOCATION", "ORGANIZATION", "PERSON", "TIME"]
