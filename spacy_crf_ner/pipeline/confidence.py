"""`ent._.confidence`: the probability of an entity, kept on its document."""

from functools import partial
from typing import Any

from spacy.tokens import Span

# The name of the extension attribute, unless a setting says otherwise.
NAME = "confidence"


def add_extension(name: str) -> None:
    """Have spans say their confidence by an extension attribute.

    Confidences are kept where spaCy keeps the values of extensions of spans, so that
    `Doc.from_docs`, `Doc.to_json`, DocBins and pickles take them along; but for each label, which
    spaCy does not tell apart.

    name (str): The name of the attribute.
    RAISES: ValueError if it is taken by an attribute that computes something else.
    """
    if Span.has_extension(name):
        default, method, getter, _ = Span.get_extension(name)
        if isinstance(getter, partial) and getter.func is get_confidence:
            return
        # A plain one, as `Doc.from_json` adds it, may be replaced: it holds the same.
        if not default is method is getter is None:
            raise ValueError(
                f"Spans have another extension attribute '{name}' already. Set `extension` of "
                "crf_ner to a name that is free."
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
    RETURNS (float | None): The probability that it is an entity of its label, None if it is not
        known.
    """
    user_data: dict[Any, Any] = span.doc.user_data
    values = user_data.get(_key(span, name))
    # Documents that were stored by earlier versions have a number.
    return values.get(span.label_) if isinstance(values, dict) else values


def set_confidence(span: Span, value: float | dict[str, float | None] | None, *, name: str) -> None:
    """Keep the confidence of a span.

    span (Span): The span.
    value (float | dict[str, float | None] | None): The probability of its label; or of
        each label, as it is kept and as `Doc.from_json` sets it.
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
