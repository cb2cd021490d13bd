"""Column files: one token per line, with its tag in one of the columns. A blank line ends a
sentence, and a `-DOCSTART-` line starts a document.

The tags are in the last column that has tags, as in CoNLL 2003 (Tjong Kim Sang and De Meulder
2003). The tokens are in the first other column that does not merely number the tokens of each
sentence, as the first one does in GermEval 2014 (Benikova et al. 2014). Lines that start with "#"
and have no tag are comments. In the Weibo corpus (Peng and Dredze 2015), each character is followed
by its position in the word.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc

from ..util import CorpusError
from .format import MISSING, SPACES, UNANNOTATED, WHITE_SPACE, Format, Predictions
from .record import WORD_POSITIONS
from .source import Source
from .tagged import Tagged, is_tag, rows_of

DOCSTART = "-DOCSTART-"
LEFT_OUT = "-DOCSTART- lines left out"
COMMENTS = "comments left out"
COLUMNS = "columns left out"
TAG_COLUMNS = "columns of tags left out"
# Not str.split(), which would split at an ideographic space, although that is a token.
_SEPARATOR = re.compile(r" *\t *| +")
_COMMENT = re.compile(r"#[ \t]")
_WITH_POSITION = re.compile(r"(.)(\d+)")


class _Row(NamedTuple):
    """A line of data: its number, the line itself and its columns."""

    number: int
    line: str
    columns: list[str]


def recognizes(source: Source) -> bool:
    """Whether a file is one of columns: any text that is not JSON."""
    return not (source.is_binary or source.is_json)


def read(source: Source) -> Iterator[Tagged]:
    """Read the sentences of a column file.

    source (Source): The file.
    YIELDS (Tagged): The sentences.
    RAISES: CorpusError if a line has fewer than two columns, or not as many as the first.
    """
    sentences = _split(source)
    width = _find_width(sentences)
    rows = [row.columns for sentence in sentences for row in sentence if len(row.columns) == width]
    with_tags = [i for i in range(width) if 2 * sum(is_tag(row[i]) for row in rows) > len(rows)]
    tag = with_tags[-1] if with_tags else width - 1
    sentences = [_without_comments(source, each, width, tag) for each in sentences]
    sentences = [sentence for sentence in sentences if sentence]
    _check_width(source, sentences, width)
    others = [i for i in range(width) if i != tag]
    token = next((i for i in others if not _is_index(sentences, i)), others[0]) if others else 0
    source.left_out[TAG_COLUMNS] += len({*with_tags} - {tag, token})
    source.left_out[COLUMNS] += len({*others} - {*with_tags, token})
    tokens = _without_positions(source, [[row.columns[token] for row in s] for s in sentences])
    for sentence, words in zip(sentences, tokens):
        tags = [row.columns[tag] for row in sentence]
        lines = [row.number for row in sentence]
        yield Tagged(source.path, lines[0], words, tags, lines)


def _split(source: Source) -> list[list[_Row]]:
    """The rows of each sentence."""
    sentences: list[list[_Row]] = [[]]
    for number, line in enumerate(source.lines, 1):
        line = line.rstrip(" \t")
        if number in source.marked and _SEPARATOR.match(line):
            # The byte order mark was a token of its own, where another file begins.
            line = ""
        source.left_out[LEFT_OUT] += line.startswith(DOCSTART)
        if line and not line.startswith(DOCSTART):
            sentences[-1].append(_Row(number, line, _SEPARATOR.split(line)))
        elif sentences[-1]:
            sentences.append([])
    return sentences


def _find_width(sentences: list[list[_Row]]) -> int:
    """The number of columns, as in the first line that is no comment."""
    rows = [row for sentence in sentences for row in sentence]
    first = next((row for row in rows if not _COMMENT.match(row.line)), rows[0] if rows else None)
    return len(first.columns) if first else 0


def _without_comments(source: Source, sentence: list[_Row], width: int, tag: int) -> list[_Row]:
    def is_comment(row: _Row) -> bool:
        is_data = len(row.columns) == width and is_tag(row.columns[tag])
        return bool(_COMMENT.match(row.line)) and not is_data

    kept = [row for row in sentence if not is_comment(row)]
    source.left_out[COMMENTS] += len(sentence) - len(kept)
    return kept


def _check_width(source: Source, sentences: list[list[_Row]], width: int) -> None:
    for row in (row for sentence in sentences for row in sentence):
        if len(row.columns) < 2:
            raise CorpusError(
                f"expected at least 2 columns, one of them with tags, got {row.line!r}. Add the "
                "missing column, or use `spacy crf annotate` for text without tags.",
                source.path,
                row.number,
            )
        if len(row.columns) != width:
            raise CorpusError(
                f"expected {width} columns as in the first line of data, got {len(row.columns)}: "
                f"{row.line!r}. Add or remove columns, so that all lines have the same number.",
                source.path,
                row.number,
            )


def _is_index(sentences: list[list[_Row]], column: int) -> bool:
    """Whether a column counts the tokens of each sentence from 1."""
    return all(
        row.columns[column] == str(i) for sentence in sentences for i, row in enumerate(sentence, 1)
    )


def _without_positions(source: Source, sentences: list[list[str]]) -> list[list[str]]:
    """Characters without their positions in words, if all tokens of the file have one."""
    characters = []
    for tokens in sentences:
        last = -1
        for token in tokens:
            match = _WITH_POSITION.fullmatch(token)
            if not match or int(match[2]) not in (0, last + 1):
                return sentences
            last = int(match[2])
        characters.append([token[0] for token in tokens])
    if characters:
        first = sentences[0][0]
        source.note(WORD_POSITIONS, 1, f"in all tokens, e.g. {first!r} read as {first[0]!r}")
    return characters


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
