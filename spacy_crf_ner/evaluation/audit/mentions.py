"""Mentions that are annotated in one place and differently, or not at all, in another."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import ahocorasick_rs
from spacy.tokens import Doc


class Mention(NamedTuple):
    """A mention that is not annotated the same everywhere.

    mention (str): Its text.
    labels (dict[str, int]): How often it is annotated, by label, the most frequent first.
    unannotated (int): How often its text occurs outside of all entities.
    minority (int): How many of these are not like the most frequent one.
    """

    mention: str
    labels: dict[str, int]
    unannotated: int
    minority: int

    def to_json(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): One line of JSON lines."""
        return self._asdict()


def inconsistent_mentions(docs: Sequence[Doc]) -> list[Mention]:
    """Find mentions whose annotation differs from place to place.

    A text of a single character is not looked for outside of entities, where it is mostly a part of
    some other word. Where annotation is missing, nothing is counted.

    docs (Sequence[Doc]): The documents, with gold annotation.
    RETURNS (list[Mention]): The mentions, those with the largest minority first.
    """
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for doc in docs:
        for ent in doc.ents:
            labels[ent.text][ent.label_] += 1
    outside = _count_outside(docs, sorted(text for text in labels if len(text) > 1))
    found = []
    for text, counts in labels.items():
        cases = [*counts.values(), outside[text]]
        minority = sum(cases) - max(cases)
        if minority:
            found.append(Mention(text, dict(counts.most_common()), outside[text], minority))
    return sorted(found, key=lambda each: (-each.minority, each.mention))


def _count_outside(docs: Sequence[Doc], texts: Sequence[str]) -> Counter[str]:
    """How often each text begins and ends where tokens do, in tokens known to be outside of
    entities."""
    matcher = ahocorasick_rs.AhoCorasick(texts, matchkind=ahocorasick_rs.MatchKind.LeftmostLongest)
    counts: Counter[str] = Counter()
    for doc in docs:
        for index, start, end in matcher.find_matches_as_indexes(doc.text):
            span = doc.char_span(start, end)
            # The code of O; 0 stands for missing annotation.
            if span is not None and all(token.ent_iob == 2 for token in span):
                counts[texts[index]] += 1
    return counts
