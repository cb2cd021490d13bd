"""Prodigy's JSON lines, as `prodigy db-out` writes and `prodigy db-in` reads them
(prodi.gy/docs/api-interfaces). A task has a text, spans with character offsets, and an answer.

With `ner` and `spans`, the annotator accepts or rejects the spans that are shown: the rest of the
text is unknown. With `ner_manual` and `spans_manual`, the spans are all that there are.

The tokens are not read: they are those of the tokenizer that Prodigy ran with, or single characters
if it ran with `--highlight-chars`, and a pipeline should be trained on the tokens of its own.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..tags import Span
from ..util import CorpusError
from .format import MISSING, TOKENS, Format, Predictions, is_annotated
from .json_lines import write_json_lines
from .mentions import Mention, check_mentions, leave_out
from .record import REJECTED, Record
from .source import Source

_SHAPE = (
    '{"text": "...", "spans": [{"start": START, "end": END, "label": "LABEL"}], "answer": "accept"}'
)
_ANSWERS = ("accept", "reject", "ignore")
_BINARY_VIEWS = ("ner", "spans")
# In these, a task without spans has no mentions. Other tasks without spans ask for something else.
_MANUAL_VIEWS = ("ner_manual", "spans_manual", "relations")
# Other annotation of a task, and what it is.
_LEFT_OUT = {"relations": "relations", "accept": "chosen options", "versions": "versions"}


def recognizes(source: Source) -> bool:
    """Whether a file has tasks: texts with an answer or with objects as spans."""
    return source.is_json and any(
        isinstance(value, dict)
        and isinstance(value.get("text"), str)
        and (value.get("answer") in _ANSWERS or _are_spans(value.get("spans")))
        for _, value in source.entries
    )


def read(source: Source) -> Iterator[Record]:
    """Read tasks. Those that were rejected or ignored are skipped.

    source (Source): The file.
    YIELDS (Record): One record per accepted task, and per task without an answer.
    RAISES: CorpusError if a task has another structure, or offsets are out of range.
    """
    for line, entry in source.objects:
        text = source.text_of(entry, "text", line, _SHAPE)
        answer = entry.get("answer", "accept")
        if answer not in _ANSWERS:
            raise CorpusError(
                f"the answer {answer!r} is none of {', '.join(_ANSWERS)}.", source.path, line
            )
        if answer != "accept":
            source.note(REJECTED, line, f"the answer is {answer!r}", text=text)
            continue
        leave_out(source, entry, _LEFT_OUT)
        record = Record(text, _read_spans(source, line, entry), source.path, line)
        if entry.get("_is_binary", entry.get("_view_id") in _BINARY_VIEWS):
            record.unknown = _gaps(record.spans or [], len(text))
        yield record


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write docs as JSON lines: annotated ones as accepted, others and predictions as tasks to do.

    path (Path): The file.
    docs (Iterable[Doc]): The docs.
    predictions (Predictions | None): Their model and confidences, if they were predicted.
    """
    write_json_lines(path, (_to_task(doc, predictions) for doc in docs))


def _are_spans(spans: Any) -> bool:
    return isinstance(spans, list) and any(
        isinstance(span, dict) and "start" in span and "end" in span for span in spans
    )


def _read_spans(source: Source, line: int, entry: dict[str, Any]) -> list[Span] | None:
    if "spans" not in entry:
        is_manual = "answer" in entry and entry.get("_view_id", "ner_manual") in _MANUAL_VIEWS
        return [] if is_manual else None
    try:
        mentions = [
            Mention(span["start"], span["end"], span["label"], span.get("text"))
            for span in entry["spans"]
        ]
    except (AttributeError, KeyError, TypeError):
        raise CorpusError(
            f"'spans' has the wrong shape. Expected {_SHAPE}.", source.path, line
        ) from None
    return check_mentions(source, line, entry["text"], mentions, _SHAPE)


def _gaps(spans: list[Span], length: int) -> list[tuple[int, int]]:
    """The parts of a text between spans."""
    gaps, position = [], 0
    for start, end, _ in sorted(spans):
        if position < start:
            gaps.append((position, start))
        position = max(position, end)
    return [*gaps, (position, length)] if position < length else gaps


def _to_task(doc: Doc, predictions: Predictions | None) -> dict[str, Any]:
    task: dict[str, Any] = {
        "text": doc.text,
        "tokens": [
            {
                "text": token.text,
                "start": token.idx,
                "end": token.idx + len(token),
                "id": token.i,
                "ws": bool(token.whitespace_),
            }
            for token in doc
        ],
    }
    if not is_annotated(doc):
        return task
    task["spans"] = [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            # The last token, not the one after it.
            "token_start": ent.start,
            "token_end": ent.end - 1,
            "label": ent.label_,
        }
        for ent in doc.ents
    ]
    if predictions is None:
        return {**task, "_is_binary": False, "_view_id": "ner_manual", "answer": "accept"}
    for ent, span in zip(doc.ents, task["spans"]):
        span["source"] = predictions.model
        score = predictions.confidence(ent)
        if score is not None:
            span["score"] = float(score)
    return task


FORMAT = Format(
    name="prodigy",
    about="Prodigy's JSON lines",
    suffix=".jsonl",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, TOKENS}),
    has_confidences=True,
)
