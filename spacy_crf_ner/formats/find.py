"""Which of a user's files are the corpus, and which set each of them belongs to."""

import re
from pathlib import Path
from typing import NamedTuple

from ..util import CorpusError
from .arrow import is_dataset
from .brat import ANNOTATION, TEXT

_STEMS = {
    "train": "train",
    "dev": "dev",
    "development": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
# Files that commonly lie beside a corpus.
_BESIDE = ("", "readme", "license", "licence", "schema")
_BESIDE_SUFFIXES = (".md", ".conf")
# These are only read if there is nothing else: `convert` may have written them.
_CONVERTED = ".spacy"


class Found(NamedTuple):
    """Files of a corpus.

    sets (dict[str, list[Path]]): The files of each set.
    ignored (list[Path]): The files and folders that aren't used.
    """

    sets: dict[str, list[Path]]
    ignored: list[Path]


def is_source(path: Path) -> bool:
    """Whether a path is a corpus file, or a folder that is one to its tool.

    path (Path): The path.
    RETURNS (bool): Whether it is, rather than a folder of files.
    """
    return not path.is_dir() or is_dataset(path)


def find_files(inputs: list[Path], name: str) -> Found:
    """Find the files of one set: the named files, and those in the named folders.

    inputs (list[Path]): Files and folders.
    name (str): The name of the set.
    RETURNS (Found): The files.
    RAISES: CorpusError if there are none.
    """
    files: list[Path] = []
    ignored: list[Path] = []
    for path in inputs:
        inner = _look_into(path)
        files += inner.sets["all"]
        ignored += inner.ignored
    if not files:
        raise CorpusError("there is no corpus file in it. Check the path.", inputs[0])
    return Found({name: files}, ignored)


def find_sets(inputs: list[Path]) -> Found:
    """Find the files of the training, development and test set by their names.

    A single file is the training set, whatever its name, and so is a folder of brat's files.

    inputs (list[Path]): A folder, or files.
    RETURNS (Found): The files of those of the sets "train", "dev" and "test" that exist.
    RAISES: CorpusError if there is no training set, or two files for one set.
    """
    if is_one_set(inputs):
        return find_files(inputs, "train")
    sets: dict[str, list[Path]] = {}
    ignored: list[Path] = []
    for path in _list_sets(inputs):
        name = _STEMS.get(_stem(path))
        if name is None or not (path.is_dir() or _is_corpus(path)):
            ignored.append(path)
        elif name in sets:
            raise CorpusError(
                f"both this and {sets[name][0]} are named as a {name} set. Rename or remove one, "
                "or convert them to one .spacy file.",
                path,
            )
        else:
            found = find_files([path], name)
            sets[name] = found.sets[name]
            ignored += found.ignored
    if "train" not in sets:
        raise CorpusError(
            "there is no training set. Name the file or the folder train, with any extension, or "
            "convert the file itself instead of its folder.",
            ", ".join(str(path) for path in inputs),
        )
    order = ("train", "dev", "test")
    return Found({name: sets[name] for name in order if name in sets}, sorted(ignored))


def is_one_set(inputs: list[Path]) -> bool:
    """Whether the input is one set of documents: a source, or a folder of brat's files.

    inputs (list[Path]): Files and folders.
    RETURNS (bool): Whether it is.
    """
    if len(inputs) > 1 or is_source(inputs[0]):
        return len(inputs) == 1
    paths = list(inputs[0].iterdir())
    has_annotation = any(path.suffix == ANNOTATION for path in paths)
    return has_annotation and not any(_STEMS.get(_stem(path)) == "train" for path in paths)


def set_names(path: Path) -> list[str]:
    """The sets that the names in a folder tell.

    path (Path): A folder, or a source, which tells none.
    RETURNS (list[str]): Some of "dev", "test" and "train".
    """
    paths = [] if is_source(path) else path.iterdir()
    return sorted({_STEMS[_stem(each)] for each in paths if _stem(each) in _STEMS})


def _list_sets(inputs: list[Path]) -> list[Path]:
    """The files and folders that may be sets: the inputs, or what is in the only folder."""
    if len(inputs) > 1:
        return inputs
    paths = _list_folder(inputs[0])
    if not any(_is_corpus(path) or path.is_dir() for path in paths):
        raise CorpusError("there is no corpus file in it. Check the path.", inputs[0])
    others = [path for path in paths if path.suffix.lower() != _CONVERTED]
    return others if any(_stem(path) in _STEMS for path in others) else paths


def _look_into(path: Path) -> Found:
    """The corpus files of a set, which is a file or a folder of files."""
    if is_source(path):
        return Found({"all": [path]}, [])
    inner = _list_folder(path)
    files = [each for each in inner if _is_corpus(each)]
    if any(each.suffix.lower() != _CONVERTED for each in files):
        files = [each for each in files if each.suffix.lower() != _CONVERTED]
    return Found({"all": files}, [each for each in inner if each not in files])


def _list_folder(folder: Path) -> list[Path]:
    """What is in a folder, without the annotation of a text, which belongs to the text."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix != ANNOTATION or not path.with_suffix(TEXT).is_file()
    ]


def _stem(path: Path) -> str:
    # Up to the first dot, unlike Path.stem: some corpora have names like train.char.bmes.
    # The number of a part is that of `datasets`: train-00000-of-00001.parquet.
    return re.sub(r"-\d+-of-\d+$", "", path.name.split(".")[0].lower())


def _is_corpus(path: Path) -> bool:
    beside = _stem(path) in _BESIDE or path.suffix.lower() in _BESIDE_SUFFIXES
    return path.is_file() and not beside
