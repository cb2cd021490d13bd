"""The teacher's side: trained pipelines add their expectations to a corpus."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from ..crf import Expectations, expectations
from ..pipeline.constraints import constrain
from ..pipeline.gold import gold_tags
from ..pipeline.partial import possible_tags
from ..pipeline.recognizer import recognizer_of, run_before_recognizer
from ..pipeline.soft_targets import (
    SoftTargets,
    keep_soft_targets,
    tag_order,
    with_more_tags,
)
from ..tags import TagSet


def annotate(
    teachers: Sequence[Language], examples: Iterable[Example], tag_set: TagSet, weight: float
) -> Iterator[Example]:
    """Store the teachers' expectations on the gold documents of examples, as soft targets.

    The expectations of several teachers are averaged. That is the same as averaging their
    distributions.

    teachers (Sequence[Language]): The pipelines.
    examples (Iterable[Example]): The examples.
    tag_set (TagSet): The student's tags.
    weight (float): The teachers' weight where there is gold annotation; elsewhere it is 1.
    YIELDS (Example): The examples.
    """
    for batch in minibatch(examples, min(teacher.batch_size for teacher in teachers)):
        docs = [eg.predicted for eg in batch]
        expected = [_expect(teacher, docs, tag_set) for teacher in teachers]
        mean = Expectations(*(torch.stack(parts).mean(0) for parts in zip(*expected)))
        yield from _keep(batch, mean, tag_set, weight)


def annotate_unknown(
    teacher: Language, examples: Iterable[Example], tag_set: TagSet, weight: float
) -> Iterator[Example]:
    """Store a teacher's expectations given the gold annotation, as soft targets for a student that
    has more labels.

    To the teacher, an entity of a label that it does not know is outside of all entities: see
    `with_more_tags`. Where the gold annotation leaves a tag open, only the tags that the teacher
    knows are possible. The expectations are exact.

    teacher (Language): The pipeline.
    examples (Iterable[Example]): The examples, with gold annotation.
    tag_set (TagSet): The student's tags, which include the teacher's.
    weight (float): The teacher's weight, from 0 to 1.
    YIELDS (Example): The examples.
    """
    pipe = recognizer_of(teacher, "The teacher")
    known = np.array([tag in pipe.tag_set.ids for tag in tag_set.tags])
    for batch in minibatch(examples, teacher.batch_size):
        docs = [eg.predicted for eg in batch]
        potentials = pipe.potentials(run_before_recognizer(teacher, docs))
        gold = np.concatenate([gold_tags(eg, tag_set) for eg in batch])
        possible = possible_tags(batch, gold, tag_set)
        possible[gold <= 0] &= known
        extended = with_more_tags(potentials, pipe.tag_set, tag_set)
        tags, pairs = expectations(constrain(extended, tag_set, possible))
        yield from _keep(batch, Expectations(tags.cpu(), pairs.cpu()), tag_set, weight)


def is_labelled(example: Example) -> bool:
    """Whether an example has gold annotation of entities.

    example (Example): The example.
    RETURNS (bool): Whether it does.
    """
    return example.reference.has_annotation("ENT_IOB")


def _keep(
    batch: Sequence[Example], expected: Expectations, tag_set: TagSet, weight: float
) -> Iterator[Example]:
    """Store expectations on the CPU on the gold documents of a batch."""
    lengths = [len(eg.predicted) for eg in batch]
    for eg, *parts in zip(batch, expected.tags.split(lengths), expected.pairs):
        counts = weight if is_labelled(eg) else 1.0
        targets = SoftTargets(counts, tag_set, *(part.numpy() for part in parts))
        keep_soft_targets(eg.reference, targets)
        yield eg


def _expect(teacher: Language, docs: Sequence[Doc], tag_set: TagSet) -> Expectations:
    pipe = recognizer_of(teacher, "Each teacher")
    potentials = pipe.potentials(run_before_recognizer(teacher, docs))
    tags, pairs = expectations(constrain(potentials, pipe.tag_set))
    order = tag_order(pipe.tag_set, tag_set)
    return Expectations(tags[:, order].cpu(), pairs[:, order][:, :, order].cpu())
