"""Initial vectors of characters or words for a tok2vec: from the input embeddings of a pretrained
encoder, from a package, or trained on raw texts."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import spacy

from ..formats.source import Source
from ..formats.text import read_texts
from ..util import CorpusError, replacing
from .packaged_vectors import PACKAGES

# Settings of word2vec. Rare characters are worth a vector, so two occurrences are enough.
WINDOW = 5
MIN_COUNT = 2
EPOCHS = 10
# The longest sequence that gensim accepts. It silently cuts off the rest.
_MAX_LENGTH = 10_000
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")

Progress = Callable[[Iterable, str], Iterable]


def from_encoder(name_or_path: str, width: int) -> tuple[list[str], np.ndarray]:
    """Make vectors of the characters in a HuggingFace encoder's vocabulary: their input embeddings,
    reduced to the principal components.

    The encoder is loaded from safetensors only, and it is not run.

    A character may have several pieces: "中" at the beginning of a word and "##中" within one, or
    "▁中" and "中". The piece without a mark is taken, as tokenizers do in Chinese text.

    name_or_path (str): Name on the hub, or a local folder.
    width (int): The number of components.
    RETURNS (tuple[list[str], np.ndarray]): The characters in the order of the vocabulary, and a row
        for each. Shape: (characters, width).
    RAISES: ImportError without transformers, OSError if there is no such encoder or no safetensors,
        ValueError if the embeddings do not have that many components.
    """
    if not Path(name_or_path).is_dir() and not _HUB_NAME.fullmatch(name_or_path):
        raise OSError(f"{name_or_path}: there is no such folder. Check the path.")
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise ImportError(
            "Vectors of an encoder need transformers: pip install 'spacy-crf-ner[transformers]'."
        ) from None
    characters = _find_characters(AutoTokenizer.from_pretrained(name_or_path))
    # All other formats of weights are pickles, which can run any code.
    model = AutoModel.from_pretrained(name_or_path, use_safetensors=True)
    embeddings = model.get_input_embeddings().weight.detach().numpy()
    rows = _reduce(embeddings[list(characters.values())], width, name_or_path)
    return list(characters), _scale(rows)


def from_package(name: str, width: int | None = None) -> tuple[list[str], np.ndarray]:
    """Read the vectors that a package on PyPI has. The package must be installed.

    name (str): One of `PACKAGES`.
    width (int | None): The number of principal components to keep; None for the vectors as they
        are.
    RETURNS (tuple[list[str], np.ndarray]): The tokens, and a row for each. Shape: (tokens, width).
    RAISES: ImportError if it is not installed, ValueError if the vectors do not have that many
        components.
    """
    tokens, rows = PACKAGES[name]()
    return tokens, _scale(rows if width is None else _reduce(rows, width, name))


def from_text(
    path: Path,
    width: int,
    *,
    lang: str = "zh",
    seed: int = 0,
    progress: Progress = lambda items, _: items,
) -> tuple[list[str], np.ndarray]:
    """Train vectors on raw texts, by word2vec's skip-gram with negative sampling.

    The tokens are those of spaCy's tokenizer for the language. In Chinese they are characters.

    path (Path): One text per line, or JSON lines with a "text".
    width (int): The width of the vectors.
    lang (str): The language code.
    seed (int): The seed. The same seed gives the same vectors.
    progress (Callable[[Iterable, str], Iterable]): Given texts and what is being done with them,
        shows progress over them.
    RETURNS (tuple[list[str], np.ndarray]): The tokens, the most frequent first, and a row for each.
        Shape: (tokens, width).
    RAISES: ImportError without gensim or for an unknown language, CorpusError if the file cannot be
        read or has too little text.
    """
    try:
        from gensim.models import Word2Vec
    except ImportError:
        raise ImportError(
            "Vectors of texts need gensim: pip install 'spacy-crf-ner[vectors]'."
        ) from None
    tokenizer = spacy.blank(lang).tokenizer
    texts = list(read_texts(Source.open(path)))
    sentences = [tokens for text in progress(texts, "tokenize") for tokens in _cut(tokenizer(text))]
    epochs = _Epochs(sentences, progress)
    # More workers would make the result depend on their timing.
    model = Word2Vec(
        vector_size=width,
        sg=1,
        window=WINDOW,
        min_count=MIN_COUNT,
        epochs=EPOCHS,
        seed=seed,
        workers=1,
    )
    model.build_vocab(epochs)
    if len(model.wv) < 2:
        raise CorpusError(
            f"fewer than two tokens occur {MIN_COUNT} times. Vectors need more text.", path
        )
    model.train(epochs, total_examples=model.corpus_count, epochs=model.epochs)
    return model.wv.index_to_key, _scale(model.wv.vectors)


def write_vectors(path: Path, tokens: Sequence[str], array: np.ndarray) -> None:
    """Write vectors in the text format of word2vec, which `python -m spacy init vectors` reads.

    path (Path): The file.
    tokens (Sequence[str]): The tokens.
    array (np.ndarray): Their vectors. Shape: (tokens, width).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("w", encoding="utf8", newline="\n") as file:
        file.write(f"{len(tokens)} {array.shape[1]}\n")
        for token, row in zip(tokens, array.tolist()):
            file.write(f"{token} {' '.join(f'{value:.4f}' for value in row)}\n")


class _Epochs:
    """Sentences that show progress each time they are iterated over.

    sentences (list[list[str]]): The sentences.
    progress (Callable[[Iterable, str], Iterable]): Shows the progress.
    """

    def __init__(self, sentences: list[list[str]], progress: Progress) -> None:
        self.sentences = sentences
        self.progress = progress
        self.n = 0

    def __iter__(self) -> Iterator[list[str]]:
        self.n += 1
        # One more than EPOCHS, because the first pass counts the tokens.
        return iter(self.progress(self.sentences, f"pass {self.n} of {EPOCHS + 1}"))


def _find_characters(tokenizer: Any) -> dict[str, int]:
    """Find the pieces that are single characters.

    tokenizer (transformers.PreTrainedTokenizerBase): The tokenizer.
    RETURNS (dict[str, int]): The id of each character's piece, in order of ids.
    """
    special = set(tokenizer.all_special_ids)
    found: dict[str, int] = {}
    # The piece without a mark is the shortest; it comes first.
    for piece, i in sorted(tokenizer.get_vocab().items(), key=lambda item: (len(item[0]), item[1])):
        # The tokenizer knows its marks, and in byte-level vocabularies the bytes of the piece. It
        # leaves only the mark of continued words, "##".
        text = tokenizer.convert_tokens_to_string([piece]).strip()
        text = text.removeprefix("##") or text
        # U+FFFD: bytes that are not a whole character.
        if len(text) == 1 and _is_writable(text) and text != "\ufffd" and i not in special:
            found.setdefault(text, i)
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _cut(tokens: Iterable[Any]) -> Iterator[list[str]]:
    # Interned, because texts have many tokens, but few different ones.
    words = [sys.intern(token.text) for token in tokens if _is_writable(token.text)]
    for start in range(0, len(words), _MAX_LENGTH):
        yield words[start : start + _MAX_LENGTH]


def _is_writable(token: str) -> bool:
    # White space would end the token or the line. Except for the space it is not printable, like
    # control and format characters.
    return token.isprintable() and " " not in token


def _reduce(rows: np.ndarray, width: int, source: str) -> np.ndarray:
    """The principal components of rows."""
    # Centring removes a dimension.
    limit = max(min(len(rows) - 1, rows.shape[1]), 0)
    if width > limit:
        raise ValueError(
            f"{source}: {len(rows):,} tokens with vectors of width {rows.shape[1]} have fewer than "
            f"{width} principal components. Choose a width of at most {limit}."
        )
    return _principal_components(rows.astype("f8"), width)


def _principal_components(rows: np.ndarray, width: int) -> np.ndarray:
    centred = rows - rows.mean(axis=0)
    # The eigenvectors of the covariance, the largest last, are the right singular vectors. The
    # covariance is only as large as the embeddings are wide.
    _, vectors = np.linalg.eigh(centred.T @ centred)
    vectors = vectors[:, ::-1][:, :width]
    # The sign of each is arbitrary. Here, its largest entry is made positive.
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(width)]
    return centred @ (vectors * np.sign(largest))


def _scale(array: np.ndarray) -> np.ndarray:
    # To unit standard deviation, like a randomly initialized embedding table.
    return array / array.std()
