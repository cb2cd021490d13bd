"""Partial annotation: the labels that a document is annotated for, and the tags that are possible
given what is known."""

from collections.abc import Iterable, Sequence

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from ..tags import MISSING, TagSet

# The key in `doc.user_data`.
KEY = "crf_annotated_labels"


def keep_annotated_labels(doc: Doc, labels: Iterable[str]) -> None:
    """Mark a gold document as annotated for some labels only, in a form that DocBins can save.

    Its tokens without an entity are then known not to be part of an entity of these labels. They
    may be part of an entity of any other label.

    doc (Doc): The document.
    labels (Iterable[str]): The labels.
    """
    doc.user_data[KEY] = sorted(labels)


def annotated_labels(doc: Doc) -> Sequence[str] | None:
    """The labels that `keep_annotated_labels` stored.

    doc (Doc): A gold document.
    RETURNS (Sequence[str] | None): The labels; None if the document is annotated for all labels.
    """
    return doc.user_data.get(KEY)


def possible_tags(examples: Sequence[Example], tags: np.ndarray, tag_set: TagSet) -> np.ndarray:
    """The tags that each token may have, given its gold tag.

    A missing tag may be any. O may also be any tag of a label that the document is not annotated
    for. Other tags are known.

    examples (Sequence[Example]): The batch.
    tags (np.ndarray): (N,) int64, the gold tags of all tokens, or MISSING.
    tag_set (TagSet): The tags.
    RETURNS (np.ndarray): (N, C) bool.
    """
    possible = (tags[:, None] == np.arange(len(tag_set))) | (tags == MISSING)[:, None]
    bounds = np.cumsum([len(eg.predicted) for eg in examples])[:-1]
    # These are views, and so change the array.
    for eg, rows, gold in zip(examples, np.split(possible, bounds), np.split(tags, bounds)):
        labels = annotated_labels(eg.reference)
        if labels is not None:
            rows[gold == 0] = [tag[2:] not in labels for tag in tag_set.tags]
    # Entities are known as a whole. In BIO, what follows one could otherwise continue it.
    possible[1:][(tags[:-1] > 0) & (tags[1:] <= 0)] &= ~tag_set.continues
    return possible
