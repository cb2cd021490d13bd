"""The errors of a pipeline as the page's browser of errors shows them."""

from collections.abc import Iterable, Sequence
from typing import Any

from spacy.tokens import Doc

from .mentions import Mention, Mentions
from .pairs import Pair

MAX_ERRORS = 5000
# Characters shown on both sides of an error, and of the error itself.
CONTEXT = 100
LONGEST = 400


def select_errors(pairs: Iterable[Pair]) -> list[Pair]:
    """The errors, the one that the component is most certain of first.

    pairs (Iterable[Pair]): All entities.
    RETURNS (list[Pair]): The errors; in the order of the corpus if there are no probabilities.
    """
    errors = [pair for pair in pairs if pair.kind != "correct"]
    return sorted(errors, key=lambda pair: -(pair.certainty or 0.0))


def describe_errors(
    errors: Iterable[Pair], mentions: Sequence[Mentions], docs: Sequence[Doc]
) -> list[dict[str, Any]]:
    """Describe errors, each with some text around it.

    errors (Iterable[Pair]): The errors.
    mentions (Sequence[Mentions]): The entities of each document.
    docs (Sequence[Doc]): The gold documents.
    RETURNS (list[dict[str, Any]]): For each error the number of its document "document", from 1;
        its "kind", "labels" and "certainty"; the "text" around it, and whether it is "cut" at its
        start and its end; and the entities in it, "gold" and "found", each with its first
        character, the one after the last, its label, its probability and whether it is the error.
    """
    return [_describe(pair, mentions[pair.document], docs[pair.document].text) for pair in errors]


def _describe(pair: Pair, mentions: Mentions, text: str) -> dict[str, Any]:
    spans = [m.span for m in (pair.gold, pair.found) if m is not None]
    start, end = min(s.start_char for s in spans), max(s.end_char for s in spans)
    low, high = max(0, start - CONTEXT), min(len(text), min(end, start + LONGEST) + CONTEXT)
    certainty = pair.certainty
    return {
        "document": pair.document + 1,
        "kind": pair.kind,
        "labels": sorted({span.label_ for span in spans}),
        "certainty": None if certainty is None else round(certainty, 4),
        "text": text[low:high],
        "cut": [low > 0, high < len(text)],
        "gold": _within(low, high, mentions.gold, pair.gold),
        "found": _within(low, high, mentions.found, pair.found),
    }


def _within(
    low: int, high: int, mentions: Iterable[Mention], error: Mention | None
) -> list[tuple[int, int, str, float | None, bool]]:
    """The entities in a part of a text, by their place in it."""
    return [
        (
            max(m.span.start_char, low) - low,
            min(m.span.end_char, high) - low,
            m.span.label_,
            None if m.probability is None else round(m.probability, 4),
            m is error,
        )
        for m in mentions
        if m.span.start_char < high and m.span.end_char > low
    ]
