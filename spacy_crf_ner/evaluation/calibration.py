"""Whether confidences can be trusted: are 80 % of the entities with confidence 0.8 correct?"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch
from torch import Tensor

from ..pipeline.component import CRFEntityRecognizer, crf_pipes
from ..pipeline.gold import gold_tags
from ..pipeline.loss import negative_log_likelihood
from ..pipeline.partial import possible_tags
from ..tags import MISSING

N_BINS = 10


class Bin(NamedTuple):
    """The entities whose confidence lies between two values.

    low (float): The lowest confidence.
    high (float): The highest confidence.
    count (int): The number of entities.
    confidence (float | None): Their mean confidence; None without entities.
    accuracy (float | None): The share of them that is correct; None without entities.
    """

    low: float
    high: float
    count: int  # type: ignore[assignment]  # hides the method of tuples
    confidence: float | None
    accuracy: float | None


def reliability(confidences: Sequence[float], correct: Sequence[bool]) -> list[Bin]:
    """Sort entities by confidence into ten bins of equal width.

    confidences (Sequence[float]): The confidence of each entity found, from 0 to 1.
    correct (Sequence[bool]): Whether it is correct.
    RETURNS (list[Bin]): The bins, from low to high.
    """
    values, right = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=bool)
    index = np.minimum((values * N_BINS).astype(int), N_BINS - 1)
    bins = []
    for i in range(N_BINS):
        inside = index == i
        count = int(inside.sum())
        means = (
            (float(values[inside].mean()), float(right[inside].mean())) if count else (None,) * 2
        )
        bins.append(Bin(i / N_BINS, (i + 1) / N_BINS, count, *means))
    return bins


def expected_calibration_error(bins: Sequence[Bin]) -> float | None:
    """The mean distance between confidence and accuracy (Naeini et al. 2015; Guo et al. 2017).

    bins (Sequence[Bin]): The bins that `reliability` returned.
    RETURNS (float | None): From 0, perfect, to 1; None without any entity.
    """
    total = sum(b.count for b in bins)
    if not total:
        return None
    # A bin that has entities has both values.
    distances = (
        b.count * abs(cast(float, b.confidence) - cast(float, b.accuracy)) for b in bins if b.count
    )
    return sum(distances) / total


def fit_temperature(pipe: CRFEntityRecognizer, examples: Iterable[Example]) -> float:
    """Find the temperature at which the gold annotation is most probable under a component.

    pipe (CRFEntityRecognizer): The component; it is not changed.
    examples (Iterable[Example]): Examples that it was not trained on.
    RETURNS (float): The temperature; above 1 for a component that is overconfident.
    RAISES: ValueError if there is no annotation to fit it to.
    """
    batches = []
    for batch in minibatch((eg for eg in examples if len(eg.predicted)), 64):
        tags = np.concatenate([gold_tags(eg, pipe.tag_set) for eg in pipe.gold_examples(batch)])
        if (tags != MISSING).any():
            potentials = pipe.potentials([eg.predicted for eg in batch])
            batches.append((potentials, possible_tags(batch, tags, pipe.tag_set)))
    if not batches:
        raise ValueError("There is no annotation to fit the temperature to.")
    log_temperature = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], line_search_fn="strong_wolfe")
    n_tokens = sum(len(possible) for _, possible in batches)

    def loss() -> Tensor:
        optimizer.zero_grad()
        temperature = log_temperature.exp()
        losses = [
            negative_log_likelihood(
                potentials.map(lambda x: x / temperature.to(x)), possible, pipe.tag_set
            ).sum()
            for potentials, possible in batches
        ]
        total = torch.stack(losses).sum().cpu() / n_tokens
        total.backward()
        return total

    optimizer.step(loss)
    return pipe.temperature * log_temperature.exp().item()


def calibrate(nlp: Language, examples: Sequence[Example]) -> dict[str, float]:
    """Set the temperature of each `crf_ner` of a pipeline to the one that fits a corpus best.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): Examples that it was not trained on; the predicted documents are
        replaced.
    RETURNS (dict[str, float]): The temperatures by component.
    RAISES: ValueError if there is no `crf_ner`, or no annotation to fit a temperature to.
    """
    pipes = crf_pipes(nlp)
    if not pipes:
        raise ValueError("The pipeline has no crf_ner.")
    for name, pipe in pipes.items():
        pipe.temperature = fit_temperature(pipe, _as_seen_by(name, nlp, examples))
    return {name: pipe.temperature for name, pipe in pipes.items()}


def plot_reliability(bins: Sequence[Bin], path: Path) -> None:
    """Draw a reliability diagram: accuracy by confidence, and the number of entities.

    bins (Sequence[Bin]): The bins that `reliability` returned.
    path (Path): The image file to write. Its extension sets the format.
    RAISES: ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 6), layout="constrained")
    top, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    width = 1 / N_BINS
    filled = [b for b in bins if b.count]
    top.bar([b.low for b in filled], [b.accuracy for b in filled], width, align="edge", ec="white")
    top.plot([0, 1], [0, 1], "--", color="gray", label="perfect")
    top.plot([b.confidence for b in filled], [b.accuracy for b in filled], "o", color="black")
    top.set(ylabel="share of entities that are correct", ylim=(0, 1))
    top.set_title(f"expected calibration error {expected_calibration_error(bins) or 0:.3f}")
    top.legend()
    below.bar([b.low for b in bins], [b.count for b in bins], width, align="edge", ec="white")
    below.set(xlabel="confidence", ylabel="entities", xlim=(0, 1))
    figure.savefig(path, dpi=120)


def _as_seen_by(name: str, nlp: Language, examples: Sequence[Example]) -> Iterator[Example]:
    """The examples after the components before this one, such as a transformer, have run."""
    with nlp.select_pipes(enable=nlp.pipe_names[: nlp.pipe_names.index(name)]):
        for eg, doc in zip(examples, nlp.pipe(eg.predicted for eg in examples)):
            eg.predicted = doc
            yield eg
