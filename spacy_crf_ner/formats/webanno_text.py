"""Escapes in WebAnno TSV, as in INCEpTION's `Escaping`, and offsets in UTF-16 units."""

import re

_UNESCAPED = {"t": "\t", "n": "\n", "f": "\f", "r": "\r", "b": "\b"}
_ESCAPED = {char: letter for letter, char in _UNESCAPED.items()}
# \uXXXX is only in version 3.1 and older ones. Later ones have two backslashes before such a u.
_ESCAPE = re.compile(r"\\(->|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_STACKED = re.compile(r"(?:\\.|[^|\\])+")
_VALUE = re.compile(r"(.*?)(?:(?<!\\)\[(\d+)\])?")


def escape_text(text: str) -> str:
    """Escape a line of text or a token.

    text (str): The text.
    RETURNS (str): The text without control characters.
    """
    return re.sub(r"[\\\x00-\x1f]", _escape, text)


def escape_value(value: str) -> str:
    """Escape the value of a feature.

    value (str): The value.
    RETURNS (str): The value, with a backslash before all that has a meaning in the format.
    """
    return re.sub(r"->|[\\\[\]|_;*\x00-\x1f]", _escape, value)


def unescape(text: str) -> str:
    """Undo `escape_text` or `escape_value`.

    text (str): What is in the file.
    RETURNS (str): The text or the value.
    """
    plain = _ESCAPE.sub(_unescape, text)
    # Two \uXXXX may be one character.
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def split_values(cell: str) -> list[tuple[str, str]]:
    """Split the annotations of a token, which are stacked: `PER[1]|ORG`.

    cell (str): What is in a column.
    RETURNS (list[tuple[str, str]]): For each its value, still escaped, and its id or "".
    """
    matches = [_VALUE.fullmatch(value) for value in _STACKED.findall(cell)]
    return [(match[1], match[2] or "") for match in matches if match]


def utf16_length(text: str) -> int:
    """The number of UTF-16 units of a text.

    text (str): The text.
    RETURNS (int): Its length, each character beyond U+FFFF counted as two.
    """
    return len(text) + sum(char > "\uffff" for char in text)


def _escape(match: re.Match[str]) -> str:
    return "\\" + _ESCAPED.get(match[0], match[0])


def _unescape(match: re.Match[str]) -> str:
    escaped = match[1]
    if len(escaped) == 5:
        return chr(int(escaped[1:], 16))
    return _UNESCAPED.get(escaped, escaped)
