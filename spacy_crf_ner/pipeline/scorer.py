"""The registered scorer: entities, their overlaps, and the tags of tokens."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from spacy.pipeline.spancat import spancat_score
from spacy.scorer import get_ner_prf
from spacy.training import Example

from .overlap_scores import score_overlaps
from .token_scores import score_tokens


def make_ner_scorer() -> Callable[..., dict[str, Any]]:
    """RETURNS (Callable): `score`, for the registry of scorers."""
    return score


def score(
    examples: Iterable[Example], *, spans_key: str | None = None, **kwargs: Any
) -> dict[str, Any]:
    """Score entities, their overlaps and the tags of tokens; or spans, as spaCy's `spancat` does.

    examples (Iterable[Example]): The predictions and their reference.
    spans_key (str | None): The key in `doc.spans` of the spans to score. None: `doc.ents`.
    RETURNS (dict[str, Any]): The scores of `score_entities`, `score_tokens` and `score_overlaps`;
        or, as `spacy.spancat_scorer.v1`, `spans_{key}_p`, `spans_{key}_r`, `spans_{key}_f` and
        `spans_{key}_per_type`.
    """
    if spans_key is not None:
        return spancat_score(examples, spans_key=spans_key)
    examples = list(examples)
    return {
        **score_entities(examples, **kwargs),
        **score_tokens(examples),
        **score_overlaps(examples),
    }


def score_entities(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Score entities as spaCy's `ner` does, and add averages over the labels.

    As in spaCy, documents without any entity annotation are left out, and so is what is predicted
    where annotation is missing. The averages are those of seqeval, with one exception: a label that
    was only predicted where annotation is missing is among spaCy's labels, with F1 0. seqeval does
    not know missing annotation.

    examples (Iterable[Example]): The predictions and their reference.
    RETURNS (dict[str, Any]): As `spacy.ner_scorer.v1`, `ents_p`, `ents_r` and `ents_f` over all
        entities and `ents_per_type` for each label; also `ents_macro_p`, `ents_macro_r` and
        `ents_macro_f`, the means over the labels, and `ents_weighted_p`, `ents_weighted_r` and
        `ents_weighted_f`, the means with the numbers of gold entities as weights.
    """
    examples = list(examples)
    scores = get_ner_prf(examples, **kwargs)
    per_type = scores["ents_per_type"]
    support = Counter(ent.label_ for eg in examples for ent in eg.reference.ents)
    uniform = dict.fromkeys(per_type or (), 1)
    for key in ("p", "r", "f"):
        scores[f"ents_macro_{key}"] = _average(per_type, key, uniform)
        scores[f"ents_weighted_{key}"] = _average(per_type, key, support)
    return scores


def _average(
    per_type: dict[str, dict[str, float]] | None, key: str, weights: Mapping[str, int]
) -> float | None:
    if per_type is None:
        return None
    total = sum(weights.values())
    # Without gold entities, all scores are 0.
    return sum(prf[key] * weights[label] for label, prf in per_type.items()) / max(total, 1)
