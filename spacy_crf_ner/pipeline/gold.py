"""Hard targets: gold annotation as tag ids, and gold entities that cannot be used."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import filter_spans

from ..tags import MISSING, TagSet


class Survey(NamedTuple):
    """The entities in some examples.

    labels (list[str]): Their labels, sorted.
    n_ents (int): Their number.
    misaligned (list[Span]): Those that do not align with the tokens of the predicted document. They
        are treated as missing annotation.
    conflicting (list[Span]): Spans that are left out because they overlap a longer one.
    """

    labels: list[str]
    n_ents: int
    misaligned: list[Span]
    conflicting: list[Span]

    @property
    def warnings(self) -> list[str]:
        """What to say about the entities that cannot be used."""
        warnings = []
        if self.misaligned:
            warnings.append(
                f"{len(self.misaligned)} of {self.n_ents} gold entities do not begin and end where "
                f"tokens do and are treated as missing, such as {_first(self.misaligned)}"
            )
        if self.conflicting:
            warnings.append(
                f"{len(self.conflicting)} of {self.n_ents + len(self.conflicting)} gold spans "
                f"overlap a longer one and are left out, such as {_first(self.conflicting)}. Each "
                "crf_ner finds entities that do not overlap; give these labels one of their own."
            )
        return warnings


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


def survey_gold(
    examples: Iterable[Example], key: str | None = None, labels: Collection[str] | None = None
) -> Survey:
    """Collect the entities of examples.

    examples (Iterable[Example]): The examples.
    key (str | None): The key in `doc.spans` of the entities. None if they are in `doc.ents`.
    labels (Collection[str] | None): The labels of the spans to collect; None for all.
    RETURNS (Survey): The labels, the number of entities, and those that cannot be used.
    """
    found: set[str] = set()
    misaligned: list[Span] = []
    conflicting: list[Span] = []
    n_ents = 0
    for eg in gold_examples(examples, key, labels):
        conflicting += _conflicting(eg.reference, key, labels)
        ents = eg.reference.ents
        found.update(ent.label_ for ent in ents)
        n_ents += len(ents)
        if len(eg.get_aligned_spans_y2x(ents)) < len(ents):
            misaligned += [ent for ent in ents if not eg.get_aligned_spans_y2x([ent])]
    return Survey(sorted(found), n_ents, misaligned, conflicting)


def gold_examples(
    examples: Iterable[Example], key: str | None, labels: Collection[str] | None
) -> Iterator[Example]:
    """Let the gold entities of examples be those of `reference.ents`, wherever they are.

    examples (Iterable[Example]): The examples.
    key (str | None): The key in `doc.spans` of the entities. None if they are in `doc.ents`.
    labels (Collection[str] | None): The labels of the spans to take; None for all.
    YIELDS (Example): The examples themselves; or, with a key, examples with copies of the
        references.
    """
    for eg in examples:
        if key is not None:
            eg = Example(eg.predicted, as_entities(eg.reference, key, labels))
        yield eg


def as_entities(doc: Doc, key: str, labels: Collection[str] | None = None) -> Doc:
    """Copy a document, with a group of its spans as entities.

    Of spans that overlap, the longest becomes an entity.

    doc (Doc): The document.
    key (str): The group's key in `doc.spans`. Without it, the document is not annotated.
    labels (Collection[str] | None): The labels of the spans to take; None for all.
    RETURNS (Doc): The copy.
    """
    copy = doc.copy()
    spans = filter_spans(_labelled(copy, key, labels))
    copy.set_ents(spans, default="outside" if key in doc.spans else "missing")
    return copy


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


def _labelled(doc: Doc, key: str, labels: Collection[str] | None) -> list[Span]:
    return [
        span
        for span in doc.spans.get(key, ())
        if (span.label_ if labels is None else span.label_ in labels)
    ]


def _conflicting(doc: Doc, key: str | None, labels: Collection[str] | None) -> list[Span]:
    spans = [] if key is None else _labelled(doc, key, labels)
    kept = set(filter_spans(spans))
    return [span for span in spans if span not in kept]


def _first(spans: Sequence[Span]) -> str:
    return ", ".join(f"{span.text!r} ({span.label_})" for span in spans[:5])


@lru_cache
def _biluo_ids(tag_set: TagSet) -> dict[str | None, int]:
    ids: dict[str | None, int] = {None: MISSING, "O": 0}
    for label in tag_set.labels:
        begin, inside, last = tag_set.from_spans([(0, 3, label)], 3)
        (unit,) = tag_set.from_spans([(0, 1, label)], 1)
        tags = {"B": begin, "I": inside, "L": last, "U": unit}
        ids.update((f"{prefix}-{label}", tag) for prefix, tag in tags.items())
    return ids
