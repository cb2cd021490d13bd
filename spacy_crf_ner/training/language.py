"""What lets one config be for all languages, and for all of spaCy's commands."""

from collections.abc import Callable
from functools import partial

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Optimizer

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
    """Have a pipeline make its optimizer of its whole config, for `nlp.after_pipeline_creation`.
    spaCy resolves [training.optimizer] without the rest, where `${training.max_steps}` is unknown,
    in `nlp.create_optimizer`, and so in `nlp.resume_training` and `nlp.update`. `spacy train` does
    not call it.

    RETURNS (Callable[[Language], Language]): Changes a pipeline and returns it.
    """

    def resolve(nlp: Language) -> Language:
        nlp.create_optimizer = partial(_create_optimizer, nlp)  # type: ignore[method-assign]
        return nlp

    return resolve


def _create_optimizer(nlp: Language) -> Optimizer:
    config = nlp.config.interpolate()["training"]["optimizer"]
    optimizer = registry.resolve({"optimizer": config})["optimizer"]
    if not optimizer.learn_rate:
        # The first rate of a warm-up. Nothing steps on schedules but `spacy train`, and so nothing
        # would ever be learned.
        optimizer.learn_rate = config["learn_rate"]["initial_rate"]
    return optimizer
