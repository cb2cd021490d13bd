"""Texts to annotate: one text per line, or JSON with "text"."""

from collections.abc import Iterator

from .source import Source

_SHAPE = '{"text": "..."}'


def read_texts(source: Source) -> Iterator[str]:
    """Read texts without their annotation. Blank lines are skipped.

    source (Source): The file. Its extension may give the format.
    YIELDS (str): The texts.
    RAISES: CorpusError if JSON contains anything but objects with "text".
    """
    if not source.is_json:
        yield from (line for line in source.lines if line.strip())
        return
    for line, entry in source.objects:
        yield source.text_of(entry, "text", line, _SHAPE)
