"""Removal of data that a pipeline's vocab does not need after initialization."""

from collections.abc import Callable

from spacy.language import Language
from spacy.vectors import Vectors

from ..lexicon import clear_lexicon


def clear_vocab() -> Callable[[Language], Language]:
    """Remove the vectors and the lexicon from a pipeline's vocab, for `initialize.after_init`.

    The layers have what they need, and a saved pipeline would contain them twice. Do not use this
    if something else needs the vocab's vectors, such as `doc.similarity`.

    RETURNS (Callable[[Language], Language]): Changes a pipeline and returns it.
    """

    def clear(nlp: Language) -> Language:
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings)
        clear_lexicon(nlp.vocab)
        return nlp

    return clear
