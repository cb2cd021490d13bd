"""Whether one model is better than another, or only luckier with the documents."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .intervals import Counts, Interval, bootstrap, interval, macro_f1, micro_f1

# The permutations that are computed at once, so that those of many documents fit into memory.
BATCH = 100


class Difference(NamedTuple):
    """How much higher the F1 of one model is than that of another.

    value (float): The difference; below 0 if it is lower.
    interval (Interval): Its confidence interval.
    p_value (float): How probable a difference of at least this size would be, either way, if the
        models were equally good.
    """

    value: float
    interval: Interval
    p_value: float


class Comparison(NamedTuple):
    """How two models differ.

    micro (Difference): The difference of F1 over all entities.
    macro (Difference): The difference of the mean F1 of the labels.
    """

    micro: Difference
    macro: Difference


def compare(
    first: Counts,
    second: Counts,
    *,
    n_samples: int = 1000,
    n_permutations: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two models by their entities in the same documents.

    The interval is that of a paired bootstrap: each draw of documents is the same for both models.
    The test is approximate randomization (Yeh 2000, "More accurate tests for the statistical
    significance of result differences"): if the models are equally good, it does not matter which
    of the two a document's prediction is from. So the predictions of random documents are swapped,
    and the p-value is the share of such permutations with at least the difference that was found,
    the identity included: (1 + count) / (1 + permutations).

    first (Counts): What `count_entities` returned for the first model.
    second (Counts): The same for the second, in the same documents.
    n_samples (int): The number of draws.
    n_permutations (int): The number of permutations.
    level (float): The probability that the interval covers, such as 0.95.
    seed (int): The seed of the draws and the permutations.
    RETURNS (Comparison): The differences, above 0 if the first model is better.
    RAISES: ValueError if the documents are not the same, or there are no entities.
    """
    labels = sorted({*first.labels, *second.labels})
    if not labels:
        raise ValueError("No entities are annotated or predicted, so there is nothing to compare.")
    values = [_with_labels(counts, labels) for counts in (first, second)]
    if not np.array_equal(values[0][..., 2], values[1][..., 2]):
        raise ValueError("The gold entities differ. Compare models on the same documents.")
    draws = [bootstrap(each, n_samples, seed) for each in values]
    permutations = _permute(values[0], values[1], n_permutations, seed)

    def difference(score: Callable[[np.ndarray], np.ndarray]) -> Difference:
        found = float(score(values[0].sum(axis=0)) - score(values[1].sum(axis=0)))
        permuted = score(permutations[0]) - score(permutations[1])
        # Permutations that only differ in rounding are as good.
        count = int((np.abs(permuted) >= abs(found) - 1e-12).sum())
        bounds = interval(score(draws[0]) - score(draws[1]), level)
        return Difference(found, bounds, (1 + count) / (1 + n_permutations))

    return Comparison(difference(micro_f1), difference(macro_f1))


def _with_labels(counts: Counts, labels: list[str]) -> np.ndarray:
    values = np.zeros((len(counts.values), len(labels), 3))
    values[:, [labels.index(label) for label in counts.labels]] = counts.values
    return values


def _permute(
    first: np.ndarray, second: np.ndarray, n_permutations: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The counts of two models after swapping random documents, each (permutations, labels, 3)."""
    rng = np.random.default_rng(seed)
    moved = (second - first).reshape(len(first), -1)
    # Swapping documents with the same counts changes nothing.
    moved = moved[moved.any(axis=1)]
    sizes = [min(BATCH, n_permutations - done) for done in range(0, n_permutations, BATCH)]
    gains = np.concatenate([rng.integers(2, size=(size, len(moved))) @ moved for size in sizes])
    gains = gains.reshape(n_permutations, *first.shape[1:])
    return first.sum(axis=0) + gains, second.sum(axis=0) - gains
