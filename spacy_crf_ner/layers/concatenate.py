"""The concatenated vectors of several tok2vecs."""

from spacy.tokens import Doc
from thinc.api import Model, chain, concatenate, ragged2list
from thinc.types import Floats2d, Ragged

from .ragged import list2ragged


def Concatenate(
    *tok2vecs: Model[list[Doc], list[Floats2d]],
) -> Model[list[Doc], list[Floats2d]]:
    """Concatenate the vectors that several tok2vecs give each token.

    Thinc's `concatenate.v1` fails if a TransformerListener is one of them and a document has no
    tokens: the listener then returns an array with neither rows nor columns.

    tok2vecs (Model[list[Doc], list[Floats2d]]): The tok2vecs. Listeners are allowed.
    RETURNS (Model[list[Doc], list[Floats2d]]): Vectors whose width is the sum of their widths.
    """
    side_by_side: Model[list[Doc], Ragged] = concatenate(
        *(chain(tok2vec, list2ragged()) for tok2vec in tok2vecs)
    )
    return chain(side_by_side, ragged2list())
