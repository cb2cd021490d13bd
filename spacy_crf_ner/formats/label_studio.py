"""Label Studio's JSON and JSON-MIN exports, told apart by "data", and its import format, which is
the JSON one (labelstud.io/guide/task_format, /guide/export and /guide/predictions; JSON-MIN as
HumanSignal/label-studio-converter writes it).

The mention in `value.text` is what the browser showed: a line break is a backslash and an n, and
several spaces may be one. Offsets count characters, but in older versions UTF-16 units, which makes
a difference after an emoji or a rare character.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, Span

from ..util import CorpusError
from .format import MISSING, TOKENS, Format, Predictions, is_annotated
from .mentions import Mention, check_mentions, from_utf16, leave_out
from .record import REJECTED, SECOND_ANNOTATION, UTF_16, Record
from .source import Source

_SHAPE = (
    '{"data": {"text": "..."}, "annotations": [{"result": [{"type": "labels", "value": '
    '{"start": START, "end": END, "text": "...", "labels": ["LABEL"]}}]}]}'
)
# The tags' names in Label Studio's template for named entities.
_FROM_NAME, _TO_NAME = "label", "text"
# What JSON-MIN adds to the data, if it is a string.
_ABOUT = ("created_at", "updated_at", "annotator")


def recognizes(source: Source) -> bool:
    """Whether a file has tasks with "data", or JSON-MIN's regions."""
    return source.is_json and any(
        isinstance(value, dict) and (isinstance(value.get("data"), dict) or _min_regions(value))
        for _, value in source.entries
    )


def read(source: Source) -> Iterator[Record]:
    """Read tasks. Of several annotations of one, the first that was not cancelled is used.

    source (Source): The file.
    YIELDS (Record): One record per task.
    RAISES: CorpusError if a task has another structure, or if its text or a mention is not found.
    """
    read_before: dict[Any, Record] = {}
    for line, entry in source.objects:
        if isinstance(entry.get("data"), dict):
            record = _read_task(
                source, line, entry["data"], *_choose_annotation(source, line, entry)
            )
            if record:
                yield record
        elif entry.get("id") in read_before:
            # JSON-MIN has one object for each annotation.
            read_before[entry["id"]].note(SECOND_ANNOTATION, f"in line {line}")
        else:
            record = _read_task(source, line, entry, _min_regions(entry))
            if record:
                if "id" in entry:
                    read_before[entry["id"]] = record
                yield record


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write tasks for import, with annotations or predictions.

    path (Path): The file.
    docs (Iterable[Doc]): The docs.
    predictions (Predictions | None): Their model and confidences, if they were predicted.
    """
    tasks = (_to_task(number, doc, predictions) for number, doc in enumerate(docs))
    lines = (json.dumps(task, ensure_ascii=False) for task in tasks)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[\n" + ",\n".join(lines) + "\n]\n")


def _choose_annotation(
    source: Source, line: int, task: dict[str, Any]
) -> tuple[list[dict[str, Any]] | None, int]:
    """The results of the annotation to use, if there is one, and the number of the others."""
    # "completions" and "skipped" are what annotations and cancelled ones were once called.
    annotations = task.get("annotations", task.get("completions", []))
    try:
        used = [a for a in annotations if not (a.get("was_cancelled") or a.get("skipped"))]
        regions = list(used[0]["result"]) if used else None
    except (AttributeError, KeyError, TypeError):
        raise _wrong_shape(source, line) from None
    leave_out(source, task, {"predictions": "predictions", "drafts": "drafts"})
    return regions, len(annotations) - len(used[:1])


def _min_regions(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The regions of a JSON-MIN object, as the results that they were made of."""
    return [
        {"type": "labels", "value": value}
        for values in entry.values()
        if isinstance(values, list)
        for value in values
        if isinstance(value, dict) and "start" in value and "labels" in value
    ]


def _read_task(
    source: Source,
    line: int,
    data: dict[str, Any],
    regions: list[dict[str, Any]] | None,
    unused: int = 0,
) -> Record | None:
    """A task with the results of its annotation, unless that was cancelled."""
    try:
        types = [region["type"] for region in regions or []]
        labelled = [region for region in regions or [] if region["type"] == "labels"]
        to_names = dict.fromkeys(region.get("to_name") for region in labelled)
        mentions = [
            Mention(value["start"], value["end"], label, value.get("text"))
            for value in (region["value"] for region in labelled)
            for label in value["labels"]
        ]
    except (AttributeError, KeyError, TypeError):
        raise _wrong_shape(source, line) from None
    source.left_out.update(f"{kind} results left out" for kind in types if kind != "labels")
    text = _find_text(source, line, data, to_names)
    if regions is None and unused:
        source.note(REJECTED, line, "the annotation was cancelled", text=text)
        return None
    fitted = (_fit(text, mention) for mention in mentions)
    spans = check_mentions(source, line, text, fitted, _SHAPE)
    record = Record(text, None if regions is None else spans, source.path, line)
    for _ in range(unused):
        record.note(SECOND_ANNOTATION, "in the same task")
    for before, span in zip(mentions, spans):
        if before[:2] != span[:2]:
            record.note_span(UTF_16, span)
    return record


def _find_text(source: Source, line: int, data: dict[str, Any], to_names: Iterable[Any]) -> str:
    texts = {k: v for k, v in data.items() if isinstance(v, str) and k not in _ABOUT}
    for key in (*to_names, _TO_NAME, *(texts if len(texts) == 1 else ())):
        if key in texts:
            return texts[key]
    raise CorpusError(
        f"cannot tell which of {', '.join(map(repr, texts)) or 'no strings'} is the text. Name its "
        f"key 'text'. Expected {_SHAPE}.",
        source.path,
        line,
    )


def _fit(text: str, mention: Mention) -> Mention:
    """Count a mention's offsets in characters, and ignore that its white space may differ."""
    start, end, label, own = mention
    if not (isinstance(start, int) and isinstance(end, int) and isinstance(own, str)):
        return mention
    if _is_like(text[start:end], own):
        return Mention(start, end, label)
    first, last = from_utf16(text, start), from_utf16(text, end)
    return Mention(first, last, label) if _is_like(text[first:last], own) else mention


def _is_like(found: str, own: str) -> bool:
    return _squeeze(found) == _squeeze(own)


def _squeeze(text: str) -> str:
    return "".join(text.replace("\\n", "\n").split())


def _wrong_shape(source: Source, line: int) -> CorpusError:
    return CorpusError(f"the task has the wrong shape. Expected {_SHAPE}.", source.path, line)


def _to_task(number: int, doc: Doc, predictions: Predictions | None) -> dict[str, Any]:
    task: dict[str, Any] = {"data": {"text": doc.text}}
    if not is_annotated(doc):
        return task
    regions = [_to_region(f"{number}-{i}", ent) for i, ent in enumerate(doc.ents)]
    if predictions is None:
        return {**task, "annotations": [{"result": regions}]}
    prediction: dict[str, Any] = {"model_version": predictions.model, "result": regions}
    for ent, region in zip(doc.ents, regions):
        score = predictions.confidence(ent)
        if score is not None:
            region["score"] = float(score)
            # Label Studio sorts tasks by it: the one with the most doubtful entity comes first.
            prediction["score"] = min(region["score"], prediction.get("score", 1.0))
    return {**task, "predictions": [prediction]}


def _to_region(name: str, ent: Span) -> dict[str, Any]:
    place = {"start": ent.start_char, "end": ent.end_char, "text": ent.text}
    return {
        "id": name,
        "from_name": _FROM_NAME,
        "to_name": _TO_NAME,
        "type": "labels",
        "value": {**place, "labels": [ent.label_]},
    }


FORMAT = Format(
    name="label-studio",
    about="Label Studio's JSON",
    suffix=".json",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, TOKENS}),
    has_confidences=True,
)
