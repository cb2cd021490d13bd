"""CoNLL-U and CoNLL-U Plus (universaldependencies.org/format.html and ext-format.html).

Tags are in an attribute of MISC, such as Stanza's `ner=` or NorNE's `name=`, or in a column of
CoNLL-U Plus that is named for them. The tokens are the words. But if a multiword range (`1-2`) has
a tag itself, as in Stanza's files, its surface form is a token instead of its words.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc

from ..tags import OUTSIDE
from ..util import CorpusError
from .format import MISSING, UNANNOTATED, WHITE_SPACE, Format, Predictions
from .source import Source
from .tagged import Tagged, is_tag, rows_of

EMPTY_NODES = "empty nodes left out"
COLUMNS = "columns left out"
SUFFIXES = (".conllu", ".conllup")
_COLUMNS = ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"]
_PLUS = re.compile(r"#\s*global\.columns\s*=\s*(.+)")
_ID = re.compile(r"\d+([.-]\d+)?")
_TAG_COLUMN = re.compile(r"(.*[^a-z])?(ner|ne)([^a-z].*)?", re.IGNORECASE)
_ATTRIBUTES = ("ner", "name", "ne", "entity")
_NO_VALUE = ("", "_", "*")


class _Word(NamedTuple):
    """A line: its number, its columns by name, and its attributes in MISC by name in lower case."""

    line: int
    columns: dict[str, str]
    misc: dict[str, str]

    @property
    def id(self) -> str:
        return self.columns.get("ID", "")

    @property
    def is_glued(self) -> bool:
        return self.misc.get("spaceafter") == "No"


def recognizes(source: Source) -> bool:
    """Whether a file is CoNLL-U: by its extension, its first line, or its ten columns."""
    if source.is_binary or source.is_json:
        return False
    if source.suffix in SUFFIXES or _PLUS.match(source.lines[0]):
        return True
    data = next((line for line in source.lines if line and not line.startswith("#")), "")
    columns = data.split("\t")
    if len(columns) != len(_COLUMNS):
        return False
    # A column file may have ten columns too. The seventh is HEAD, the last is MISC.
    has_head = columns[6] == "_" or columns[6].isdecimal()
    return has_head and bool(_ID.fullmatch(columns[0])) and not is_tag(columns[-1])


def read(source: Source) -> Iterator[Tagged]:
    """Read the sentences of a file.

    source (Source): The file.
    YIELDS (Tagged): The sentences.
    RAISES: CorpusError if a line does not have the columns that it should, or there are no tags.
    """
    plus = _PLUS.match(source.lines[0])
    names = plus[1].split() if plus else _COLUMNS
    if "FORM" not in names:
        raise CorpusError("there is no column FORM. Name the words' column so.", source.path, 1)
    sentences = _split(source, names)
    words = [word for sentence in sentences for word in sentence]
    column = next((name for name in names if plus and _TAG_COLUMN.fullmatch(name)), "")
    attribute = "" if column else _find_attribute(source, words)
    source.left_out[COLUMNS] += len(set(names) - {"ID", "FORM", "MISC", column})

    def tag_of(word: _Word) -> str:
        tag = word.columns[column] if column else word.misc.get(attribute, "")
        return "" if tag in _NO_VALUE else tag

    has_spaces = any(word.is_glued for word in words)
    for sentence in sentences:
        tokens, spaces = _choose(source, sentence, tag_of)
        if tokens:
            yield Tagged(
                source.path,
                tokens[0].line,
                [token.columns["FORM"] for token in tokens],
                [tag_of(token) or OUTSIDE for token in tokens],
                [token.line for token in tokens],
                spaces if has_spaces else None,
            )


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write each doc as a sentence, with tags as `NER=` in MISC.

    path (Path): The file.
    docs (Iterable[Doc]): The docs. Tokens that are white space are left out.
    predictions (Predictions | None): Not used: CoNLL-U has no confidences.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, doc in enumerate(docs, 1):
            file.write(f"# sent_id = {number}\n# text = {' '.join(doc.text.split())}\n")
            for i, (token, tag) in enumerate(rows_of(doc), 1):
                follows = doc[token.i + 1 : token.i + 2].text.isspace()
                glued = "" if token.whitespace_ or follows else "|SpaceAfter=No"
                form = " ".join(token.text.split())
                file.write(f"{i}\t{form}" + "\t_" * 7 + f"\tNER={tag}{glued}\n")
            file.write("\n")


def _split(source: Source, names: list[str]) -> list[list[_Word]]:
    """The words of each sentence."""
    sentences: list[list[_Word]] = [[]]
    for number, line in enumerate(source.lines, 1):
        if not line.strip():
            sentences.append([])
        # Without a column of IDs, a "#" may be a word.
        elif not line.startswith("#") or (names[0] != "ID" and line.count("\t") == len(names) - 1):
            sentences[-1].append(_read_word(source, number, line, names))
    return sentences


def _read_word(source: Source, number: int, line: str, names: list[str]) -> _Word:
    values = line.split("\t")
    if len(values) != len(names):
        raise CorpusError(
            f"expected {len(names)} columns, separated by tabs, got {len(values)}: {line!r}. "
            f"The columns are {' '.join(names)}.",
            source.path,
            number,
        )
    columns = dict(zip(names, values))
    if "ID" in columns and not _ID.fullmatch(columns["ID"]):
        raise CorpusError(
            f"expected an ID such as 1, 1-2 or 1.1, got {columns['ID']!r}. Number the words.",
            source.path,
            number,
        )
    pairs = (pair.partition("=") for pair in columns.get("MISC", "").split("|"))
    return _Word(number, columns, {key.lower(): value for key, _, value in pairs})


def _find_attribute(source: Source, words: list[_Word]) -> str:
    for name in _ATTRIBUTES:
        if any(is_tag(word.misc.get(name, "")) for word in words):
            return name
    raise CorpusError(
        "there are no entity tags. They are looked for in the column MISC, such as NER=B-PER, with "
        "one of the names NER, name, NE and Entity; or in a column of CoNLL-U Plus with NER or NE "
        "in its name. Name them so.",
        source.path,
    )


def _choose(
    source: Source, sentence: list[_Word], tag_of: Callable[[_Word], str]
) -> tuple[list[_Word], list[bool]]:
    """The words or surface forms that are tokens, and whether a space follows each."""
    tokens: list[_Word] = []
    spaces: list[bool] = []
    # The last words of the range that is a token itself, and of the one whose words are tokens.
    taken = within = 0
    space_after = True
    for word in sentence:
        if "." in word.id:
            source.left_out[EMPTY_NODES] += 1
            continue
        last = int(word.id.rpartition("-")[2] or 0)
        if "-" in word.id and not tag_of(word):
            within, space_after = last, not word.is_glued
            continue
        if 0 < last <= taken:
            continue
        space = not word.is_glued
        if "-" in word.id:
            taken = last
        elif 0 < last <= within:
            space = last == within and space_after
        tokens.append(word)
        spaces.append(space)
    return tokens, spaces


FORMAT = Format(
    name="conllu",
    about="CoNLL-U",
    suffix=".conllu",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, UNANNOTATED, WHITE_SPACE}),
)
