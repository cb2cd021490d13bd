"""Disks that are full or cannot be written to, and .spacy files that are incomplete."""

import errno
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_model_from_config
from typer.testing import CliRunner
from util import make_examples, make_nlp, make_trained

from spacy_crf_ner.cli import app
from spacy_crf_ner.util import naming, replacing

resource = pytest.importorskip("resource", reason="limits the size of files, not on Windows")


@contextmanager
def full_disk():
    """No file can grow beyond a few bytes, whoever writes it: the system says EFBIG, where a full
    disk would say ENOSPC. Not a fixture, or else pytest could not write to its own log."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "train.spacy"
    DocBin(docs=[eg.reference for eg in make_examples(spacy.blank("zh"))]).to_disk(path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    make_trained().to_disk(path)
    return path


def run(command, *arguments):
    """A command that must fail with one line, which is returned."""
    result = CliRunner().invoke(app, [command, *map(str, arguments)])
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.strip().splitlines()
    return line


def test_a_write_that_fails_names_the_file(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("as before", encoding="utf8")
    with full_disk(), pytest.raises(OSError, match=f"{path}") as caught:
        with replacing(path) as temporary:
            temporary.write_text("x" * 100, encoding="utf8")
    assert caught.value.errno == errno.EFBIG
    assert os.listdir(tmp_path) == ["out.txt"]
    assert path.read_text(encoding="utf8") == "as before"


def test_a_file_that_is_named_already_keeps_its_name(tmp_path):
    with pytest.raises(OSError, match="first"), naming(tmp_path / "second"):
        raise OSError(errno.EACCES, "Permission denied", "first")


def test_the_commands_name_the_file(corpus, model, tmp_path):
    output, scores = tmp_path / "out.spacy", tmp_path / "scores.json"
    fix = "File too large. Free some space, or write to another disk."
    with full_disk():
        converted = run("convert", corpus, output)
        evaluated = run("evaluate", model, corpus, "--output", scores)
        calibrated = run("calibrate", model, corpus, tmp_path / "new")
    assert converted == f"{output}: {fix}"
    assert evaluated.startswith(f"{scores}: ")
    assert calibrated.endswith(fix)
    assert not list(tmp_path.glob("*.spacy*")) + list(tmp_path.glob("*.json*"))


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_to(code, corpus, tmp_path, monkeypatch):
    """Simulated, since root may write anywhere."""
    output = tmp_path / "out.spacy"
    write = Path.open

    def refuse(path, mode="r", *args, **kwargs):
        if "w" in mode and path.parent == tmp_path:
            raise OSError(code, os.strerror(code), str(output))
        return write(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    line = run("convert", corpus, output)
    assert line == (
        f"{output}: {os.strerror(code)}. Check its permissions, or choose another folder."
    )


def test_other_errors_are_bugs_and_keep_their_traceback(corpus, model, monkeypatch):
    monkeypatch.setattr("spacy_crf_ner.cli.evaluate.evaluate", lambda *_: os.close(-1))
    result = CliRunner().invoke(app, ["evaluate", str(model), str(corpus)])
    assert isinstance(result.exception, OSError)


# A .spacy file that is incomplete.


@pytest.fixture
def incomplete(corpus, tmp_path):
    path = tmp_path / "incomplete.spacy"
    data = corpus.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def test_commands_name_an_incomplete_spacy_file(incomplete, model, tmp_path):
    for line in (
        run("convert", incomplete, tmp_path / "out.spacy"),
        run("evaluate", model, incomplete),
        run("calibrate", model, incomplete, tmp_path / "new"),
        run("card", model, incomplete),
        run("update", model, incomplete, tmp_path / "new"),
    ):
        assert line.startswith(f"{incomplete}: ")


def test_training_names_an_incomplete_spacy_file(incomplete):
    config = load_model_from_config(make_nlp().config, auto_fill=True).config
    config["paths"].update(train=str(incomplete), dev=str(incomplete))
    with pytest.raises(ValueError, match=r"incomplete\.spacy cannot be read: .*Convert the corpus"):
        init_nlp(config)
