"""Tables of errors: their kinds for each label, and which labels are confused."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .pairs import KINDS, Kind, Pair


class Confusion(NamedTuple):
    """Which labels are predicted for which gold labels.

    labels (list[str]): The labels, sorted.
    counts (list[list[int]]): One row for each gold label, and a last one for spurious entities; one
        column for each predicted label, and a last one for missed entities. An entity with the
        correct label and a wrong boundary is on the diagonal.
    """

    labels: list[str]
    counts: list[list[int]]


def confuse(pairs: Sequence[Pair]) -> Confusion:
    """Count which labels are confused.

    pairs (Sequence[Pair]): The entities.
    RETURNS (Confusion): The counts.
    """
    names = [tuple(m.span.label_ if m else None for m in (p.gold, p.found)) for p in pairs]
    labels = sorted({label for pair in names for label in pair if label is not None})
    counts = Counter(names)
    return Confusion(
        labels, [[counts[gold, found] for found in (*labels, None)] for gold in (*labels, None)]
    )


def kinds_by_label(pairs: Sequence[Pair]) -> list[tuple[str, dict[Kind, int]]]:
    """Count the kinds of errors for each label: the gold one, or that of a spurious entity.

    pairs (Sequence[Pair]): The entities.
    RETURNS (list[tuple[str, dict[Kind, int]]]): The labels, sorted, each with the number of each
        kind.
    """
    counts: dict[str, Counter[Kind]] = {}
    for pair in pairs:
        mention = pair.gold or pair.found
        if mention is not None:
            counts.setdefault(mention.span.label_, Counter())[pair.kind] += 1
    return [(label, {kind: counts[label][kind] for kind in KINDS}) for label in sorted(counts)]
