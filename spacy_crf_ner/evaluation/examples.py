"""Labelled corpora to evaluate on."""

from pathlib import Path

from spacy.language import Language
from spacy.training import Corpus, Example

from ..util import CorpusError


def read_examples(nlp: Language, path: Path) -> list[Example]:
    """Read a labelled corpus.

    nlp (Language): The pipeline that tokenizes.
    path (Path): A .spacy file.
    RETURNS (list[Example]): The examples.
    RAISES: CorpusError if it is no such file, or nothing in it is annotated with entities.
    """
    if not path.is_file():
        raise CorpusError(
            "no such file. `python -m spacy crf convert` makes one of a corpus.", path
        )
    if path.suffix != ".spacy":
        raise CorpusError("not a .spacy file. `python -m spacy crf convert` makes one of it.", path)
    try:
        examples = list(Corpus(path)(nlp))
    # A damaged file makes zlib, msgpack or spaCy complain.
    except Exception as error:
        raise CorpusError(f"cannot be read ({error}). Convert the corpus again.", path) from error
    if not any(eg.reference.has_annotation("ENT_IOB") for eg in examples):
        raise CorpusError("there is no annotation of entities in it.", path)
    return examples
