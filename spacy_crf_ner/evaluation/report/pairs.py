"""What became of each gold entity, and where each predicted one comes from."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from .mentions import Mention, Mentions

Kind = Literal["correct", "label", "boundary", "both", "missed", "spurious"]
# What the page calls them, in its order.
KINDS: dict[Kind, str] = {
    "correct": "correct",
    "label": "wrong label",
    "boundary": "wrong boundary",
    "both": "wrong label and boundary",
    "missed": "missed",
    "spurious": "spurious",
}


class Pair(NamedTuple):
    """A gold entity and the predicted one that shares tokens with it; or one of them alone.

    document (int): The number of the document, from 0.
    gold (Mention | None): The gold entity; None for a spurious one.
    found (Mention | None): The predicted entity; None for a missed one.
    """

    document: int
    gold: Mention | None
    found: Mention | None

    @property
    def kind(self) -> Kind:
        """Whether it is correct, or what is wrong."""
        if self.gold is None:
            return "spurious"
        if self.found is None:
            return "missed"
        gold, found = self.gold.span, self.found.span
        same_bounds = (gold.start, gold.end) == (found.start, found.end)
        if gold.label_ == found.label_:
            return "correct" if same_bounds else "boundary"
        return "label" if same_bounds else "both"

    @property
    def certainty(self) -> float | None:
        """How certain the component is of an error: the probability of the predicted entity, or
        that there is no such entity where it is missed; None without probabilities."""
        if self.found is not None:
            return self.found.probability
        probability = self.gold.probability if self.gold is not None else None
        return None if probability is None else 1 - probability


def pair_mentions(mentions: Sequence[Mentions]) -> list[Pair]:
    """Pair the gold and the predicted entities of documents.

    Each entity is in one pair. Pairs with the same label come before others, and then those that
    share more tokens.

    mentions (Sequence[Mentions]): The entities of each document.
    RETURNS (list[Pair]): The pairs, by document and position.
    """
    return [pair for i, of_doc in enumerate(mentions) for pair in _pair(i, of_doc)]


def _pair(document: int, mentions: Mentions) -> list[Pair]:
    gold, found = mentions
    to_found: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, i, j in sorted(_overlaps(gold, found)):
        if i not in to_found and j not in taken:
            to_found[i] = j
            taken.add(j)
    pairs = [
        Pair(document, mention, found[to_found[i]] if i in to_found else None)
        for i, mention in enumerate(gold)
    ]
    pairs += [Pair(document, None, found[j]) for j in range(len(found)) if j not in taken]
    return sorted(pairs, key=_position)


def _overlaps(
    gold: Sequence[Mention], found: Sequence[Mention]
) -> Iterator[tuple[bool, int, int, int]]:
    """The entities that share tokens: whether the labels differ, minus the number of shared tokens,
    and the indices of both."""
    i = j = 0
    while i < len(gold) and j < len(found):
        a, b = gold[i].span, found[j].span
        shared = min(a.end, b.end) - max(a.start, b.start)
        if shared > 0:
            yield a.label_ != b.label_, -shared, i, j
        # The one that ends first shares nothing with later ones.
        if a.end <= b.end:
            i += 1
        else:
            j += 1


def _position(pair: Pair) -> int:
    return min(m.span.start for m in (pair.gold, pair.found) if m is not None)
