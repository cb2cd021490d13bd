"""Tests of writing folders, all or none."""

import os
from dataclasses import replace

import pytest
import spacy

from spacy_crf_ner.formats.docbin import FORMAT as DOCBIN
from spacy_crf_ner.formats.write import write_files
from spacy_crf_ner.util import CorpusError, replacing

DOC = spacy.blank("en")("Oslo")


def write_folder(path, docs, predictions=None):
    path.mkdir()
    for number, doc in enumerate(docs):
        (path / str(number)).write_text(doc.text)


FOLDER = replace(DOCBIN, suffix="", write=write_folder)


def failing():
    yield DOC
    raise KeyboardInterrupt


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_is_written(tmp_path, exists):
    if exists:
        (tmp_path / "new").mkdir()
    write_files({tmp_path / "new": [DOC, DOC]}, FOLDER)
    assert os.listdir(tmp_path) == ["new"]
    assert sorted(os.listdir(tmp_path / "new")) == ["0", "1"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_leaves_no_part_of_a_folder(tmp_path, exists):
    if exists:
        (tmp_path / "b").mkdir()
    with pytest.raises(KeyboardInterrupt):
        write_files({tmp_path / "a": [DOC], tmp_path / "b": failing()}, FOLDER)
    assert os.listdir(tmp_path) == ["b"] * exists
    assert not exists or not os.listdir(tmp_path / "b")


@pytest.mark.parametrize("format", [FOLDER, DOCBIN])
def test_a_folder_with_something_in_it_is_an_error_before_anything_is_read(tmp_path, format):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine").write_text("old")
    with pytest.raises(CorpusError, match=r"a: there is a folder that is not empty\. Empty it, or"):
        write_files({tmp_path / "a": failing()}, format)
    assert (tmp_path / "a" / "mine").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_does_not_replace_a_file(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="tmp"), replacing(tmp_path / "a") as path:
        write_folder(path, [DOC])
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]
