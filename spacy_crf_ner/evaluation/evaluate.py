"""Scores of a pipeline on a labelled corpus."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..pipeline.component import crf_pipes
from ..pipeline.scorer import score
from .calibration import Bin, expected_calibration_error, reliability

Progress = Callable[[Iterable[Doc], int], Iterable[Doc]]


def evaluate(
    nlp: Language, examples: Sequence[Example], progress: Progress = lambda docs, _: docs
) -> dict[str, Any]:
    """Run a pipeline over a labelled corpus and score its entities.

    nlp (Language): The pipeline. Its `crf_ner` components, if any, compute confidences from now on.
    examples (Sequence[Example]): The corpus; the predicted documents are replaced.
    progress (Progress): Given the documents and their number, shows progress over them.
    RETURNS (dict[str, Any]): The scores of `pipeline.scorer.score`; "ents_support", the number of
        gold entities of each label; "docs", "words" and "words_per_second"; and if a `crf_ner` sets
        `doc.ents`, "calibration" with the expected calibration error "ece" and the "bins".
    """
    key = _write_confidences(nlp)
    start = time.perf_counter()
    docs = nlp.pipe([eg.predicted for eg in examples])
    for eg, doc in zip(examples, progress(docs, len(examples))):
        eg.predicted = doc
    seconds = time.perf_counter() - start
    words = sum(len(eg.predicted) for eg in examples)
    scores = {
        **score(examples),
        "ents_support": Counter(ent.label_ for eg in examples for ent in eg.reference.ents),
        "docs": len(examples),
        "words": words,
        "words_per_second": words / seconds if words else None,
    }
    if key is not None:
        bins = _reliability(examples, key)
        scores["calibration"] = {"ece": expected_calibration_error(bins), "bins": bins}
    return scores


def _write_confidences(nlp: Language) -> str | None:
    """Turn confidences on. Returns the key in `doc.spans` of the last `crf_ner` that sets
    `doc.ents`; None without any."""
    key = None
    for name, pipe in crf_pipes(nlp).items():
        if pipe.annotate_ents:
            key = pipe.spans_key = pipe.spans_key or name
    return key


def _reliability(examples: Sequence[Example], key: str) -> list[Bin]:
    found: list[tuple[float, bool]] = []
    for eg in examples:
        if eg.reference.has_annotation("ENT_IOB"):
            spans = eg.predicted.spans[key]
            gold = {(ent.start_char, ent.end_char, ent.label) for ent in eg.reference.ents}
            correct = [(span.start_char, span.end_char, span.label) in gold for span in spans]
            found += zip(spans.attrs["scores"].tolist(), correct)
    return reliability(*zip(*found)) if found else reliability([], [])
