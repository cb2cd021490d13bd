"""Calibration of the `crf_ner` components of a pipeline."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from ..pipeline.component import CRFEntityRecognizer, crf_pipes
from .gold import read_batches
from .temperature import fit_temperature
from .threshold import fit_threshold


class Calibration(NamedTuple):
    """What was fitted to a corpus.

    temperature (float): The temperature.
    threshold (float | None): The threshold; None if the component has none.
    expected_f1 (float): The F1 that the probabilities let expect.
    f1 (float): The F1 on the corpus, of the same entities.
    """

    temperature: float
    threshold: float | None
    expected_f1: float
    f1: float


def calibrate(nlp: Language, examples: Sequence[Example]) -> dict[str, Calibration | None]:
    """Fit the temperature and the threshold of each `crf_ner` of a pipeline to a corpus.

    The temperature is saved with the component, the threshold in the pipeline's config. A component
    with the decoding "viterbi" that has no threshold does not get one.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): Examples that it was not trained on; the predicted documents are
        replaced.
    RETURNS (dict[str, Calibration | None]): What was fitted, by component; None where there is no
        gold entity to fit to. Such a component stays as it was.
    RAISES: ValueError for a gold label that a component does not have.
    """
    fitted = {}
    for name, pipe in crf_pipes(nlp).items():
        batches = minibatch(_as_seen_by(name, nlp, examples), nlp.batch_size)
        calibration = fitted[name] = fit(pipe, batches)
        if calibration is not None:
            set_calibration(nlp, name, calibration.temperature, calibration.threshold)
    return fitted


def fit(pipe: CRFEntityRecognizer, batches: Iterable[Sequence[Example]]) -> Calibration | None:
    """Fit the temperature and the threshold of a component to a corpus.

    pipe (CRFEntityRecognizer): The component; it is not changed.
    batches (Iterable[Sequence[Example]]): Examples that it was not trained on, as the component
        sees them.
    RETURNS (Calibration | None): What was fitted; None if there is no gold entity.
    RAISES: ValueError for a gold label that the component does not have.
    """
    read = list(read_batches(pipe, batches))
    if not any(gold for batch in read for gold in batch.gold):
        return None
    # Rounded, because they are to be read, and more digits do not matter.
    temperature = round(fit_temperature(read, pipe.tag_set), 3)
    threshold, *f1 = fit_threshold(read, pipe.tag_set, pipe.decoding, temperature)
    has_threshold = pipe.decoding == "entities" or pipe.threshold > 0
    return Calibration(temperature, round(threshold, 3) if has_threshold else None, *f1)


def set_calibration(nlp: Language, name: str, temperature: float, threshold: float | None) -> None:
    """Set the temperature and the threshold of a component, and what the pipeline's config says.

    nlp (Language): The pipeline.
    name (str): The component's name.
    temperature (float): The temperature.
    threshold (float | None): The threshold; None to leave it as it is.
    """
    pipe = crf_pipes(nlp)[name]
    pipe.temperature = temperature
    if threshold is not None:
        pipe.threshold = nlp.get_pipe_config(name)["threshold"] = threshold


def _as_seen_by(name: str, nlp: Language, examples: Sequence[Example]) -> Iterator[Example]:
    """The examples with tokens, after the components before this one, such as a transformer, have
    run."""
    with nlp.select_pipes(enable=nlp.pipe_names[: nlp.pipe_names.index(name)]):
        for eg, doc in zip(examples, nlp.pipe(eg.predicted for eg in examples)):
            eg.predicted = doc
            if len(doc):
                yield eg
