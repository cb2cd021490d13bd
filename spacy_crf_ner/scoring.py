"""How predictions are scored: entities that match in start, end and label."""

from typing import Any, Callable, Dict, Iterable

from spacy.scorer import get_ner_prf
from spacy.training import Example


def make_ner_scorer() -> Callable[..., Dict[str, Any]]:
    """RETURNS (Callable): `score_entities`, for the registry of scorers."""
    return score_entities


def score_entities(examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
    """Score entities as spaCy's `ner` does, and their macro average.

    Documents without any entity annotation are left out, as there.

    examples (Iterable[Example]): The predictions and their reference.
    RETURNS (Dict[str, Any]): `ents_p`, `ents_r`, `ents_f` over all entities, `ents_per_type` for
        each label, as `spacy.ner_scorer.v1`; and `ents_macro_f`, the mean F1 of the labels.
    """
    scores = get_ner_prf(examples, **kwargs)
    per_type = scores["ents_per_type"]
    macro = sum(s["f"] for s in per_type.values()) / len(per_type) if per_type else None
    return {**scores, "ents_macro_f": macro}
