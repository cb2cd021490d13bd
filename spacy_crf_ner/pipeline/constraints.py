"""Constraints on tag sequences: legal transitions, and the tags that each token may have."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from spacy.tokens import Doc
from torch import Tensor

from ..crf import Potentials
from ..layers.device import upload
from ..layers.tokens import TokenBatch
from ..tags import TagSet


def constrain(p: Potentials, tag_set: TagSet, allowed: np.ndarray | None = None) -> Potentials:
    """Forbid illegal tag sequences, and tags that tokens may not have.

    p (Potentials): The scores.
    tag_set (TagSet): The tags.
    allowed (np.ndarray | None): (N, C) bool: the tags that each token may have; None for all.
    RETURNS (Potentials): The scores. Those of forbidden tags and transitions are so low that their
        probability is 0.
    """
    device = p.emissions.device
    mask = None if allowed is None else upload(allowed, device)
    return p.constrained(*_legal(tag_set, device), allowed=mask)


def allowed_tags(docs: Sequence[Doc], tag_set: TagSet, *, keep_ents: bool) -> np.ndarray | None:
    """The tags that each token may have, whatever its neighbours.

    White space neither opens nor closes an entity. Entities that are kept fix the tags of their
    tokens.

    docs (Sequence[Doc]): The documents.
    tag_set (TagSet): The tags.
    keep_ents (bool): Whether to keep existing entities and blocked tokens.
    RETURNS (np.ndarray | None): (N, C) bool, for the tokens of all documents; None if all tags are
        allowed.
    """
    tokens = TokenBatch(docs)
    is_space, iob = tokens.attributes("IS_SPACE", "ENT_IOB").T
    # ENT_IOB is odd for the tokens of entities (I 1, B 3) and for blocked ones (3).
    if not is_space.any() and not (keep_ents and (iob % 2).any()):
        return None
    # O, and the tags that neither open nor close an entity. BIO has no such tag: I may close one.
    inner = ~tag_set.opens & ~(tag_set.continues & tag_set.legal_ends)
    allowed = np.ones((len(is_space), len(tag_set)), dtype=bool)
    allowed[is_space.astype(bool)] = inner
    if keep_ents:
        for doc, end in zip(docs, tokens.lengths.cumsum()):
            _keep_entities(doc, tag_set, allowed[end - len(doc) : end])
    return allowed


def require_span(
    allowed: np.ndarray, tag_set: TagSet, start: int, end: int, label: str | None
) -> None:
    """Allow only tag sequences in which exactly these tokens are an entity.

    allowed (np.ndarray): (N, C) bool, the tags that each token may have; changed in place.
    tag_set (TagSet): The tags.
    start (int): The first token.
    end (int): The token after the last one.
    label (str | None): The entity's label. None if the tag set does not have it; then the tokens
        are O.
    """
    spans = [] if label is None else [(0, end - start, label)]
    allowed[start:end] = False
    allowed[range(start, end), tag_set.from_spans(spans, end - start)] = True
    # In BIO the next token could otherwise continue the entity.
    allowed[end : end + 1, tag_set.continues] = False


def blocked_tokens(doc: Doc) -> list[int]:
    """The tokens that spaCy's `doc.set_ents(blocked=...)` keeps free of entities.

    doc (Doc): The document.
    RETURNS (list[int]): Their positions.
    """
    iob_type = doc.to_array(["ENT_IOB", "ENT_TYPE"])
    return np.flatnonzero((iob_type[:, 0] == 3) & (iob_type[:, 1] == 0)).tolist()


def _keep_entities(doc: Doc, tag_set: TagSet, allowed: np.ndarray) -> None:
    for ent in doc.ents:
        label = ent.label_ if ent.label_ in tag_set.labels else None
        require_span(allowed, tag_set, ent.start, ent.end, label)
    for i in blocked_tokens(doc):
        allowed[i] = False
        allowed[i, 0] = True


@lru_cache
def _legal(tag_set: TagSet, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    return (
        upload(tag_set.legal_starts, device),
        upload(tag_set.legal_transitions, device),
        upload(tag_set.legal_ends, device),
    )
