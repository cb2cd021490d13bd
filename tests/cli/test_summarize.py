"""`crf summarize` on scores whose mean is known."""

import pytest
import srsly
from typer.testing import CliRunner

from spacy_crf_ner.cli import app

KEYS = ("ents_p", "ents_r", "ents_f", "ents_macro_f", "ents_token_acc", "ents_token_macro_f")


def summarize(*paths):
    return CliRunner().invoke(app, ["summarize", *map(str, paths)])


def test_means_and_spreads_of_each_name(tmp_path):
    for name, score in {"a-lstm-0": 0.5, "a-lstm-1": 0.6, "a-lstm-2": 0.7, "b-0": 0.25}.items():
        srsly.write_json(tmp_path / f"{name}.json", dict.fromkeys(KEYS, score))
    srsly.write_json(tmp_path / "none-0.json", dict.fromkeys(KEYS))
    result = summarize(*sorted(tmp_path.iterdir()))
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines() if line}
    assert rows["a-lstm"] == ["3", *["60.00", "±", "10.00"] * len(KEYS)]
    assert rows["b"] == ["1", *["25.00"] * len(KEYS)]
    assert rows["none"] == ["1", *["0.00"] * len(KEYS)]


@pytest.mark.parametrize("content", [None, "[", '{"ents_p": 1}', "[]"])
def test_what_are_no_scores_is_named(tmp_path, content):
    path = tmp_path / "scores-0.json"
    if content is not None:
        path.write_text(content)
    result = summarize(path)
    assert result.exit_code == 1
    assert str(path) in result.output
    assert "crf evaluate" in result.output
