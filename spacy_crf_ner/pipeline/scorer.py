"""Scores of predicted entities, by start, end and label, and of the tags of tokens."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from spacy.pipeline.spancat import spancat_score
from spacy.scorer import get_ner_prf
from spacy.training import Example

from .gold import biluo_tags


def make_ner_scorer() -> Callable[..., dict[str, Any]]:
    """RETURNS (Callable): `score`, for the registry of scorers."""
    return score


def score(
    examples: Iterable[Example], *, spans_key: str | None = None, **kwargs: Any
) -> dict[str, Any]:
    """Score entities and the tags of tokens; or spans, as spaCy's `spancat` does.

    examples (Iterable[Example]): The predictions and their reference.
    spans_key (str | None): The key in `doc.spans` of the spans to score. None: `doc.ents`.
    RETURNS (dict[str, Any]): The scores of `score_entities` and `score_tokens`; or, as
        `spacy.spancat_scorer.v1`, `spans_{key}_p`, `spans_{key}_r`, `spans_{key}_f` and
        `spans_{key}_per_type`.
    """
    if spans_key is not None:
        return spancat_score(examples, spans_key=spans_key)
    examples = list(examples)
    return {**score_entities(examples, **kwargs), **score_tokens(examples)}


def score_entities(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Score entities as spaCy's `ner` does, and add the macro average.

    As in spaCy, documents without any entity annotation are left out.

    examples (Iterable[Example]): The predictions and their reference.
    RETURNS (dict[str, Any]): As `spacy.ner_scorer.v1`, `ents_p`, `ents_r` and `ents_f` over all
        entities and `ents_per_type` for each label; also `ents_macro_f`, the mean F1 of the labels.
    """
    scores = get_ner_prf(examples, **kwargs)
    per_type = scores["ents_per_type"]
    macro = sum(s["f"] for s in per_type.values()) / len(per_type) if per_type else None
    return {**scores, "ents_macro_f": macro}


def score_tokens(examples: Iterable[Example]) -> dict[str, float | None]:
    """Score the BIOES tags of tokens, as many publications do.

    These scores are higher than those of entities: most tokens are outside of entities, and a
    partly correct entity has some correct tokens. Tokens without annotation are left out.

    examples (Iterable[Example]): The predictions and their reference.
    RETURNS (dict[str, float | None]): `ents_token_acc`, the share of tokens with the correct
        tag, and `ents_token_macro_f`, the mean F1 of the tags that occur in the predictions or the
        reference. Both are None without annotation.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for eg in examples:
        found = biluo_tags(Example(eg.predicted, eg.predicted))
        pairs.update((gold, tag or "O") for gold, tag in zip(biluo_tags(eg), found) if gold)
    if not pairs:
        return {"ents_token_acc": None, "ents_token_macro_f": None}
    in_gold: Counter[str] = Counter()
    in_found: Counter[str] = Counter()
    for (gold, tag), count in pairs.items():
        in_gold[gold] += count
        in_found[tag] += count
    tags = in_gold.keys() | in_found.keys()
    f1 = [2 * pairs[tag, tag] / (in_gold[tag] + in_found[tag]) for tag in sorted(tags)]
    right = sum(pairs[tag, tag] for tag in tags)
    return {
        "ents_token_acc": right / sum(pairs.values()),
        "ents_token_macro_f": sum(f1) / len(f1),
    }
