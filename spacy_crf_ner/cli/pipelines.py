"""Loading of the pipelines that commands are given."""

from typing import Any

import spacy
from spacy.language import Language

from ..pipeline.component import crf_pipes
from .errors import exit_with
from .faults import explain_loading


def load_pipeline(model: str, config: dict[str, Any] | None = None) -> Language:
    """Load a pipeline.

    model (str): Its name or folder.
    config (dict[str, Any] | None): Settings to change.
    RETURNS (Language): The pipeline.
    RAISES: typer.Exit if it cannot be loaded.
    """
    try:
        return spacy.load(model, config=config or {})
    # Damaged files raise errors of all kinds.
    except Exception as error:
        exit_with(explain_loading(model, error, is_changed=bool(config)))


def load_recognizer(model: str) -> Language:
    """Load a pipeline that finds entities.

    model (str): Its name or folder.
    RETURNS (Language): The pipeline.
    RAISES: typer.Exit if it cannot be loaded, or does not set `doc.ents`.
    """
    nlp = load_pipeline(model)
    only_spans = {name for name, pipe in crf_pipes(nlp).items() if not pipe.annotate_ents}
    others = [name for name in nlp.pipe_names if name not in only_spans]
    if not any("doc.ents" in nlp.get_pipe_meta(name).assigns for name in others):
        if only_spans:
            exit_with(
                f"{model}: the pipeline sets doc.spans, but not doc.ents, which this command is "
                "about. Use `python -m spacy evaluate`, or Python."
            )
        exit_with(
            f"{model}: the pipeline has nothing that finds entities, such as crf_ner. It has "
            f"{', '.join(nlp.pipe_names) or 'no components'}."
        )
    return nlp
