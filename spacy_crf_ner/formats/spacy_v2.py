"""What spaCy 2 was trained on (v2.spacy.io/api/annotation): its JSON format, with a BILUO tag for
each token, and the simple style, with character offsets. NER annotators on the web also write the
simple style, as `{"classes": [...], "annotations": [...]}`.

As in spaCy, the annotation of a token is missing if its tag is "-" or is not there, and that of a
text is missing if there is no "entities".
"""

from collections.abc import Callable, Iterator
from typing import Any

from ..tags import OUTSIDE
from ..util import CorpusError
from .mentions import Mention, check_mentions, leave_out
from .record import Record
from .source import Source
from .tagged import SCHEMES, Tagged, to_record

SHAPE = '["...", {"entities": [[START, END, "LABEL"], ...]}]'
_PARAGRAPH = '{"raw": "...", "sentences": [{"tokens": [{"orth": "...", "ner": "U-LABEL"}, ...]}]}'
_SCHEME = "BILUO"
_LEFT_OUT = {"cats": "document classes"}
_MISSING = "-"


def recognizes(value: Any) -> bool:
    """Whether a JSON value is training data of spaCy 2.

    value (Any): The value of a line, or an element of an array.
    RETURNS (bool): Whether it is.
    """
    return _is_pair(value) or bool(_paragraphs(value)) or bool(_pairs(value))


def read(source: Source, line: int, value: Any) -> Iterator[Record]:
    """Read a JSON value that was recognized.

    source (Source): The file.
    line (int): The line that the value starts in.
    value (Any): The value.
    YIELDS (Record): One record per text.
    RAISES: CorpusError if a text has another structure, or offsets or tags are wrong.
    """
    if _is_pair(value):
        yield _read_pair(source, line, *value)
    for paragraph in _paragraphs(value):
        yield _read_paragraph(source, line, paragraph)
    for pair in _pairs(value):
        if pair is None:
            source.left_out["texts that were not annotated left out"] += 1
        else:
            yield _read_pair(source, line, *pair)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], dict)
    )


def _paragraphs(value: Any) -> list[Any]:
    # Paragraphs without sentences are those of SQuAD.
    return _list_of(
        value, "paragraphs", lambda each: isinstance(each, dict) and "sentences" in each
    )


def _pairs(value: Any) -> list[Any]:
    return _list_of(value, "annotations", lambda each: each is None or _is_pair(each))


def _list_of(value: Any, key: str, fits: Callable[[Any], bool]) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) and all(map(fits, found)) else []


def _read_pair(source: Source, line: int, text: str, annotation: dict[str, Any]) -> Record:
    leave_out(source, annotation, _LEFT_OUT)
    entities = annotation.get("entities")
    if entities is None:
        return Record(text, None, source.path, line)
    try:
        mentions = [Mention(start, end, label) for start, end, label in entities]
    except (TypeError, ValueError):
        raise CorpusError(
            f"'entities' has the wrong shape. Expected {SHAPE}.", source.path, line
        ) from None
    return Record(text, check_mentions(source, line, text, mentions, SHAPE), source.path, line)


def _read_paragraph(source: Source, line: int, paragraph: dict[str, Any]) -> Record:
    leave_out(source, paragraph, _LEFT_OUT)
    try:
        tokens = [token for sentence in paragraph["sentences"] for token in sentence["tokens"]]
        words: list[str] = [token["orth"] for token in tokens]
        tags: list[str] = [token.get("ner") or _MISSING for token in tokens]
        spaces = [token.get("space") for token in tokens]
        # This fails if one is not a string.
        "".join([*words, *tags])
    except (AttributeError, KeyError, TypeError):
        raise CorpusError(
            f"the paragraph has the wrong shape. Expected {_PARAGRAPH}.", source.path, line
        ) from None
    raw = paragraph.get("raw")
    if isinstance(raw, str) and None in spaces:
        spaces = _find_spaces(source, line, raw, words)
    sentence = Tagged(
        source.path,
        line,
        words,
        [OUTSIDE if tag == _MISSING else _check_tag(source, line, tag) for tag in tags],
        spaces=None if None in spaces else [bool(space) for space in spaces],
    )
    record = to_record(sentence, _SCHEME)
    record.unknown = [(i, i + 1) for i, tag in enumerate(tags) if tag == _MISSING]
    if len(record.unknown) == len(tags):
        record.spans, record.unknown = None, []
    return record


def _check_tag(source: Source, line: int, tag: str) -> str:
    letter, _, label = tag.partition("-")
    if tag != OUTSIDE and not (label and letter in tuple(SCHEMES[_SCHEME])):
        raise CorpusError(
            f"the tag {tag!r} is not {OUTSIDE}, {_MISSING} or one of B-, I-, L- and U- with a "
            "label. Correct the tag.",
            source.path,
            line,
        )
    return tag


def _find_spaces(source: Source, line: int, raw: str, words: list[str]) -> list[bool]:
    """Whether a space follows each token in the text."""
    spaces, position = [], 0
    for word in words:
        start = raw.find(word, position)
        if start < 0 or raw[position:start].strip():
            break
        position = start + len(word)
        spaces.append(raw[position : position + 1] == " ")
        position += spaces[-1]
    if len(spaces) < len(words) or raw[position:].strip():
        raise CorpusError(
            "the tokens do not make up the text in 'raw', which goes on with "
            f"{raw[position : position + 20]!r} after {len(spaces)} tokens. Correct the tokens, or "
            "remove 'raw'.",
            source.path,
            line,
        )
    return spaces
