"""Scores that count entities with the wrong boundaries or label, as nervaluate does."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from spacy.training import Example


class Entity(NamedTuple):
    """An entity of a document.

    label (str): Its label.
    start (int): Its first token in the reference.
    end (int): The token after its last one.
    """

    label: str
    start: int
    end: int


# What a predicted entity is if it overlaps a gold one.
_OUTCOMES: dict[str, Callable[[Entity, Entity], str]] = {
    "strict": lambda ent, gold: "correct" if ent == gold else "incorrect",
    "exact": lambda ent, gold: "correct" if ent[1:] == gold[1:] else "incorrect",
    "partial": lambda ent, gold: "correct" if ent[1:] == gold[1:] else "partial",
    "type": lambda ent, gold: "correct" if ent.label == gold.label else "incorrect",
}


def score_overlaps(examples: Iterable[Example]) -> dict[str, Any]:
    """Score entities in four ways, as SemEval-2013 task 9 and nervaluate do.

    Each predicted entity is matched with the first gold entity that it overlaps and that has no
    match yet; for "type", with the closest one of the same label, if there is any. Then "strict"
    compares boundaries and labels, "exact" boundaries, and "type" labels. "partial" also compares
    boundaries, and counts the wrong ones as half correct. A predicted entity without a match is
    spurious, a gold one missed.

    What spaCy's scorer leaves out is left out: see `aligned_entities`.

    examples (Iterable[Example]): The predictions and their reference.
    RETURNS (dict[str, Any]): `ents_overlap`: for each of "strict", "exact", "partial" and "type",
        the number of "correct", "incorrect", "partial", "missed" and "spurious" entities, of gold
        ("possible") and predicted ones ("actual"), and the scores "p", "r" and "f". None without
        any entity.
    """
    pairs = [aligned_entities(eg) for eg in examples if eg.reference.has_annotation("ENT_IOB")]
    if not any(found or gold for found, gold in pairs):
        return {"ents_overlap": None}
    counts: dict[str, Counter[str]] = {measure: Counter() for measure in _OUTCOMES}
    for found, gold in pairs:
        by_place, by_label = (_match(found, gold, by_label=choice) for choice in (False, True))
        for measure, outcome in _OUTCOMES.items():
            matches = by_label if measure == "type" else by_place
            for ent, match in zip(found, matches):
                counts[measure]["spurious" if match is None else outcome(ent, match)] += 1
            counts[measure]["missed"] += len(gold) - len(matches) + matches.count(None)
    return {"ents_overlap": {measure: _scores(counts[measure]) for measure in counts}}


def aligned_entities(example: Example) -> tuple[list[Entity], set[Entity]]:
    """The predicted and the gold entities that spaCy's scorer compares.

    A predicted entity is moved to the tokens of the reference that it overlaps. It is left out if
    there are none, or if one of them has no annotation.

    example (Example): The example.
    RETURNS (tuple[list[Entity], set[Entity]]): The predicted and the gold entities.
    """
    reference = example.reference
    found = []
    for ent in example.predicted.ents:
        tokens = example.alignment.x2y[ent.start : ent.end]
        if len(tokens):
            start, end = int(tokens[0]), int(tokens[-1]) + 1
            if all(token.ent_iob for token in reference[start:end]):
                found.append(Entity(ent.label_, start, end))
    return found, {Entity(ent.label_, ent.start, ent.end) for ent in reference.ents}


def _match(found: list[Entity], gold: set[Entity], *, by_label: bool) -> list[Entity | None]:
    """The gold entity of each predicted one."""
    owners = {i: ent for ent in gold for i in range(ent.start, ent.end)}
    free = set(gold)
    matches: list[Entity | None] = []
    for ent in found:
        rivals = dict.fromkeys(owners[i] for i in range(ent.start, ent.end) if i in owners)
        usable = [rival for rival in rivals if rival in free and _overlaps(ent, rival)]
        if by_label:
            usable.sort(key=lambda rival: _distance(ent, rival))
        matches.append(usable[0] if usable else None)
        free.difference_update(usable[:1])
    return matches


def _overlaps(ent: Entity, gold: Entity) -> bool:
    # nervaluate wants 1 % of the gold entity by default.
    return 100 * (min(ent.end, gold.end) - max(ent.start, gold.start)) >= gold.end - gold.start


def _distance(ent: Entity, gold: Entity) -> tuple[bool, int]:
    if ent.label != gold.label:
        return True, 0
    return False, abs(ent.start - gold.start) + abs(ent.end - gold.end)


def _scores(counts: Counter[str]) -> dict[str, float]:
    names = ("correct", "incorrect", "partial", "missed", "spurious")
    actual = counts.total() - counts["missed"]
    possible = counts.total() - counts["spurious"]
    correct = counts["correct"] + counts["partial"] / 2
    return {
        **{name: counts[name] for name in names},
        "possible": possible,
        "actual": actual,
        "p": correct / actual if actual else 0.0,
        "r": correct / possible if possible else 0.0,
        # 2pr / (p + r), without its rounding. One of the two is not 0, or there was no score.
        "f": 2 * correct / (actual + possible),
    }
