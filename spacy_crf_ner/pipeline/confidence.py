"""`ent._.confidence`: the probability of an entity, stored on its document."""

from functools import partial
from typing import Any

from spacy.tokens import Span

# The default name of the extension attribute.
NAME = "confidence"


def add_extension(name: str) -> None:
    """Add the extension attribute for the confidence of spans.

    Confidences are stored where spaCy stores the extension values of spans, so that
    `Doc.from_docs`, `Doc.to_json`, DocBins and pickles keep them. There is one value for each
    label, because spaCy does not distinguish spans of the same tokens with different labels.

    name (str): The name of the attribute.
    RAISES: ValueError if the name is already used for something else.
    """
    if Span.has_extension(name):
        default, method, getter, _ = Span.get_extension(name)
        if isinstance(getter, partial) and getter.func is get_confidence:
            return
        # `Doc.from_json` adds a plain attribute, which holds the same values. It can be replaced.
        if not default is method is getter is None:
            raise ValueError(
                f"Spans already have another extension attribute '{name}'. Set `extension` of "
                "crf_ner to a name that is not used."
            )
    Span.set_extension(
        name,
        getter=partial(get_confidence, name=name),
        setter=partial(set_confidence, name=name),
        force=True,
    )


def get_confidence(span: Span, *, name: str) -> float | None:
    """The confidence of a span.

    span (Span): The span.
    name (str): The name of the attribute.
    RETURNS (float | None): The probability that the span is an entity with its label; None if it is
        unknown.
    """
    user_data: dict[Any, Any] = span.doc.user_data
    values = user_data.get(_key(span, name))
    # Documents stored by earlier versions have a single number.
    return values.get(span.label_) if isinstance(values, dict) else values


def set_confidence(span: Span, value: float | dict[str, float | None] | None, *, name: str) -> None:
    """Store the confidence of a span.

    span (Span): The span.
    value (float | dict[str, float | None] | None): The probability for the span's label; or a dict
        with the probability for each label, which `Doc.from_json` sets.
    name (str): The name of the attribute.
    """
    data: dict[Any, Any] = span.doc.user_data
    key = _key(span, name)
    if isinstance(value, dict):
        data[key] = value
    else:
        kept = data.get(key)
        data[key] = {**(kept if isinstance(kept, dict) else {}), span.label_: value}


def _key(span: Span, name: str) -> tuple[str, str, int, int]:
    return "._.", name, span.start_char, span.end_char
