"""WebAnno TSV 3 of WebAnno and INCEpTION, as in INCEpTION's user guide ("WebAnno TSV 3.3 File
format") and in its code (`Tsv3XDeserializer`): a line for each token, and a column for each feature
of each layer. The entities are the layer NamedEntity, or else the only layer of spans with a value.
Each sentence is a document. Offsets count UTF-16 units.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spacy.tokens import Doc

from ..util import CorpusError
from .format import MISSING, UNANNOTATED, WHITE_SPACE, Format, Predictions
from .record import CROSSING, MISALIGNED, NO_LABEL, Record
from .source import Source
from .webanno_layers import LAYER, Column, find_column
from .webanno_sentence import Sentence, Token, to_record
from .webanno_text import escape_text, escape_value, split_values, unescape, utf16_length

_FORMAT = "#FORMAT=WebAnno TSV 3"
_TEXT = "#Text="
_UNIT = re.compile(r"\d+-\d+(\.\d+)?")
_OFFSETS = re.compile(r"\d+-\d+")
_NO_ANNOTATION = "_"
_NO_VALUE = "*"


@dataclass
class _Mention:
    """Its label, its tokens in each sentence, and whether it has only a part of one."""

    label: str
    tokens: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    has_part: bool = False

    @property
    def skip(self) -> str:
        """The reason why it cannot be used, if there is one."""
        if self.label == _NO_VALUE:
            return NO_LABEL
        if len(self.tokens) > 1:
            return CROSSING
        return MISALIGNED if self.has_part else ""


def recognizes(source: Source) -> bool:
    """Whether a file begins with the name and the version of the format."""
    return not (source.is_binary or source.is_json) and source.lines[0].startswith(_FORMAT)


def read(source: Source) -> Iterator[Record]:
    """Read the sentences of a file.

    source (Source): The file.
    YIELDS (Record): The sentences.
    RAISES: CorpusError if there is no layer of entities, or a line is not as it should be.
    """
    sentences, mentions = _parse(source, find_column(source))
    made = [to_record(source, sentence) for sentence in sentences]
    for mention in mentions:
        parts = {
            i: (made[i].positions[min(tokens)], made[i].positions[max(tokens)] + 1)
            for i, tokens in mention.tokens.items()
        }
        first = min(parts)
        span = (*parts[first], unescape(mention.label))
        if mention.skip:
            made[first].record.note_span(mention.skip, span)
            for i, part in parts.items():
                made[i].record.unknown.append(part)
        else:
            made[first].spans.append(span)
    yield from (record for record, _, _ in made)


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write each doc as a sentence, with entities in the layer NamedEntity.

    path (Path): The file.
    docs (Iterable[Doc]): The docs. Tokens that are white space are only in the text, not at its
        rims.
    predictions (Predictions | None): Not used: the layer has no confidences.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{_FORMAT}.3\n#T_SP={LAYER}|value\n\n")
        start = n_sentences = n_mentions = 0
        for doc in docs:
            tokens = [token for token in doc if not token.is_space]
            if not tokens:
                continue
            n_sentences += 1
            values: dict[int, str] = {}
            for ent in doc.ents:
                inner = [token.i for token in ent if not token.is_space]
                n_mentions += len(inner) > 1
                suffix = f"[{n_mentions}]" if len(inner) > 1 else ""
                values.update(dict.fromkeys(inner, escape_value(ent.label_) + suffix))
            text = doc.text
            last = tokens[-1].idx + len(tokens[-1])
            # INCEpTION takes one empty line between sentences, no more, and none at the end.
            file.write("\n")
            for line in text[tokens[0].idx : last].split("\n"):
                file.write(f"{_TEXT}{escape_text(line)}\n")
            position = tokens[0].idx
            for n, token in enumerate(tokens, 1):
                start += utf16_length(text[position : token.idx])
                end = start + utf16_length(token.text)
                value = values.get(token.i, _NO_ANNOTATION)
                form = escape_text(token.text)
                file.write(f"{n_sentences}-{n}\t{start}-{end}\t{form}\t{value}\t\n")
                position, start = token.idx + len(token), end
            # For the line break that INCEpTION puts between sentences.
            start += 1


def _parse(source: Source, column: Column) -> tuple[list[Sentence], list[_Mention]]:
    sentences: list[Sentence] = []
    mentions: dict[str, _Mention] = {}
    for number, line in enumerate(source.lines, 1):
        if line.startswith(_TEXT):
            if not sentences or sentences[-1].tokens:
                sentences.append(Sentence())
            sentences[-1].texts.append(unescape(line.removeprefix(_TEXT)))
        if line.startswith("#") or not line.strip():
            continue
        cells = _split(source, number, line, column)
        is_part = "." in cells[0]
        if not sentences or (is_part and not sentences[-1].tokens):
            raise CorpusError("there is no '#Text=' before it. Add it.", source.path, number)
        if not is_part:
            start, end = map(int, cells[1].split("-"))
            sentences[-1].tokens.append(Token(number, start, end, cells[2]))
        if cells[column.position] == _NO_ANNOTATION:
            continue
        for i, (label, id) in enumerate(split_values(cells[column.position])):
            mention = mentions.setdefault(id or f"line {number}, {i}", _Mention(label))
            mention.tokens[len(sentences) - 1].append(len(sentences[-1].tokens) - 1)
            mention.has_part |= is_part
    return [sentence for sentence in sentences if sentence.tokens], list(mentions.values())


def _split(source: Source, number: int, line: str, column: Column) -> list[str]:
    cells = line.split("\t")
    is_unit = (
        len(cells) >= column.width and _UNIT.fullmatch(cells[0]) and _OFFSETS.fullmatch(cells[1])
    )
    if not is_unit:
        raise CorpusError(
            f"expected at least {column.width} columns, separated by tabs, the first such as 1-1 "
            f"and the second such as 0-4, got {line!r}. Export the file again.",
            source.path,
            number,
        )
    return cells


FORMAT = Format(
    name="webanno",
    about="WebAnno TSV 3 (INCEpTION)",
    suffix=".tsv",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset({MISSING, UNANNOTATED, WHITE_SPACE}),
)
