"""What lets one config be for all languages, and for all of spaCy's commands."""

from typing import Callable

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry

Tokenizer = Callable[[str], Doc]


def language_tokenizer() -> Callable[[Language], Tokenizer]:
    """The tokenizer that a pipeline's language has by default. A config without any is not complete
    for some of spaCy's commands, and one that names a language's own is for that language only.

    RETURNS (Callable[[Language], Tokenizer]): Makes the tokenizer, for `nlp.tokenizer` in a config.
    """

    def make(nlp: Language) -> Tokenizer:
        config = {"tokenizer": nlp.default_config["nlp"]["tokenizer"]}
        return registry.resolve(config)["tokenizer"](nlp)

    return make


def resolve_optimizer() -> Callable[[Language], Language]:
    """Put values in place of the variables in a pipeline's [training.optimizer], for
    `nlp.after_pipeline_creation`. `nlp.create_optimizer`, and so `nlp.resume_training`, resolves
    that section without the rest of the config, and does not know `${training.max_steps}`.

    RETURNS (Callable[[Language], Language]): Changes the config of a pipeline and returns it.
    """

    def resolve(nlp: Language) -> Language:
        training = nlp.config["training"]
        training["optimizer"] = nlp.config.interpolate()["training"]["optimizer"]
        return nlp

    return resolve
