"""The columns of OntoNotes in CoNLL-2012 (conll.cemantix.org/2012/data.html): the word is the
fourth, and the eleventh has the entities as brackets: `(PERSON*`, `*)`, `(GPE)`. A line `#begin
document` starts a document, and a blank line ends a sentence.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.tokens import Doc

from ..tags import OUTSIDE, Span
from ..util import CorpusError
from .format import MISSING, SPACES, UNANNOTATED, WHITE_SPACE, Format, Predictions
from .record import Record
from .source import Source
from .tagged import rows_of

COLUMNS = "columns left out"
_BEGIN = "#begin document"
_END = "#end document"
_WORD = 3
_ENTITY = 10
_CELL = re.compile(r"(\([^()*]+|\*|\))+|-")
_BRACKET = re.compile(r"\([^()*]+|\)")


def recognizes(source: Source) -> bool:
    """Whether a file begins with the line that starts a document."""
    if source.is_binary or source.is_json:
        return False
    return next((line for line in source.lines if line.strip()), "").startswith(_BEGIN)


def read(source: Source) -> Iterator[Record]:
    """Read the sentences of all documents.

    source (Source): The file.
    YIELDS (Record): The sentences. Nested entities are among their spans.
    RAISES: CorpusError if a line has too few columns, or the brackets of a sentence do not match.
    """
    sentence: list[tuple[int, list[str]]] = []
    widest = 0
    for number, line in enumerate([*source.lines, ""], 1):
        if not line.strip() or line.startswith((_BEGIN, _END)):
            if sentence:
                yield _read_sentence(source, sentence)
            sentence = []
            continue
        columns = line.split()
        if len(columns) <= _ENTITY:
            raise CorpusError(
                f"expected at least {_ENTITY + 1} columns, the word in column {_WORD + 1} and the "
                f"entity in column {_ENTITY + 1}, got {len(columns)}: {line!r}. Add the missing "
                "columns.",
                source.path,
                number,
            )
        sentence.append((number, columns))
        widest = max(widest, len(columns))
    source.left_out[COLUMNS] += max(0, widest - 2)


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write each doc as a document of one sentence. What is not known is "-".

    path (Path): The file.
    docs (Iterable[Doc]): The docs. White space in tokens is left out.
    predictions (Predictions | None): Not used: the format has no confidences.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, doc in enumerate(docs, 1):
            file.write(f"{_BEGIN} (doc{number}); part 000\n")
            rows = rows_of(doc)
            for i, (token, tag) in enumerate(rows):
                is_last = not (i + 1 < len(rows) and rows[i + 1][1].startswith("I-"))
                opening = f"({tag[2:]}" if tag.startswith("B-") else ""
                closing = ")" if is_last and tag != OUTSIDE else ""
                entity = f"{opening}{closing}" if opening and closing else f"{opening}*{closing}"
                word = "".join(token.text.split())
                columns = [f"doc{number}", "0", str(i), word, *"-" * 6, entity, "-"]
                file.write("\t".join(columns) + "\n")
            file.write(f"\n{_END}\n")


def _read_sentence(source: Source, sentence: list[tuple[int, list[str]]]) -> Record:
    spans: list[Span] = []
    opened: list[tuple[int, str]] = []
    for i, (number, columns) in enumerate(sentence):
        cell = columns[_ENTITY]
        if not _CELL.fullmatch(cell):
            raise CorpusError(
                f"expected an entity such as (PERSON*, *, *) or (GPE) in column {_ENTITY + 1}, got "
                f"{cell!r}. Correct it.",
                source.path,
                number,
            )
        for bracket in _BRACKET.findall(cell):
            if bracket != ")":
                opened.append((i, bracket[1:]))
            elif opened:
                start, label = opened.pop()
                spans.append((start, i + 1, label))
            else:
                raise _unbalanced(source, number, cell, "closes no entity. Add the opening one")
    if opened:
        number, columns = sentence[opened[0][0]]
        cell = columns[_ENTITY]
        raise _unbalanced(
            source, number, cell, "is not closed in its sentence. Add the closing one"
        )
    words = [columns[_WORD] for _, columns in sentence]
    lines = [number for number, _ in sentence]
    return Record(words, spans, source.path, lines[0], lines=lines)


def _unbalanced(source: Source, line: int, cell: str, problem: str) -> CorpusError:
    return CorpusError(f"a bracket in {cell!r} {problem}.", source.path, line)


FORMAT = Format(
    name="conll2012",
    about="the columns of CoNLL-2012",
    suffix=".conll",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, SPACES, UNANNOTATED, WHITE_SPACE}),
)
