"""Loading of the pipelines that commands are given."""

import spacy
from spacy.language import Language

from .errors import exit_with


def load_recognizer(model: str) -> Language:
    """Load a pipeline that finds entities.

    model (str): Its name or folder.
    RETURNS (Language): The pipeline.
    RAISES: typer.Exit if it cannot be loaded, or does not find entities.
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
