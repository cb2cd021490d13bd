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


class Counts(NamedTuple):
    """How the text of each mention is annotated in a corpus.

    labels (dict[str, Counter[str]]): How often it is annotated with each label.
    outside (Counter[str]): How often it occurs outside of all entities.
    """

    labels: dict[str, Counter[str]]
    outside: Counter[str]

    def consistency(self, mention: str, label: str | None) -> float:
        """How often the other places with a text are annotated like this one.

        It is (places annotated the same + 1) / (places + 2), so 1/2 without other places (Laplace's
        rule of succession).

        mention (str): The text.
        label (str | None): Its label at this place; None if it is not annotated.
        RETURNS (float): Between 0 and 1.
        """
        labels = self.labels.get(mention, Counter())
        # Without this place, which may not be counted if it is part of a longer mention.
        same = max((self.outside[mention] if label is None else labels[label]) - 1, 0)
        others = self.outside[mention] if label is not None else labels.total()
        if label is not None:
            others += labels.total() - labels[label]
        return (same + 1) / (same + others + 2)


def count_mentions(docs: Sequence[Doc]) -> Counts:
    """Count how mentions are annotated.

    A text of a single character is not looked for outside of entities, where it is mostly a part of
    some other word. Where annotation is missing, nothing is counted.

    docs (Sequence[Doc]): The documents, with gold annotation.
    RETURNS (Counts): The counts.
    """
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for doc in docs:
        for ent in doc.ents:
            labels[ent.text][ent.label_] += 1
    texts = sorted(text for text in labels if len(text) > 1)
    return Counts(dict(labels), _count_outside(docs, texts))


def inconsistent_mentions(counts: Counts) -> list[Mention]:
    """Find mentions whose annotation differs from place to place.

    counts (Counts): What `count_mentions` returned.
    RETURNS (list[Mention]): The mentions, those with the largest minority first.
    """
    found = []
    for text, labels in counts.labels.items():
        cases = [*labels.values(), counts.outside[text]]
        minority = sum(cases) - max(cases)
        if minority:
            outside = counts.outside[text]
            found.append(Mention(text, dict(labels.most_common()), outside, minority))
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
