"""The layers that the header of a WebAnno TSV file declares, and which of them has the entities."""

from typing import NamedTuple

from ..util import CorpusError
from .source import Source

LAYER = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
COLUMNS = "columns left out"
# The first columns of each line: number, offsets, token.
FIRST_COLUMN = 3
_SPANS = "#T_SP="
_HEADER = ("#FORMAT=", "#T_")
# The layers of parts of speech, lemmas etc.
_OF_TOKENS = (
    "de.tudarmstadt.ukp.dkpro.core.api.lexmorph.",
    "de.tudarmstadt.ukp.dkpro.core.api.segmentation.",
)
_VALUE = "value"


class Column(NamedTuple):
    """A column of a file.

    position (int): Its position in a line, from 0.
    width (int): The number of columns of the file.
    """

    position: int
    width: int


def find_column(source: Source) -> Column:
    """Find the column of the entities' labels. The other columns are counted.

    source (Source): The file.
    RETURNS (Column): The column.
    RAISES: CorpusError if there is none, or there are several.
    """
    layers: dict[str, dict[str, int]] = {}
    width = FIRST_COLUMN
    for line in source.lines:
        if not line.startswith(_HEADER):
            break
        name, *features = line.partition("=")[2].split("|")
        features = [feature for feature in features if feature]
        if line.startswith(_SPANS) and not name.startswith(_OF_TOKENS):
            layers[name] = {feature: width + i for i, feature in enumerate(features)}
        if line.startswith("#T_"):
            # A layer without features has a column too.
            width += len(features) or 1
    named = {name for name in layers if name.rpartition(".")[2] == "NamedEntity"}
    with_value = {name for name, features in layers.items() if _VALUE in features}
    with_one = {name for name, features in layers.items() if len(features) == 1}
    found = named or with_value or with_one
    if len(found) != 1:
        raise CorpusError(
            "which layer has the entities is not clear: expected the layer NamedEntity, or only "
            f"one layer of spans with the feature 'value', got {', '.join(layers) or 'none'}. "
            "Remove the other layers from the project before the export.",
            source.path,
            1,
        )
    features_of = layers[found.pop()]
    if _VALUE not in features_of and len(features_of) != 1:
        raise CorpusError(
            "the layer NamedEntity has no feature 'value'. Add it to the export.", source.path, 1
        )
    source.left_out[COLUMNS] += width - FIRST_COLUMN - 1
    return Column(features_of.get(_VALUE, min(features_of.values())), width)
