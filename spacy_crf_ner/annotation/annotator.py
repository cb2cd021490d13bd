"""Annotation of one part after another, with a pipeline that is loaded once."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import raise_error

from ..formats.format import Predictions
from ..pipeline.component import crf_pipes
from .outputs import Output
from .parts import Part, Reader, Reject, Row


class Result(NamedTuple):
    """What became of the records of a part.

    documents (int): How many were annotated.
    characters (int): The length of their texts.
    rejects (list[Reject]): The others.
    """

    documents: int
    characters: int
    rejects: list[Reject]


class Annotator:
    """A pipeline between an input and an output format.

    A document that fails costs none of its neighbours: they are tried again, one by one.

    nlp (Language): The pipeline.
    reader (Reader): The input.
    output (Output): The output format.
    batch_size (int): The number of documents in a batch.
    """

    def __init__(self, nlp: Language, reader: Reader, output: Output, batch_size: int) -> None:
        self._nlp = nlp
        self._reader = reader
        self._output = output
        self._batch_size = batch_size
        self._added = add_confidences(nlp) if output.has_confidences else []
        self._confidence = describe(nlp).confidence

    def annotate(self, part: Part, path: Path) -> Result:
        """Annotate the records of a part. Memory does not grow from part to part.

        part (Part): The part.
        path (Path): The file to write.
        RETURNS (Result): What became of the records.
        """
        records = list(self._reader.rows(part))
        rejects = [each for each in records if isinstance(each, Reject)]
        rows = [each for each in records if isinstance(each, Row)]
        kept: dict[int, Any] = {}
        # Documents cannot be used after the zone.
        with self._nlp.memory_zone():
            for doc, i in self._pipe(rows):
                with suppress(Exception):
                    kept[i] = self._take(rows[i], doc)
            self._nlp.set_error_handler(raise_error)
            for i in sorted(set(range(len(rows))) - set(kept)):
                # Whatever is wrong with one document, the others can still be annotated.
                try:
                    kept[i] = self._take(rows[i], self._nlp(rows[i].text))
                except Exception as error:
                    reason = f"{type(error).__name__}: {error}"
                    rejects.append(Reject.of_fields(rows[i].line, reason, rows[i].fields))
            self._output.write(path, [kept.pop(i) for i in range(len(rows)) if i in kept])
        characters = sum(len(row.text) for row in rows)
        return Result(len(records) - len(rejects), characters, sorted(rejects, key=_line_of))

    def _pipe(self, rows: list[Row]) -> Iterator[tuple[Doc, int]]:
        """The documents and the numbers of their rows, without those that fail, and maybe without
        their neighbours."""
        self._nlp.set_error_handler(_skip)
        docs = self._tokenize(rows)
        # Not every component asks the error handler.
        with suppress(Exception):
            yield from self._nlp.pipe(docs, as_tuples=True, batch_size=self._batch_size)

    def _tokenize(self, rows: list[Row]) -> Iterator[tuple[Doc, int]]:
        for i, row in enumerate(rows):
            with suppress(Exception):
                yield self._nlp.make_doc(row.text), i

    def _take(self, row: Row, doc: Doc) -> Any:
        kept = self._output.take(row, doc, self._confidence)
        for key in self._added:
            doc.spans.pop(key, None)
        return kept


def add_confidences(nlp: Language) -> list[str]:
    """Make a pipeline compute confidences, which it only does if something asks for them.

    nlp (Language): The pipeline.
    RETURNS (list[str]): The keys in `doc.spans` that it will set, and did not before.
    """
    pipes = {name: pipe for name, pipe in crf_pipes(nlp).items() if pipe.spans_key is None}
    for name, pipe in pipes.items():
        pipe.spans_key = name
    return list(pipes)


def describe(nlp: Language) -> Predictions:
    """What to say of the predictions of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (Predictions): Its name and version, and the confidences of its entities.
    """
    attributes = [pipe.extension for pipe in crf_pipes(nlp).values()]

    def confidence(span: Span) -> float | None:
        return next(filter(None, (span._.get(name) for name in attributes)), None)

    return Predictions(f"{nlp.meta['name']} {nlp.meta['version']}", confidence)


# spaCy's type says that handlers raise an error; its documentation has one that does not.
def _skip(name: str, component: Any, docs: list[Doc], error: Exception) -> Any:
    """The error handler that leaves documents out of the stream."""


def _line_of(reject: Reject) -> int:
    return reject.line
