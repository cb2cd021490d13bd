"""Calibration of the pipelines that training saves."""

from collections.abc import Callable

from spacy.language import Language
from spacy.util import logger, resolve_dot_names

from ..calibration.calibrate import calibrate

# More would take longer at each evaluation, and hardly be more accurate.
MAX_TOKENS = 15_000


def calibrate_on_dev(
    callback: Callable[[Language], Language] | None = None,
) -> Callable[[Language], Language]:
    """Fit the temperature and the threshold of each `crf_ner` to the corpus that training evaluates
    on, for `training.before_to_disk`. Of a large one, it takes every second document, or every
    third, and so on. `crf calibrate` takes them all.

    callback (Callable[[Language], Language] | None): Another callback, which is called first.
    RETURNS (Callable[[Language], Language]): Changes a pipeline and returns it.
    """

    def change(nlp: Language) -> Language:
        changed = nlp if callback is None else callback(nlp)
        config = changed.config.interpolate()
        (dev,) = resolve_dot_names(config, [config["training"]["dev_corpus"]])
        # This is called at each evaluation, for model-last. The next evaluation is with the
        # threshold that was fitted here, and the loss depends on neither of them.
        examples = list(dev(changed))
        n_tokens = sum(len(eg.predicted) for eg in examples)
        sample = examples[:: n_tokens // MAX_TOKENS + 1]
        for name, calibration in calibrate(changed, sample).items():
            if calibration is None:
                logger.warning(
                    "[%s] The dev corpus has no entities to fit the threshold and the temperature "
                    "to, so they stay as they are.",
                    name,
                )
        return changed

    return change
