"""Scores of groups of entities, such as the long ones, or those seen in training."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from spacy.tokens import Doc, Span

from .pairs import Pair

# The last length of each group; the last group is open.
ENTITY_LENGTHS = (1, 2, 3, 4, 6, 9)
SENTENCE_LENGTHS = (10, 20, 40, 80)


class Counts(NamedTuple):
    """Numbers of entities, and what follows from them.

    correct (int): The correct ones.
    found (int): The predicted ones.
    gold (int): The gold ones.
    """

    correct: int
    found: int
    gold: int

    @property
    def precision(self) -> float | None:
        """The share of predicted entities that is correct; None without any."""
        return self.correct / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """The share of gold entities that is found; None without any."""
        return self.correct / self.gold if self.gold else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; None without any entity."""
        total = self.found + self.gold
        return 2 * self.correct / total if total else None


def score_groups(
    pairs: Iterable[Pair], group: Callable[[Span], str], names: Sequence[str]
) -> list[tuple[str, Counts]]:
    """Score groups of entities. An entity that is wrong may be in one group, and the gold one in
    another.

    pairs (Iterable[Pair]): The entities.
    group (Callable[[Span], str]): Tells the group of an entity.
    names (Sequence[str]): The groups.
    RETURNS (list[tuple[str, Counts]]): The groups that have entities, in order.
    """
    correct: Counter[str] = Counter()
    found: Counter[str] = Counter()
    gold: Counter[str] = Counter()
    for pair in pairs:
        if pair.gold is not None:
            gold[group(pair.gold.span)] += 1
            correct[group(pair.gold.span)] += pair.kind == "correct"
        if pair.found is not None:
            found[group(pair.found.span)] += 1
    counts = ((name, Counts(correct[name], found[name], gold[name])) for name in names)
    return [(name, count) for name, count in counts if count.found or count.gold]


def by_entity_length(pairs: Iterable[Pair]) -> list[tuple[str, Counts]]:
    """Scores by the number of tokens of an entity.

    pairs (Iterable[Pair]): The entities.
    RETURNS (list[tuple[str, Counts]]): The groups, from short to long.
    """
    names = _ranges(ENTITY_LENGTHS)
    return score_groups(pairs, lambda span: _range_of(len(span), ENTITY_LENGTHS, names), names)


def by_sentence_length(pairs: Iterable[Pair]) -> list[tuple[str, Counts]]:
    """Scores by the number of tokens of the sentence, which is the whole document if the corpus
    does not tell sentences.

    pairs (Iterable[Pair]): The entities.
    RETURNS (list[tuple[str, Counts]]): The groups, from short to long.
    """
    names = _ranges(SENTENCE_LENGTHS)
    return score_groups(
        pairs, lambda span: _range_of(_sentence_length(span), SENTENCE_LENGTHS, names), names
    )


def by_familiarity(pairs: Iterable[Pair], train: Iterable[Doc]) -> list[tuple[str, Counts]]:
    """Scores of mentions that are entities in the training corpus, and of others.

    pairs (Iterable[Pair]): The entities.
    train (Iterable[Doc]): The training corpus.
    RETURNS (list[tuple[str, Counts]]): The groups.
    """
    known = {(ent.text, ent.label_) for doc in train for ent in doc.ents}
    texts = {text for text, _ in known}
    names = ("seen with this label", "seen with other labels only", "not seen")

    def group(span: Span) -> str:
        if (span.text, span.label_) in known:
            return names[0]
        return names[1] if span.text in texts else names[2]

    return score_groups(pairs, group, names)


def _sentence_length(span: Span) -> int:
    return len(span.sent if span.doc.has_annotation("SENT_START") else span.doc)


def _ranges(bounds: Sequence[int]) -> list[str]:
    lows = [1, *(bound + 1 for bound in bounds)]
    closed = [f"{low}" if low == high else f"{low} to {high}" for low, high in zip(lows, bounds)]
    return [*closed, f"{lows[-1]} and more"]


def _range_of(length: int, bounds: Sequence[int], names: Sequence[str]) -> str:
    return names[sum(length > bound for bound in bounds)]
