"""The formats, told apart by content."""

from ..util import CorpusError
from . import (
    brat,
    cluener,
    columns,
    conll2012,
    conllu,
    docbin,
    doccano,
    huggingface,
    label_studio,
    prodigy,
    spacy_json,
    webanno,
)
from .format import Format
from .source import Source

# In the order in which they are tried. The last two take any JSON and any text.
FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        docbin.FORMAT,
        brat.FORMAT,
        label_studio.FORMAT,
        doccano.FORMAT,
        prodigy.FORMAT,
        spacy_json.FORMAT,
        huggingface.FORMAT,
        conllu.FORMAT,
        conll2012.FORMAT,
        webanno.FORMAT,
        cluener.FORMAT,
        columns.FORMAT,
    )
}


def find_format(source: Source) -> Format:
    """Tell the format of a file by its content.

    source (Source): The file.
    RETURNS (Format): The format.
    RAISES: CorpusError if it has no known format.
    """
    for each in FORMATS.values():
        if each.recognizes(source):
            return each
    raise CorpusError(f"the format is not known. Known are {', '.join(FORMATS)}.", source.path)


def get_format(name: str) -> Format:
    """The format with a name.

    name (str): The name.
    RETURNS (Format): The format.
    RAISES: ValueError if there is none.
    """
    if name not in FORMATS:
        raise ValueError(f"There is no format {name!r}. There are {', '.join(FORMATS)}.")
    return FORMATS[name]
