"""The `crf_ner` of a pipeline, and what runs before it."""

from collections.abc import Sequence

from spacy.language import Language
from spacy.tokens import Doc

from .component import CRFEntityRecognizer, crf_pipes


def recognizer_of(nlp: Language, whose: str) -> CRFEntityRecognizer:
    """The only `crf_ner` of a pipeline.

    nlp (Language): The pipeline.
    whose (str): What to call the pipeline in the error.
    RETURNS (CRFEntityRecognizer): The component.
    RAISES: ValueError if there is none, or more than one.
    """
    pipes = crf_pipes(nlp)
    if len(pipes) != 1:
        raise ValueError(
            f"{whose} must have one crf_ner in its pipeline, but has {len(pipes)}: "
            f"{', '.join(nlp.pipe_names) or 'it is empty'}."
        )
    return next(iter(pipes.values()))


def run_before_recognizer(nlp: Language, docs: Sequence[Doc]) -> list[Doc]:
    """Copy documents and run the components before the `crf_ner`, such as a transformer.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): The documents.
    RETURNS (list[Doc]): The copies, with the same tokens.
    """
    copies = [
        Doc(nlp.vocab, [token.text for token in doc], [bool(t.whitespace_) for t in doc])
        for doc in docs
    ]
    names = nlp.pipe_names
    with nlp.select_pipes(disable=names[names.index(recognizer_of(nlp, "A pipeline").name) :]):
        return list(nlp.pipe(copies))
