"""Scores of the tags of tokens, which many publications and scripts report."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from ..tags import MISSING, Scheme, TagSet, make_tag_set
from .gold import gold_tags


def score_tokens(examples: Iterable[Example], *, scheme: Scheme = "BIOES") -> dict[str, Any]:
    """Score the tags of tokens. "O" is a tag like the others, as for scikit-learn.

    These scores are higher than those of entities: most tokens are outside of entities, and a
    partly correct entity has some correct tokens. Tokens without annotation are left out, and so
    are those of gold entities that do not begin and end where predicted tokens do.

    examples (Iterable[Example]): The predictions and their reference.
    scheme (Scheme): The tags to write the entities as: "BIOES" or "BIO".
    RETURNS (dict[str, Any]): `ents_token_acc`, the share of tokens with the correct tag;
        `ents_token_per_type`, the precision "p", the recall "r" and the F1 "f" of each tag that
        occurs in the predictions or the reference; `ents_token_macro_f`, the mean of these F1;
        `ents_token_weighted_f`, their mean with the tags of the reference as weights. All are None
        without annotation.
    """
    examples = list(examples)
    tag_set = make_tag_set(_labels(examples), scheme)
    gold, found = _tags(examples, tag_set)
    if not gold.size:
        keys = ("acc", "macro_f", "weighted_f", "per_type")
        return {f"ents_token_{key}": None for key in keys}
    in_gold, in_found, correct = (
        np.bincount(tags, minlength=len(tag_set)) for tags in (gold, found, gold[gold == found])
    )
    # No tag of a kind: its score is 0.
    p = correct / np.maximum(in_found, 1)
    r = correct / np.maximum(in_gold, 1)
    f = 2 * correct / np.maximum(in_found + in_gold, 1)
    used = np.flatnonzero(in_found + in_gold)
    return {
        "ents_token_acc": float(correct.sum() / gold.size),
        "ents_token_macro_f": float(f[used].mean()),
        "ents_token_weighted_f": float(np.average(f, weights=in_gold)),
        "ents_token_per_type": {
            tag_set.tags[i]: {"p": float(p[i]), "r": float(r[i]), "f": float(f[i])} for i in used
        },
    }


def _labels(examples: list[Example]) -> tuple[str, ...]:
    docs = (doc for eg in examples for doc in (eg.predicted, eg.reference))
    return tuple(sorted({ent.label_ for doc in docs for ent in doc.ents}))


def _tags(examples: list[Example], tag_set: TagSet) -> tuple[np.ndarray, np.ndarray]:
    """The gold and the predicted tag ids of all tokens with annotation."""
    gold = np.concatenate([np.zeros(0, "i8"), *(gold_tags(eg, tag_set) for eg in examples)])
    found = [tag for eg in examples for tag in _predicted_tags(eg.predicted, tag_set)]
    known = gold != MISSING
    return gold[known], np.array(found, dtype="i8")[known]


def _predicted_tags(doc: Doc, tag_set: TagSet) -> list[int]:
    return tag_set.from_spans([(ent.start, ent.end, ent.label_) for ent in doc.ents], len(doc))
