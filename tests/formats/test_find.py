"""Tests of which files are the corpus."""

import pytest

from spacy_crf_ner.formats.find import find_files, find_sets, is_one_set, set_names
from spacy_crf_ner.util import CorpusError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names_of(found):
    sets = {name: [path.name for path in paths] for name, paths in found.sets.items()}
    return sets, [path.name for path in found.ignored]


def test_an_annotation_file_belongs_to_its_text(tmp_path):
    touch(tmp_path, "b.txt", "b.ann", "a.txt", "a.ann", "c.txt", "alone.ann", "x.json")
    found = names_of(find_files([tmp_path], "all"))
    assert found == ({"all": ["a.txt", "alone.ann", "b.txt", "c.txt", "x.json"]}, [])


def test_what_brat_has_beside_the_texts_is_ignored(tmp_path):
    touch(tmp_path, "a.txt", "a.ann", "annotation.conf", "visual.conf", ".stats_cache", "sub/b.txt")
    sets, ignored = names_of(find_files([tmp_path], "all"))
    assert sets == {"all": ["a.txt"]}
    assert ignored == [".stats_cache", "annotation.conf", "sub", "visual.conf"]


def test_a_set_may_be_a_folder_of_pairs(tmp_path):
    touch(tmp_path, "train/a.txt", "train/a.ann", "dev/b.txt", "dev/b.ann", "annotation.conf")
    assert not is_one_set([tmp_path])
    found = names_of(find_sets([tmp_path]))
    assert found == ({"train": ["a.txt"], "dev": ["b.txt"]}, ["annotation.conf"])


def test_a_folder_of_pairs_is_the_training_set(tmp_path):
    touch(tmp_path, "a.txt", "a.ann", "dev.txt", "dev.ann", "tools.conf")
    assert is_one_set([tmp_path])
    assert names_of(find_sets([tmp_path])) == ({"train": ["a.txt", "dev.txt"]}, ["tools.conf"])


def test_pairs_may_be_named_as_sets(tmp_path):
    touch(tmp_path, "train.txt", "train.ann", "test.txt", "test.ann", "other.ann")
    assert not is_one_set([tmp_path])
    found = names_of(find_sets([tmp_path]))
    assert found == ({"train": ["train.txt"], "test": ["test.txt"]}, ["other.ann"])


@pytest.mark.parametrize("name", ["a.txt", "a.ann", "none"])
def test_a_file_is_one_set_and_two_are_not(tmp_path, name):
    touch(tmp_path, "a.txt", "a.ann")
    assert is_one_set([tmp_path / name])
    assert find_sets([tmp_path / name]).sets == {"train": [tmp_path / name]}
    assert not is_one_set([tmp_path / name, tmp_path / "a.txt"])


def test_texts_without_annotation_files_are_no_set(tmp_path):
    touch(tmp_path, "a.txt", "b.txt")
    with pytest.raises(CorpusError, match="there is no training set"):
        find_sets([tmp_path])


def test_the_names_of_sets(tmp_path):
    touch(tmp_path, "train.json", "valid.bio", "dev/a.bio", "other.json", "README.md")
    assert set_names(tmp_path) == ["dev", "train"]
    assert set_names(tmp_path / "train.json") == []
