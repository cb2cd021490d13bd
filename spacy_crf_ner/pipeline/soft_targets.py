"""Soft targets: a teacher's expectations, stored on gold documents for training (Hinton et al.
2015, "Distilling the knowledge in a neural network")."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from spacy.tokens import Doc
from spacy.training import Example
from torch import Tensor

from ..crf import Expectations, Potentials, cross_entropy
from ..layers.device import upload
from ..tags import TagSet, make_tag_set
from .constraints import constrain
from .gold import gold_tags

# The key in `doc.user_data`.
KEY = "crf_soft_targets"


class SoftTargets(NamedTuple):
    """A teacher's expectations of one document.

    weight (float): The teacher's weight, from 0 to 1. The gold annotation gets the rest.
    tag_set (TagSet): The teacher's tags.
    tags (np.ndarray): (N, C) the marginals: the probability of each tag of each token.
    pairs (np.ndarray): (C, C) the expected number of each pair of neighbouring tags.
    """

    weight: float
    tag_set: TagSet
    tags: np.ndarray
    pairs: np.ndarray


def keep_soft_targets(doc: Doc, targets: SoftTargets) -> None:
    """Store soft targets on a gold document, in a form that DocBins can save.

    doc (Doc): The document.
    targets (SoftTargets): The soft targets.
    """
    tag_set = targets.tag_set
    doc.user_data[KEY] = {
        "weight": targets.weight,
        "labels": list(tag_set.labels),
        "scheme": tag_set.scheme,
        # Half precision would round probabilities near 1 to 1.
        "tags": targets.tags.astype("f4"),
        # Most pairs are illegal and therefore 0.
        "pairs": targets.pairs[tag_set.legal_transitions].astype("f4"),
    }


def read_soft_targets(doc: Doc) -> SoftTargets:
    """Read the soft targets that `keep_soft_targets` stored.

    doc (Doc): A document with soft targets.
    RETURNS (SoftTargets): The soft targets, in float32.
    """
    kept = doc.user_data[KEY]
    tag_set = make_tag_set(tuple(kept["labels"]), kept["scheme"])
    pairs = np.zeros(tag_set.legal_transitions.shape, dtype="f4")
    pairs[tag_set.legal_transitions] = kept["pairs"]
    return SoftTargets(kept["weight"], tag_set, kept["tags"], pairs)


def mix_soft_targets(
    losses: Tensor, potentials: Potentials, examples: Sequence[Example], tag_set: TagSet
) -> Tensor:
    """Mix the losses of the gold annotation with those of soft targets, where there are any.

    The result is
    weight × cross-entropy between the teacher's distribution and the CRF's + (1 - weight) × loss.

    losses (Tensor): (B,) float64, the losses of the gold annotation.
    potentials (Potentials): The scores, without constraints.
    examples (Sequence[Example]): The examples, with the soft targets on their references.
    tag_set (TagSet): The tags of the scores.
    RETURNS (Tensor): (B,) float64.
    RAISES: ValueError if soft targets have different tags or a different number of tokens.
    """
    if not any(KEY in eg.reference.user_data for eg in examples):
        return losses
    targets = [_soft_targets_for(eg, tag_set) for eg in examples]
    device = losses.device
    weights = upload(np.array([each.weight for each in targets], dtype="f8"), device)
    expected = Expectations(
        upload(np.concatenate([each.tags for each in targets]), device),
        upload(np.stack([each.pairs for each in targets]), device),
    )
    return torch.lerp(losses, cross_entropy(constrain(potentials, tag_set), expected), weights)


@lru_cache
def tag_order(teacher: TagSet, student: TagSet) -> list[int]:
    """The positions of a student's tags in its teacher's tag set.

    teacher (TagSet): The teacher's tags.
    student (TagSet): The student's tags.
    RETURNS (list[int]): (C,) for each tag of the student, the teacher's id for it.
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


def with_more_tags(potentials: Potentials, known: TagSet, tag_set: TagSet) -> Potentials:
    """Extend scores to more labels: a tag of a new label has the scores of O.

    potentials (Potentials): The scores, without constraints.
    known (TagSet): Their tags.
    tag_set (TagSet): More tags, which include these.
    RETURNS (Potentials): The scores of all these tags.
    """
    order = [known.ids.get(tag, 0) for tag in tag_set.tags]
    return replace(
        potentials,
        emissions=potentials.emissions[:, order],
        start=potentials.start[order],
        transitions=potentials.transitions[order][:, order],
        end=potentials.end[order],
    )


def extend_earlier(
    earlier: Potentials, known: TagSet, tag_set: TagSet, examples: Sequence[Example]
) -> Potentials:
    """The tag sequences that an earlier model can say something about.

    Its own tags are possible; but in gold entities of labels that were added since, only the gold
    tags are. Other gold annotation is ignored.

    earlier (Potentials): The earlier model's scores, without constraints.
    known (TagSet): Its tags, which are the first of all.
    tag_set (TagSet): All tags.
    examples (Sequence[Example]): The examples.
    RETURNS (Potentials): The scores of all tags, constrained to these tag sequences.
    """
    if known == tag_set:
        return constrain(earlier, tag_set)
    tags = np.concatenate([gold_tags(eg, tag_set) for eg in examples])
    ids = np.arange(len(tag_set))
    possible = np.where((tags >= len(known))[:, None], tags[:, None] == ids, ids < len(known))
    return constrain(with_more_tags(earlier, known, tag_set), tag_set, possible)


def _soft_targets_for(example: Example, tag_set: TagSet) -> SoftTargets:
    n_tokens, n_tags = len(example.predicted), len(tag_set)
    if KEY not in example.reference.user_data:
        shapes = (n_tokens, n_tags), (n_tags, n_tags)
        return SoftTargets(0.0, tag_set, *(np.zeros(shape, dtype="f4") for shape in shapes))
    targets = read_soft_targets(example.reference)
    if len(targets.tags) != n_tokens:
        raise ValueError(
            f"The soft targets are for {len(targets.tags)} tokens, but the document has {n_tokens}"
            f": {example.predicted.text[:50]!r}. Teacher and student must see the same tokens."
        )
    order = tag_order(targets.tag_set, tag_set)
    return targets._replace(
        tag_set=tag_set, tags=targets.tags[:, order], pairs=targets.pairs[order][:, order]
    )
