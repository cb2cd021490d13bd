"""Column files: one token per line, with the token first and the tag last. A blank line ends a
sentence, and a `-DOCSTART-` line starts a document.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.tokens import Doc

from ..util import CorpusError
from .format import MISSING, SPACES, UNANNOTATED, WHITE_SPACE, Format, Predictions
from .source import Source
from .tagged import Tagged, rows_of

DOCSTART = "-DOCSTART-"
LEFT_OUT = "-DOCSTART- lines left out"
# Not str.split(), which would split at an ideographic space, although that is a token.
_SEPARATOR = re.compile(r" *\t *| +")


def recognizes(source: Source) -> bool:
    """Whether a file is one of columns: any text that is not JSON."""
    return not (source.is_binary or source.is_json)


def read(source: Source) -> Iterator[Tagged]:
    """Read the sentences of a column file.

    source (Source): The file.
    YIELDS (Tagged): The sentences.
    RAISES: CorpusError if a line has fewer than two columns, or not as many as the first.
    """
    width = 0
    sentence = Tagged(source.path, 1, lines=range(1, 1))
    for number, line in enumerate(source.lines, 1):
        line = line.rstrip(" \t")
        source.left_out[LEFT_OUT] += line.startswith(DOCSTART)
        if not line or line.startswith(DOCSTART):
            if sentence.tokens:
                yield sentence
            sentence = Tagged(source.path, number + 1, lines=range(number + 1, number + 1))
            continue
        columns = _SEPARATOR.split(line)
        width = width or len(columns)
        if len(columns) < 2:
            raise CorpusError(
                f"expected at least 2 columns, the token first and the tag last, got {line!r}. Add "
                "the missing column, or use `spacy crf annotate` for text without tags.",
                source.path,
                number,
            )
        if len(columns) != width:
            raise CorpusError(
                f"expected {width} columns as in the first line of data, got {len(columns)}: "
                f"{line!r}. Add or remove columns, so that all lines have the same number.",
                source.path,
                number,
            )
        sentence.tokens.append(columns[0])
        sentence.tags.append(columns[-1])
        sentence.lines = range(sentence.line, number + 1)
    if sentence.tokens:
        yield sentence


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write tokens and BIO tags, separated by a tab, and an empty line after each doc.

    path (Path): The file.
    docs (Iterable[Doc]): The docs. White space in tokens is left out.
    predictions (Predictions | None): Not used: columns have no confidences.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for doc in docs:
            for token, tag in rows_of(doc):
                file.write(f"{''.join(token.text.split())}\t{tag}\n")
            file.write("\n")


FORMAT = Format(
    name="columns",
    about="columns of tokens and tags (BIO, IOB1, BIOES, BMES or BILUO)",
    suffix=".tsv",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, SPACES, UNANNOTATED, WHITE_SPACE}),
)
