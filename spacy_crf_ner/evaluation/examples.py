"""Labelled corpora to evaluate on."""

from collections.abc import Iterable
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from ..util import CorpusError


def read_examples(nlp: Language, path: Path) -> list[Example]:
    """Read a labelled corpus.

    nlp (Language): The pipeline that tokenizes.
    path (Path): A .spacy file.
    RETURNS (list[Example]): The examples.
    RAISES: CorpusError if the file cannot be read, or has no annotation of entities.
    """
    if not path.is_file():
        raise CorpusError(
            "no such file. `python -m spacy crf convert` writes one from a corpus.", path
        )
    if path.suffix != ".spacy":
        raise CorpusError("not a .spacy file. Convert it with `python -m spacy crf convert`.", path)
    try:
        examples = list(Corpus(path)(nlp))
    # zlib, msgpack or spaCy may fail on a damaged file.
    except Exception as error:
        raise CorpusError(f"cannot be read ({error}). Convert the corpus again.", path) from error
    if not any(eg.reference.has_annotation("ENT_IOB") for eg in examples):
        raise CorpusError(
            "it has no annotation of entities in doc.ents. If it has spans, score them with "
            "`python -m spacy evaluate`, and calibrate with `calibrate` in Python.",
            path,
        )
    return examples


def make_examples(nlp: Language, references: Iterable[Doc]) -> list[Example]:
    """Make examples of annotated documents, as spaCy's `Corpus` makes those of a file.

    nlp (Language): The pipeline that tokenizes, unless spaces between the tokens are not known.
    references (Iterable[Doc]): The documents. Empty ones are left out.
    RETURNS (list[Example]): The examples.
    """
    return list(Corpus("").make_examples(nlp, references))
