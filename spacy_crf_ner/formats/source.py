"""A corpus file before it is read: its lines or JSON values, with what had to be repaired in it."""

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..util import BYTE_ORDER_MARK, UTF16_MARKS, CorpusError, decode_lines
from .record import GLUED, Note

JSON_SUFFIXES = (".json", ".jsonl")
# A brace or bracket may also be the first token of a column file, but not before a quote, another
# brace or the end of the line.
JSON_START = re.compile(r'\s*(\{\s*("|$)|\[\s*([{\["]|\]|$))')
_INVISIBLE = re.compile(r"[\s\ufeff\u200b-\u200d\u2060]+")
_WHITE_SPACE = re.compile(r"[ \t\r\n]*")


class Entry(NamedTuple):
    """A JSON value of a file: a line of JSON lines, or an element of an array.

    line (int): The line that it starts in, from 1.
    value (Any): The value.
    """

    line: int
    value: Any


class Source:
    """A corpus file, or a folder that is one corpus file to its tool.

    path (str | Path): Its path. Errors and notes name it.
    data (bytes): Its content; empty for a folder.
    notes (list[Note]): What was repaired in the file, or skipped with a whole document.
    left_out (Counter[str]): Counts of what is not part of the corpus, such as "comments left out".
    marked (set[int]): The numbers of the lines within that began with a byte order mark.
    """

    def __init__(self, path: str | Path, data: bytes) -> None:
        self.path = path
        self.data = data
        self.notes: list[Note] = []
        self.left_out: Counter[str] = Counter()
        self.marked: set[int] = set()

    @classmethod
    def open(cls, path: Path) -> "Source":
        """Read a file.

        path (Path): The file or folder.
        RETURNS (Source): The source.
        RAISES: CorpusError if there is no such file.
        """
        if path.is_dir():
            return cls(path, b"")
        if not path.is_file():
            raise CorpusError("there is no such file. Check the path.", path)
        return cls(path, path.read_bytes())

    @property
    def suffix(self) -> str:
        """The extension, in lower case, with its dot."""
        return Path(self.path).suffix.lower()

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return Path(self.path).is_dir()

    @property
    def is_binary(self) -> bool:
        """Whether it is not a text file, or a folder."""
        # UTF-16 is text, although not text that can be read: `lines` says what to do about it.
        binary = b"\0" in self.data[:1000] and not self.data.startswith(UTF16_MARKS)
        return self.is_folder or binary or self.suffix == ".spacy"

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without line endings and byte order marks.

        Files that were glued together have byte order marks within. These are removed and noted,
        and so are lines of nothing but invisible characters other than blanks and tabs.

        RAISES: CorpusError if the content is empty or not UTF-8.
        """
        lines = decode_lines(self.data, self.path)
        for i, line in enumerate(lines):
            if line.startswith(BYTE_ORDER_MARK):
                line = line.lstrip(BYTE_ORDER_MARK)
                self.note(GLUED, i + 1, "a byte order mark")
                self.marked.add(i + 1)
            # A blank line may have blanks and tabs, but only by mistake anything else.
            if _INVISIBLE.fullmatch(line) and line.strip(" \t"):
                self.note(GLUED, i + 1, f"a line of invisible characters: {line!r}")
                line = ""
            lines[i] = line
        return lines

    @cached_property
    def is_json(self) -> bool:
        """Whether it is JSON or JSON lines, judged by the extension or else by the content."""
        if self.is_binary:
            return False
        first = next((line for line in self.lines if line.strip()), "")
        return self.suffix in JSON_SUFFIXES or bool(JSON_START.match(first))

    @cached_property
    def entries(self) -> list[Entry]:
        """The JSON values: one for each line, or the elements of an array.

        RAISES: CorpusError for what is not JSON, for an object with the same key twice, for half of
            a surrogate pair, and for hundreds of brackets in each other.
        """
        try:
            return self._read_entries()
        except RecursionError:
            raise CorpusError(
                "the JSON has too many brackets within brackets. Is it a corpus?", self.path
            ) from None

    def _read_entries(self) -> list[Entry]:
        filled = [(number, line) for number, line in enumerate(self.lines, 1) if line.strip()]
        # One line alone may be an array of all documents. Otherwise each line is a document.
        if not _is_complete(filled[0][1]) or (len(filled) == 1 and filled[0][1].lstrip()[0] == "["):
            return list(self._values())
        return [Entry(number, self._parse(line, number)) for number, line in filled]

    @property
    def objects(self) -> list[Entry]:
        """The JSON values, all of which must be objects.

        RAISES: CorpusError if one is something else.
        """
        for line, value in self.entries:
            if not isinstance(value, dict):
                raise CorpusError(
                    f"a JSON {type(value).__name__}, not an object. Write each document on a line "
                    "of its own, e.g. with `jq -c '.[]'`.",
                    self.path,
                    line,
                )
        return self.entries

    def some(self, **kinds: type) -> bool:
        """Whether a JSON object has these keys, with values of these types.

        kinds (type): The type of each key's value.
        RETURNS (bool): Whether any object of the file does.
        """
        return self.is_json and any(
            isinstance(value, dict)
            and all(isinstance(value.get(key), kind) for key, kind in kinds.items())
            for _, value in self.entries
        )

    def note(self, kind: str, line: int, detail: str, **reject: Any) -> None:
        """Add a note on the file itself.

        kind (str): What was done.
        line (int): Where.
        detail (str): What it was done to.
        reject (Any): The `text` and the `span` that were skipped, if any.
        """
        self.notes.append(Note(kind, self.path, line, detail, **reject))

    def text_of(self, entry: dict[str, Any], key: str, line: int, shape: str) -> str:
        """A text of a JSON object.

        entry (dict[str, Any]): The object.
        key (str): The key of the text.
        line (int): The line.
        shape (str): What the object should look like, for the error.
        RETURNS (str): The text.
        RAISES: CorpusError if there is none.
        """
        text = entry.get(key)
        if not isinstance(text, str):
            what = f"'{key}' is not a string" if key in entry else f"there is no '{key}'"
            raise CorpusError(f"{what}. Expected {shape}.", self.path, line)
        return text

    def _values(self) -> Iterator[Entry]:
        """JSON values of one line or more, in an array or one after the other."""
        text = "\n".join(self.lines)
        starts = [0, *(match.end() for match in re.finditer("\n", text))]
        position, in_array = 0, False
        while (position := _skip(text, position)) < len(text):
            line = bisect_right(starts, position)
            if not in_array and text[position] == "[":
                position, in_array = position + 1, True
            elif in_array and text[position] in ",]":
                in_array = text[position] == ","
                position += 1
            else:
                try:
                    value, position = _DECODER.raw_decode(text, position)
                except ValueError as error:
                    at = bisect_right(starts, error.pos) if hasattr(error, "pos") else line
                    raise self._not_json(error, at) from None
                yield Entry(line, self._check(value, line))
        if in_array:
            raise CorpusError(
                "the JSON array has no end: a closing bracket is missing. Is the file complete?",
                self.path,
                bisect_right(starts, len(text.rstrip())),
            )

    def _parse(self, line: str, number: int) -> Any:
        try:
            return self._check(_DECODER.decode(line), number)
        except CorpusError:
            raise
        except ValueError as error:
            raise self._not_json(error, number) from None

    def _not_json(self, error: ValueError, line: int) -> CorpusError:
        if not isinstance(error, json.JSONDecodeError):
            return CorpusError(str(error), self.path, line)
        return CorpusError(
            f"not a JSON object ({error.msg} at column {error.colno}). Write each document on a "
            "line of its own, e.g. with `jq -c`.",
            self.path,
            line,
        )

    def _check(self, value: Any, line: int) -> Any:
        if _has_surrogate(value):
            raise CorpusError(
                "a text contains half of a surrogate pair, which is not a character. Remove it.",
                self.path,
                line,
            )
        return value


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; json itself would silently keep only the last of two equal keys."""
    built = dict(pairs)
    if len(built) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice!r} occurs twice in one JSON object. Merge the two.")
    return built


_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys)


def _is_complete(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _skip(text: str, position: int) -> int:
    """The position of the next character that is no white space."""
    return _WHITE_SPACE.match(text, position).end()  # type: ignore[union-attr]


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, dict):
        return any(_has_surrogate(key) or _has_surrogate(each) for key, each in value.items())
    return isinstance(value, list) and any(map(_has_surrogate, value))
