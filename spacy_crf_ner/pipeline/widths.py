"""Whether the layers of a model fit together: the width that one gives, and the next one takes."""

from collections.abc import Mapping
from typing import NamedTuple

from thinc.api import Model

from .checks import damaged

Sizes = Mapping[str, int | None]
# Layers around one other layer, of the same widths; layers one after the other; layers that keep
# the width of their input.
AROUND = ("thinc.layers.with_array", "thinc.layers.residual")
CHAINS = ("spacy_crf_ner.layers.tok2vec", "thinc.layers.chain")
KEEPING = (
    "spacy_crf_ner.layers.dropout",
    "spacy_crf_ner.layers.ragged",
    "thinc.layers.dropout",
    "thinc.layers.list2ragged",
    "thinc.layers.ragged2list",
)


class Widths(NamedTuple):
    """The widths of a layer, None where they are not known.

    taken (int | None): That of its input.
    given (int | None): That of its output.
    keeps (bool): Whether the output is as wide as the input.
    """

    taken: int | None
    given: int | None
    keeps: bool = False


def check_widths(node: Model, dims: Mapping[int, Sizes]) -> Widths:
    """Check the widths within a layer, as far as they are known.

    node (Model): The layer.
    dims (Mapping[int, Sizes]): The dimensions in the file of it and of all within, by `Model.id`.
    RETURNS (Widths): Its own.
    RAISES: ValueError if a layer takes another width than the one before it gives.
    """
    kind = node._func.__module__
    inner = [check_widths(layer, dims) for layer in node.layers]
    if kind in AROUND:
        return inner[0]
    if kind == "thinc.layers.concatenate":
        widths = [each.given for each in inner]
        known = [width for width in widths if width]
        return Widths(None, sum(known) if len(known) == len(widths) else None)
    if kind not in CHAINS:
        own = dims[node.id]
        return Widths(own.get("nI"), own.get("nO"), kind in KEEPING)
    first = next((each for each in inner if not each.keeps), inner[-1])
    width: int | None = None
    for layer, each in zip(node.layers, inner):
        if width and each.taken and each.taken != width:
            what = f"The width that the layer {str(layer.name)[:40]} takes"
            raise damaged(what, each.taken, f"{width}, which it is given")
        width = width if each.keeps else each.given
    return Widths(first.taken, width, all(each.keeps for each in inner))
