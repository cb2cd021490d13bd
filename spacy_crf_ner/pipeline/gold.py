"""Hard targets: gold annotation as tag ids, and gold entities that cannot be used."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
from spacy.tokens import Span
from spacy.training import Example

from ..tags import MISSING, TagSet


class Survey(NamedTuple):
    """The entities in some examples.

    labels (list[str]): Their labels, sorted.
    n_ents (int): Their number.
    misaligned (list[Span]): Those that do not align with the tokens of the predicted document. They
        are treated as missing annotation.
    """

    labels: list[str]
    n_ents: int
    misaligned: list[Span]


class IncorrectSpan(NamedTuple):
    """A span that is known not to be an entity with this label.

    sequence (int): The document's position in its batch.
    start (int): Its first token in the document.
    end (int): The token after its last one.
    label (str): The label that it does not have.
    """

    sequence: int
    start: int
    end: int
    label: str


def survey_gold(examples: Iterable[Example]) -> Survey:
    """Collect the entities of examples.

    examples (Iterable[Example]): The examples.
    RETURNS (Survey): The labels, the number of entities, and those that do not align.
    """
    labels: set[str] = set()
    misaligned: list[Span] = []
    n_ents = 0
    for eg in examples:
        ents = eg.reference.ents
        labels.update(ent.label_ for ent in ents)
        n_ents += len(ents)
        if len(eg.get_aligned_spans_y2x(ents)) < len(ents):
            misaligned += [ent for ent in ents if not eg.get_aligned_spans_y2x([ent])]
    return Survey(sorted(labels), n_ents, misaligned)


def gold_tags(example: Example, tag_set: TagSet) -> np.ndarray:
    """The gold tags of the predicted document's tokens.

    example (Example): The example.
    tag_set (TagSet): The tags.
    RETURNS (np.ndarray): (tokens,) int64 tag ids; MISSING where the annotation is missing or does
        not align.
    RAISES: ValueError if an entity has a label that is not in the tag set.
    """
    ids = _biluo_ids(tag_set)
    try:
        return np.array([ids[tag] for tag in biluo_tags(example)], dtype="i8")
    except KeyError as error:
        raise ValueError(
            f"The gold tag {error} has none of the component's labels, which are "
            f"{', '.join(tag_set.labels)}. Call `add_label` first, or initialize with all labels."
        ) from None


def incorrect_spans(examples: Sequence[Example], key: str, tag_set: TagSet) -> list[IncorrectSpan]:
    """The spans that are known not to be entities. Without a label, this holds for all labels.

    examples (Sequence[Example]): The batch; the references have the spans.
    key (str): Their key in `doc.spans`.
    tag_set (TagSet): The tags. Spans with other labels are skipped: they are never predicted.
    RETURNS (list[IncorrectSpan]): The spans that align with the tokens of the predicted documents.
    """
    return [
        IncorrectSpan(i, span.start, span.end, label)
        for i, eg in enumerate(examples)
        if key in eg.reference.spans
        for span in eg.get_aligned_spans_y2x(eg.reference.spans[key], allow_overlap=True)
        for label in ([span.label_] if span.label_ else tag_set.labels)
        if label in tag_set.labels
    ]


def biluo_tags(example: Example) -> list[str | None]:
    """The same as `example.get_aligned_ner()`, but faster if both documents have the same tokens.

    `get_aligned_ner` aligns the tokens at every call, even if there is nothing to align.

    example (Example): The example.
    RETURNS (list[str | None]): A BILUO tag for each token of the predicted document, None where
        it is unknown.
    """
    predicted, reference = example.predicted, example.reference
    attrs: list[int | str] = ["ORTH", "ENT_IOB", "IS_SPACE"]
    orth, iob, is_space = reference.to_array(attrs).T if len(reference) else np.zeros((3, 0))
    if not iob.any() or not np.array_equal(predicted.to_array("ORTH"), orth):
        return cast(list[str | None], example.get_aligned_ner())
    tags = np.where((iob == 2) | (is_space != 0), "O", cast(Any, None)).tolist()
    for ent in reference.ents:
        label, last = ent.label_, ent.end - 1
        if len(ent) == 1:
            tags[last] = f"U-{label}"
        else:
            tags[ent.start] = f"B-{label}"
            tags[ent.start + 1 : last] = [f"I-{label}"] * (len(ent) - 2)
            tags[last] = f"L-{label}"
    return tags


@lru_cache
def _biluo_ids(tag_set: TagSet) -> dict[str | None, int]:
    ids: dict[str | None, int] = {None: MISSING, "O": 0}
    for label in tag_set.labels:
        begin, inside, last = tag_set.from_spans([(0, 3, label)], 3)
        (unit,) = tag_set.from_spans([(0, 1, label)], 1)
        tags = {"B": begin, "I": inside, "L": last, "U": unit}
        ids.update((f"{prefix}-{label}", tag) for prefix, tag in tags.items())
    return ids
