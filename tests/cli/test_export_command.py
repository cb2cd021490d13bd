"""`crf export`."""

import pytest
from typer.testing import CliRunner
from util import TEXTS, ents_of, make_trained

from spacy_crf_ner.cli import app
from spacy_crf_ner.export.tagger import Tagger


@pytest.fixture
def model(tmp_path):
    nlp = make_trained()
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "model")
    return nlp


def export(tmp_path):
    arguments = ["export", tmp_path / "model", tmp_path / "tagger"]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_tagger_is_written(model, tmp_path):
    result = export(tmp_path)
    assert result.exit_code == 0, result.output
    assert "not exported: sentencizer" in result.output
    names = {path.name for path in (tmp_path / "tagger").iterdir()}
    assert {"model.onnx", "settings.json", "arrays.npz", "tagger.py"} < names
    found = [[ent[:3] for ent in ents] for ents in Tagger(tmp_path / "tagger")(TEXTS)]
    assert found == [ents_of(doc) for doc in model.pipe(TEXTS)]
    assert any(found)


def test_an_error_is_one_line(model, tmp_path):
    (tmp_path / "tagger").mkdir()
    (tmp_path / "tagger" / "mine.txt").touch()
    result = export(tmp_path)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"{tmp_path / 'tagger'}: there is a folder that is not empty. Empty it, or name another."
    ]
