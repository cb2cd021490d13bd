"""What a corpus format is to the rest of the program."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from spacy.tokens import Doc, Span

from .record import Record
from .source import Source
from .tagged import Tagged

# What a format may not be able to hold.
TOKENS = "tokens"
SPACES = "spaces between tokens"
WHITE_SPACE = "white space in tokens and labels"
MISSING = "missing annotation within documents"
UNANNOTATED = "documents without annotation"


class Predictions(NamedTuple):
    """Says that entities were predicted, not annotated.

    model (str): The name and version of the pipeline.
    confidence (Callable[[Span], float | None]): The confidence of an entity, if it has one.
    """

    model: str
    confidence: Callable[[Span], float | None]


class Write(Protocol):
    """Writes docs to a file."""

    def __call__(
        self, path: Path, docs: Iterable[Doc], predictions: Predictions | None = None
    ) -> None:
        """Write.

        path (Path): The file, or the folder for a format that is one.
        docs (Iterable[Doc]): The docs.
        predictions (Predictions | None): If the entities are predictions, where they come from.
        """


@dataclass(frozen=True)
class Format:
    """A corpus format.

    name (str): Its name for `--format` and `--to`.
    about (str): What it is, in a few words.
    suffix (str): The extension of the files written; "" if it is written to a folder.
    recognizes (Callable[[Source], bool]): Whether a file has the format, judged by its content.
    read (Callable[[Source], Iterator[Record | Tagged]]): Reads its documents.
    write (Write): Writes documents.
    loses (frozenset[str]): What it cannot hold: `TOKENS`, `SPACES`, `WHITE_SPACE`,
        `MISSING`, `UNANNOTATED`.
    has_confidences (bool): Whether it holds the confidences of predictions.
    """

    name: str
    about: str
    suffix: str
    recognizes: Callable[[Source], bool]
    read: Callable[[Source], Iterator[Record | Tagged]]
    write: Write
    loses: frozenset[str]
    has_confidences: bool = False


def is_annotated(doc: Doc) -> bool:
    """Whether a doc is annotated, be it without entities.

    doc (Doc): The doc.
    RETURNS (bool): Whether any of its tokens is.
    """
    return doc.has_annotation("ENT_IOB")
