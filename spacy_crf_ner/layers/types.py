"""Types that several layers share."""

from typing import Literal, NamedTuple

from thinc.types import Floats1d, Floats2d, Ints1d

# The precision of LSTMs in training.
Precision = Literal["float32", "bfloat16"]
# The precision of a pretrained encoder.
EncoderPrecision = Literal["float32", "bfloat16", "float16"]


class Scores(NamedTuple):
    """The output of the network for a batch of documents; in backprop, the gradient of each part.

    The arrays are those of `crf.Potentials`, in Thinc's own types: N tokens of B documents
    concatenated, C tags.

    emissions (Floats2d): (N, C).
    lengths (Ints1d): (B,) tokens in each document, on the CPU.
    start (Floats1d): (C,).
    transitions (Floats2d): (C, C), [from, to].
    end (Floats1d): (C,).
    """

    emissions: Floats2d
    lengths: Ints1d
    start: Floats1d
    transitions: Floats2d
    end: Floats1d
