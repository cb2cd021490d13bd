"""Whether confidences can be trusted: are 80 % of the entities with confidence 0.8 correct?"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

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
