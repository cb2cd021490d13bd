"""What a pipeline's vocab need not keep."""

from collections.abc import Callable

from spacy.language import Language
from spacy.vectors import Vectors

from ..lexicon import clear_lexicon


def clear_vocab() -> Callable[[Language], Language]:
    """Take the vectors and the lexicon out of a pipeline's vocab, for `initialize.after_init`: the
    layers have what they need of them, and a saved pipeline would have them twice. Not for
    pipelines in which something else asks the vocab for vectors, such as `doc.similarity`.

    RETURNS (Callable[[Language], Language]): Changes a pipeline and returns it.
    """

    def clear(nlp: Language) -> Language:
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings)
        clear_lexicon(nlp.vocab)
        return nlp

    return clear
