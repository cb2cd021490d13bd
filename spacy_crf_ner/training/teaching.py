"""What a teacher expects of documents: kept on the gold ones, and learned from in training."""

from functools import lru_cache
from typing import List, NamedTuple, Sequence

import numpy as np
import torch
from spacy.tokens import Doc
from spacy.training import Example
from torch import Tensor

from ..crf import Expectations, Potentials, cross_entropy
from ..loss import constrain, upload
from ..tags import TagSet

# Where in `doc.user_data`.
KEY = "crf_expectations"


class Lesson(NamedTuple):
    """What is kept on one document.

    weight (float): How much the teacher counts, from 0 to 1; the gold annotation has the rest.
    tag_set (TagSet): The teacher's tags.
    tags (np.ndarray): (N, C) the probabilities of each token's tags.
    pairs (np.ndarray): (C, C) how often each pair of neighbouring tags is to be expected.
    """

    weight: float
    tag_set: TagSet
    tags: np.ndarray
    pairs: np.ndarray


def keep_lesson(doc: Doc, lesson: Lesson) -> None:
    """Keep a lesson on a gold document, in a form that DocBins can store.

    doc (Doc): The document.
    lesson (Lesson): The lesson.
    """
    tag_set = lesson.tag_set
    doc.user_data[KEY] = {
        "weight": lesson.weight,
        "labels": list(tag_set.labels),
        "scheme": tag_set.scheme,
        # Half precision would make probabilities near 1 certain.
        "tags": lesson.tags.astype("f4"),
        # Most pairs are illegal, and so 0.
        "pairs": lesson.pairs[tag_set.legal_transitions].astype("f4"),
    }


def read_lesson(doc: Doc) -> Lesson:
    """Read what `keep_lesson` kept.

    doc (Doc): The document, which has a lesson.
    RETURNS (Lesson): The lesson, in float32.
    """
    kept = doc.user_data[KEY]
    tag_set = _tag_set(tuple(kept["labels"]), kept["scheme"])
    pairs = np.zeros(tag_set.legal_transitions.shape, dtype="f4")
    pairs[tag_set.legal_transitions] = kept["pairs"]
    return Lesson(kept["weight"], tag_set, kept["tags"], pairs)


def add_lessons(
    losses: Tensor, potentials: Potentials, examples: Sequence[Example], tag_set: TagSet
) -> Tensor:
    """Let examples that have a lesson learn from it as well: weight × cross-entropy between the
    teacher's distribution and the CRF's + (1 - weight) × the loss of the gold annotation.

    losses (Tensor): (B,) float64, the losses of the gold annotation.
    potentials (Potentials): The scores, as yet without constraints.
    examples (Sequence[Example]): The examples, with the lessons on their references.
    tag_set (TagSet): The tags of the scores.
    RETURNS (Tensor): (B,) float64.
    RAISES: ValueError if a lesson is about other tags or about another number of tokens.
    """
    if not any(KEY in eg.reference.user_data for eg in examples):
        return losses
    lessons = [_lesson_for(eg, tag_set) for eg in examples]
    device = losses.device
    weights = upload(np.array([lesson.weight for lesson in lessons]), device)
    expected = Expectations(
        upload(np.concatenate([lesson.tags for lesson in lessons]), device),
        upload(np.stack([lesson.pairs for lesson in lessons]), device),
    )
    return torch.lerp(losses, cross_entropy(constrain(potentials, tag_set), expected), weights)


@lru_cache
def tag_order(teacher: TagSet, student: TagSet) -> List[int]:
    """Where the tags of a student are among those of its teacher.

    teacher (TagSet): The teacher's tags.
    student (TagSet): The student's tags.
    RETURNS (List[int]): (C,) for each tag of the student the id that the teacher has for it.
    RAISES: ValueError if they do not have the same labels and the same scheme.
    """
    if teacher.scheme != student.scheme:
        raise ValueError(
            f"The teacher's tag scheme is {teacher.scheme}, the student's is {student.scheme}. Set "
            f'the tag_scheme of the student to "{teacher.scheme}".'
        )
    if set(teacher.labels) != set(student.labels):
        raise ValueError(
            f"Teacher and student must have the same labels. The teacher's are "
            f"{', '.join(sorted(teacher.labels))}; the student's are "
            f"{', '.join(sorted(student.labels))}."
        )
    return [teacher.ids[tag] for tag in student.tags]


def _lesson_for(example: Example, tag_set: TagSet) -> Lesson:
    n_tokens, n_tags = len(example.predicted), len(tag_set)
    if KEY not in example.reference.user_data:
        shapes = (n_tokens, n_tags), (n_tags, n_tags)
        return Lesson(0.0, tag_set, *(np.zeros(shape, dtype="f4") for shape in shapes))
    lesson = read_lesson(example.reference)
    if len(lesson.tags) != n_tokens:
        raise ValueError(
            f"The teacher's expectations are about {len(lesson.tags)} tokens, but the document has "
            f"{n_tokens}: {example.predicted.text[:50]!r}. Teacher and student must see the same "
            "tokens."
        )
    order = tag_order(lesson.tag_set, tag_set)
    return Lesson(lesson.weight, tag_set, lesson.tags[:, order], lesson.pairs[order][:, order])


_tag_set = lru_cache(TagSet)
