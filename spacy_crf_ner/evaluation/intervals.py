"""Confidence intervals of F1: how much it would differ on other documents of the same kind."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from spacy.training import Example

from ..pipeline.overlap_scores import aligned_entities

Interval = tuple[float, float]


class Counts(NamedTuple):
    """The entities of each document, counted as spaCy's scorer counts them.

    labels (list[str]): The labels that occur, sorted.
    values (np.ndarray): Of shape (documents, labels, 3): the correct, the predicted and the gold
        entities.
    """

    labels: list[str]
    values: np.ndarray


class Intervals(NamedTuple):
    """Confidence intervals of F1.

    micro (Interval | None): That of all entities; None without any entity.
    macro (Interval | None): That of the mean of the labels; None without any entity.
    per_label (dict[str, Interval]): That of each label.
    """

    micro: Interval | None
    macro: Interval | None
    per_label: dict[str, Interval]


def count_entities(examples: Sequence[Example]) -> Counts:
    """Count the entities of each document.

    As in spaCy, documents without any entity annotation are left out, and so are predicted entities
    in a part of a document that has none.

    examples (Sequence[Example]): The predictions and their reference.
    RETURNS (Counts): The counts.
    """
    pairs = [aligned_entities(eg) for eg in examples if eg.reference.has_annotation("ENT_IOB")]
    labels = sorted({label for pair in pairs for ents in pair for label, _, _ in ents})
    index = {label: i for i, label in enumerate(labels)}
    values = np.zeros((len(pairs), len(labels), 3))
    for row, (found, gold) in zip(values, pairs):
        for i, ents in enumerate((gold.intersection(found), found, gold)):
            for label, _, _ in ents:
                row[index[label], i] += 1
    return Counts(labels, values)


def f1_intervals(
    counts: Counts, *, n_samples: int = 1000, level: float = 0.95, seed: int = 0
) -> Intervals:
    """Estimate confidence intervals of F1 by the percentile bootstrap (Efron and Tibshirani 1993;
    Koehn 2004).

    Whole documents are drawn with replacement, as the entities of a document are not independent.
    In some draws, a rare label is neither annotated nor predicted, and so has no F1. Its interval
    is that of the other draws, and it is not in the mean of the labels of that draw.

    counts (Counts): What `count_entities` returned.
    n_samples (int): The number of draws.
    level (float): The probability that the interval covers, such as 0.95.
    seed (int): The seed of the draws.
    RETURNS (Intervals): The interval over all entities, of the mean of the labels, and of each.
    """
    if not counts.labels:
        return Intervals(None, None, {})
    totals = bootstrap(counts.values, n_samples, seed)
    low, high = _bounds(f1(totals), level)
    per_label = dict(zip(counts.labels, zip(low.tolist(), high.tolist())))
    micro, macro = (interval(score(totals), level) for score in (micro_f1, macro_f1))
    return Intervals(micro, macro, per_label)


def bootstrap(values: np.ndarray, n_samples: int, seed: int) -> np.ndarray:
    """Draw documents with replacement, as many as there are, and add up their counts.

    The same seed draws the same documents.

    values (np.ndarray): The counts of each document, of shape (documents, labels, 3).
    n_samples (int): The number of draws.
    seed (int): The seed of the draws.
    RETURNS (np.ndarray): The counts of each draw, of shape (draws, labels, 3).
    """
    n_docs = len(values)
    rng = np.random.default_rng(seed)
    flat = values.reshape(n_docs, -1)
    # One draw at a time, as many documents times many draws may not fit into memory.
    draws = (rng.integers(n_docs, size=n_docs) for _ in range(n_samples))
    totals = np.stack([np.bincount(draw, minlength=n_docs) @ flat for draw in draws])
    return totals.reshape(n_samples, *values.shape[1:])


def interval(scores: np.ndarray, level: float) -> Interval:
    """The interval that covers the middle of some scores.

    scores (np.ndarray): The scores of all draws; those that are NaN are left out.
    level (float): The share of the scores that it covers.
    RETURNS (Interval): Its bounds.
    """
    low, high = _bounds(scores, level)
    return float(low), float(high)


def micro_f1(counts: np.ndarray) -> np.ndarray:
    """F1 over the entities of all labels.

    counts (np.ndarray): Of shape (…, labels, 3).
    RETURNS (np.ndarray): Of shape (…); NaN where nothing is annotated or predicted.
    """
    return f1(counts.sum(axis=-2))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """The mean F1 of those labels that are annotated or predicted.

    counts (np.ndarray): Of shape (…, labels, 3).
    RETURNS (np.ndarray): Of shape (…); NaN where nothing is annotated or predicted.
    """
    scores = f1(counts)
    n_labels = (~np.isnan(scores)).sum(axis=-1)
    return np.nansum(scores, axis=-1) / np.where(n_labels, n_labels, np.nan)


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 from the correct, the predicted and the gold entities.

    counts (np.ndarray): Of shape (…, 3).
    RETURNS (np.ndarray): Of shape (…); NaN where nothing is annotated or predicted.
    """
    correct, found, gold = np.moveaxis(counts, -1, 0)
    total = found + gold
    return 2 * correct / np.where(total, total, np.nan)


def _bounds(scores: np.ndarray, level: float) -> np.ndarray:
    return np.nanpercentile(scores, (50 * (1 - level), 50 * (1 + level)), axis=0)
