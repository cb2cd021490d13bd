"""Pipelines and corpora that commands are given."""

from pathlib import Path
from typing import List

import spacy
from spacy.language import Language
from spacy.training import Corpus, Example

from .errors import exit_with


def load_recognizer(model: str) -> Language:
    """Load a pipeline that finds entities.

    model (str): Its name or folder.
    RETURNS (Language): The pipeline.
    RAISES: typer.Exit if it cannot be loaded, or finds none.
    """
    try:
        nlp = spacy.load(model)
    # ImportError: it needs a package.
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    if not any("doc.ents" in nlp.get_pipe_meta(name).assigns for name in nlp.pipe_names):
        exit_with(
            f"{model}: the pipeline has nothing that finds entities, such as crf_ner. It has "
            f"{', '.join(nlp.pipe_names) or 'no components'}."
        )
    return nlp


def read_annotated(nlp: Language, path: Path) -> List[Example]:
    """Read a labelled corpus.

    nlp (Language): The pipeline that tokenizes.
    path (Path): A .spacy file.
    RETURNS (List[Example]): The examples.
    RAISES: typer.Exit if it is no such file, or nothing in it is annotated with entities.
    """
    if not path.is_file():
        exit_with(f"{path}: no such file. `python -m spacy crf convert` makes one of a corpus.")
    if path.suffix != ".spacy":
        exit_with(f"{path}: not a .spacy file. `python -m spacy crf convert` makes one of it.")
    try:
        examples = list(Corpus(path)(nlp))
    # Of a damaged file zlib, msgpack and spaCy complain in turn.
    except Exception as error:
        exit_with(f"{path}: cannot be read ({error}). Convert the corpus anew.")
    if not any(eg.reference.has_annotation("ENT_IOB") for eg in examples):
        exit_with(f"{path}: there is no annotation of entities in it.")
    return examples
