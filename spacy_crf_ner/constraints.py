"""What a document says beforehand of the tags its tokens may have."""

from typing import List, Optional, Sequence

import numpy as np
from spacy.tokens import Doc

from .tags import TagSet


def allowed_tags(docs: Sequence[Doc], tag_set: TagSet, *, keep_ents: bool) -> Optional[np.ndarray]:
    """The tags that each token may have, besides what may follow what: white space opens and
    closes no entity, and entities that are to be kept leave no choice.

    docs (Sequence[Doc]): The documents.
    tag_set (TagSet): The tags.
    keep_ents (bool): Whether entities that are there, and tokens blocked for them, stay so.
    RETURNS (Optional[np.ndarray]): (tokens of all documents, tags) bool; None if all are allowed.
    """
    arrays = [doc.to_array(["IS_SPACE", "ENT_IOB"]) for doc in docs]
    # ENT_IOB is odd for the tokens of entities (I 1, B 3) and for blocked ones (3).
    if not any(a[:, 0].any() or (keep_ents and (a[:, 1] % 2).any()) for a in arrays):
        return None
    # O, and what is neither first nor last in an entity. In BIO there is none: I may be last.
    inner = ~tag_set.opens & ~(tag_set.continues & tag_set.legal_ends)
    parts = []
    for doc, array in zip(docs, arrays):
        allowed = np.ones((len(doc), len(tag_set)), dtype=bool)
        allowed[array[:, 0].astype(bool)] = inner
        if keep_ents:
            _keep_entities(doc, tag_set, allowed)
        parts.append(allowed)
    return np.concatenate(parts)


def blocked_tokens(doc: Doc) -> List[int]:
    """The tokens that spaCy's `doc.set_ents(blocked=...)` keeps free of entities.

    doc (Doc): The document.
    RETURNS (List[int]): Their positions.
    """
    iob_type = doc.to_array(["ENT_IOB", "ENT_TYPE"])
    return np.flatnonzero((iob_type[:, 0] == 3) & (iob_type[:, 1] == 0)).tolist()


def _keep_entities(doc: Doc, tag_set: TagSet, allowed: np.ndarray) -> None:
    for ent in doc.ents:
        spans = [(0, len(ent), ent.label_)] if ent.label_ in tag_set.labels else []
        allowed[ent.start : ent.end] = False
        allowed[range(ent.start, ent.end), tag_set.from_spans(spans, len(ent))] = True
        # Under BIO the next token could otherwise go on with the entity.
        allowed[ent.end : ent.end + 1, tag_set.continues] = False
    for i in blocked_tokens(doc):
        allowed[i] = False
        allowed[i, 0] = True
