"""What the user of `crf init` wants, and whether it is possible."""

import re
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..formats.docbin import UNSPACED_LANGS

_ENCODERS = {"zh": "bert-base-chinese", "en": "bert-base-cased"}
_ENCODER_OF_OTHERS = "bert-base-multilingual-cased"


class Size(str, Enum):
    """How large the network is."""

    small = "small"
    base = "base"
    transformer = "transformer"


class Request(NamedTuple):
    """What the user wants.

    name (str): The name of the corpus, and of the package without its language.
    lang (str): The language code.
    size (Size): How large the network is.
    encoder (str | None): A pretrained encoder, on the hub or a folder; None for the usual one.
    vectors (Path | None): Pretrained vectors: a word2vec text file, or what `spacy init vectors`
        made of one.
    words (Path | None): Words and their vectors: a word2vec text file.
    gazetteer (Path | None): Words and their classes.
    gpu (bool): Whether it is trained on a GPU.
    """

    name: str
    lang: str
    size: Size = Size.base
    encoder: str | None = None
    vectors: Path | None = None
    words: Path | None = None
    gazetteer: Path | None = None
    gpu: bool = False

    @property
    def config(self) -> str:
        """The name of the config that suits the network and the language."""
        if self.size is Size.transformer:
            return "transformer"
        return "bilstm" if self.lang in UNSPACED_LANGS else "bilstm_words"

    @property
    def encoder_path(self) -> str:
        """The name of the encoder, or its folder, wherever the project is run."""
        if self.encoder is None:
            return _ENCODERS.get(self.lang, _ENCODER_OF_OTHERS)
        folder = Path(self.encoder)
        return str(folder.resolve()) if folder.is_dir() else self.encoder

    @property
    def vectors_path(self) -> str | None:
        """The folder of the vectors, from within the project."""
        if self.vectors is None:
            return None
        is_folder = self.vectors.is_dir()
        return str(self.vectors.resolve()) if is_folder else f"vectors/{self.vectors.stem}"

    @property
    def words_path(self) -> str | None:
        """The file of the words' vectors, wherever the project is run."""
        return str(self.words.resolve()) if self.words else None

    @property
    def gazetteer_path(self) -> str | None:
        """The file of the gazetteer, wherever the project is run."""
        return str(self.gazetteer.resolve()) if self.gazetteer else None


def check_request(request: Request) -> None:
    """Check what can be checked before the corpus is read.

    request (Request): What the user wants.
    RAISES: ValueError if something is not possible.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", request.name):
        raise ValueError(
            f"{request.name!r} cannot be the name of a package. Give one with --name: lower-case "
            "letters, digits and underscores, with a letter first."
        )
    if request.encoder and request.size is not Size.transformer:
        raise ValueError(f"--size {request.size.value} has no encoder. Leave out one of them.")
    if request.size is Size.transformer and find_spec("spacy_transformers") is None:
        raise ValueError("An encoder needs `pip install 'spacy-crf-ner[transformers]'`.")
    if request.vectors:
        _check_vectors(request, request.vectors)
    if request.words:
        _check_file(request, request.words, "vectors of words", "--words")
    if request.gazetteer:
        _check_file(request, request.gazetteer, "a gazetteer", "--gazetteer")
    for path in (
        request.encoder_path,
        request.vectors_path,
        request.words_path,
        request.gazetteer_path,
    ):
        if path and re.search(r"\s", path):
            raise ValueError(f"{path}: the path has white space, which commands would split it at.")


def _check_vectors(request: Request, vectors: Path) -> None:
    if request.size is Size.transformer:
        raise ValueError("An encoder needs no vectors. Leave out --vectors.")
    if vectors.is_dir() and not (vectors / "vocab" / "vectors").is_file():
        raise ValueError(
            f"{vectors}: there are no vectors in it. `python -m spacy init vectors` makes such a "
            "folder; a word2vec text file will do as well."
        )
    if not vectors.exists():
        raise ValueError(f"{vectors}: there is no such file or folder. Check the path.")


def _check_file(request: Request, path: Path, content: str, option: str) -> None:
    if request.config != "bilstm":
        raise ValueError(
            f"configs/{request.config}.cfg has no part for {content}. Leave out {option}."
        )
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file. Check the path.")
