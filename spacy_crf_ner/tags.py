"""Tag schemes: how entity spans are written as one tag per token, and back.

This module knows labels, tags and which tag may follow which. It does not use spaCy or torch.
A span is ``(start, end, label)`` in tokens, ``end`` exclusive. Tag ids are positions in
`TagSet.tags`: ``O`` is 0, then one block of tags per label, so that adding a label does not
change the ids of the others.

BIO is IOB2 of Tjong Kim Sang and Veenstra (1999), "Representing text chunks". BIOES, also
called IOBES or BILOU, has a separate tag for single-token entities (Ratinov and Roth 2009,
"Design challenges and misconceptions in NER").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, get_args

import numpy as np

Scheme = Literal["BIO", "BIOES"]
Span = tuple[int, int, str]

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
OUTSIDE = "O"
# Stands for the id of an unknown tag.
MISSING = -1

# The prefixes that open, continue and close an entity. In BIO the last token of an entity
# has no prefix of its own, so both B and I may close one.
_PREFIXES = {"BIO": "BI", "BIOES": "BIES"}
_OPENS = "BS"
_CONTINUES = "IE"
_CLOSES = {"BIO": "BI", "BIOES": "ES"}


@dataclass(frozen=True)
class TagSet:
    """The tags of some entity labels under a scheme, and which of their sequences are legal.

    labels (tuple[str, ...]): The entity labels, each once, none empty. They may contain hyphens.
    scheme (Scheme): "BIO" or "BIOES".
    """

    labels: tuple[str, ...]
    scheme: Scheme = "BIOES"

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ValueError(
                f"Unknown tag scheme {self.scheme!r}: expected one of {', '.join(SCHEMES)}."
            )
        if len(set(self.labels)) != len(self.labels) or "" in self.labels:
            raise ValueError(f"Labels must be non-empty and unique, got {list(self.labels)}.")

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """All tags in the order of their ids: "O", then for each label one tag per prefix."""
        prefixes = _PREFIXES[self.scheme]
        return (OUTSIDE, *(f"{prefix}-{label}" for label in self.labels for prefix in prefixes))

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each tag."""
        return {tag: i for i, tag in enumerate(self.tags)}

    def __len__(self) -> int:
        """The number of tags: 1 + labels × prefixes."""
        return 1 + len(self.labels) * len(_PREFIXES[self.scheme])

    @cached_property
    def opens(self) -> np.ndarray:
        """(C,) bool: the tags that begin an entity."""
        return np.array([tag[0] in _OPENS for tag in self.tags])

    @cached_property
    def continues(self) -> np.ndarray:
        """(C,) bool: the tags that continue the entity of the token before."""
        return np.array([tag[0] in _CONTINUES for tag in self.tags])

    @cached_property
    def legal_starts(self) -> np.ndarray:
        """(C,) bool: the tags that the first token may have."""
        return ~self.continues

    @cached_property
    def legal_ends(self) -> np.ndarray:
        """(C,) bool: the tags that the last token may have."""
        closes = _CLOSES[self.scheme] + OUTSIDE
        return np.array([tag[0] in closes for tag in self.tags])

    @cached_property
    def legal_transitions(self) -> np.ndarray:
        """(C, C) bool: [i, j] says whether tag j may directly follow tag i."""
        label = np.array([tag[2:] for tag in self.tags])
        # A tag may continue an entity of its own label. Any other tag needs a closed entity before.
        unfinished = np.array([tag[0] in "BI" for tag in self.tags])
        goes_on = unfinished[:, None] & self.continues[None, :] & (label[:, None] == label[None, :])
        return goes_on | (self.legal_ends[:, None] & self.legal_starts[None, :])

    def from_spans(self, spans: Iterable[Span], length: int) -> list[int]:
        """Write spans as one tag id per token.

        spans (Iterable[Span]): Non-overlapping spans within the `length` tokens.
        length (int): The number of tokens.
        RETURNS (list[int]): `length` tag ids.
        RAISES: ValueError if a span is empty, out of range or overlaps another; KeyError if a
            label is not in the set.
        """
        tags = [0] * length
        for start, end, label in spans:
            if not 0 <= start < end <= length or any(tags[start:end]):
                raise ValueError(
                    f"Span {(start, end, label)} is empty, overlaps another or lies outside of the "
                    f"{length} tokens."
                )
            tags[start:end] = self._span_ids(label, end - start)
        return tags

    def to_spans(self, tags: Sequence[int]) -> list[Span]:
        """Read the spans off a legal tag sequence. The inverse of `from_spans`.

        tags (Sequence[int]): One tag id per token, legal throughout.
        RETURNS (list[Span]): The spans in text order.
        RAISES: ValueError if the tag sequence is not legal.
        """
        self._require_legal(np.asarray(tags, dtype="i8"))
        spans: list[Span] = []
        for i, tag in enumerate(tags):
            if self.opens[tag]:
                spans.append((i, i + 1, self.tags[tag][2:]))
            elif self.continues[tag]:
                start, _, label = spans[-1]
                spans[-1] = (start, i + 1, label)
        return spans

    def _require_legal(self, tags: np.ndarray) -> None:
        if tags.size and not (
            self.legal_starts[tags[0]]
            and self.legal_ends[tags[-1]]
            and self.legal_transitions[tags[:-1], tags[1:]].all()
        ):
            raise ValueError(f"Illegal tag sequence: {[self.tags[tag] for tag in tags]}.")

    def _span_ids(self, label: str, length: int) -> list[int]:
        ids = self.ids
        if self.scheme == "BIO":
            return [ids[f"B-{label}"]] + [ids[f"I-{label}"]] * (length - 1)
        if length == 1:
            return [ids[f"S-{label}"]]
        return [ids[f"B-{label}"], *[ids[f"I-{label}"]] * (length - 2), ids[f"E-{label}"]]


@lru_cache
def make_tag_set(labels: tuple[str, ...], scheme: Scheme) -> TagSet:
    """Get the cached `TagSet` of some labels and a scheme, so that its arrays are computed once.

    labels (tuple[str, ...]): The entity labels.
    scheme (Scheme): "BIO" or "BIOES".
    RETURNS (TagSet): The tags.
    RAISES: ValueError as `TagSet` does.
    """
    return TagSet(labels, scheme)
