"""Which of the spans that a component finds are correct, as far as the annotation says."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from spacy.training import Example

from ..crf import Potentials
from ..pipeline.component import CRFEntityRecognizer
from ..pipeline.constraints import constrain
from ..pipeline.decoding import Entity
from ..pipeline.gold import gold_tags
from ..pipeline.partial import possible_tags
from ..tags import MISSING, Span, TagSet


class Batch(NamedTuple):
    """Documents that have some annotation.

    legal (Potentials): The scores of their legal tag sequences, at temperature 1.
    gold (list[set[Span]]): The gold entities of each document.
    possible (list[np.ndarray]): (tokens, C) bool for each document: the tags that each token may
        have, given its annotation.
    """

    legal: Potentials
    gold: list[set[Span]]
    possible: list[np.ndarray]


def read_batches(
    pipe: CRFEntityRecognizer, batches: Iterable[Sequence[Example]]
) -> Iterator[Batch]:
    """Run a component over annotated documents.

    pipe (CRFEntityRecognizer): The component; it is not changed.
    batches (Iterable[Sequence[Example]]): The documents. Those without any annotation are left out.
    YIELDS (Batch): Those that have some.
    """
    for batch in batches:
        examples, tags = [], []
        for eg in pipe.gold_examples(batch):
            gold = gold_tags(eg, pipe.tag_set)
            if (gold != MISSING).any():
                examples.append(eg)
                tags.append(gold)
        if not examples:
            continue
        scores = constrain(pipe.potentials([eg.predicted for eg in examples]), pipe.tag_set)
        possible = possible_tags(examples, np.concatenate(tags), pipe.tag_set)
        bounds = np.cumsum([len(gold) for gold in tags])[:-1]
        yield Batch(
            scores.map(lambda x: x * pipe.temperature),
            [set(pipe.tag_set.to_spans(gold.clip(min=0).tolist())) for gold in tags],
            np.split(possible, bounds),
        )


def judge(batch: Batch, spans: list[list[Entity]], tag_set: TagSet) -> list[list[bool | None]]:
    """Whether spans are gold entities.

    batch (Batch): The documents.
    spans (list[list[Entity]]): The spans of each document.
    tag_set (TagSet): The tags.
    RETURNS (list[list[bool | None]]): For each span; None where it is not known.
    """
    return [
        [
            True if span[:3] in gold else None if _is_possible(span, possible, tag_set) else False
            for span in of_doc
        ]
        for of_doc, gold, possible in zip(spans, batch.gold, batch.possible)
    ]


def _is_possible(span: Entity, possible: np.ndarray, tag_set: TagSet) -> bool:
    start, end, label, _ = span
    tags = tag_set.from_spans([(0, end - start, label)], end - start)
    # The token after it must not have to continue it.
    ends = end == len(possible) or (possible[end] & ~tag_set.continues).any()
    return bool(ends and possible[np.arange(start, end), tags].all())
