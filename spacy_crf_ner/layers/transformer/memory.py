"""How much of a batch is run at once: as much as there is memory for."""

import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from .windows import parts_of_similar_length

# How many wordpieces are run at once, with padding. It bounds the memory for predicting, whatever
# the length of the documents, and is large enough to keep a GPU busy.
WORDPIECES_AT_ONCE = 8192
OUT_OF_MEMORY = (
    "TransformerModel: out of memory. From now on the encoder runs fewer windows at once, and in "
    "training computes twice what it cannot keep, both of which is slower. To avoid it, set lower: "
    "nlp.batch_size and the transformer's max_batch_items for predicting, training.batcher.size "
    "(or training.accumulate_gradient higher) for training."
)

Result = TypeVar("Result")


class Memory:
    """What a model has learned of the memory it has.

    limits (dict[bool, int]): How many wordpieces are run at once in prediction and in training.
    recompute (bool): Whether in training activations are computed again for the backward pass
        (Chen et al. 2016, "Training deep nets with sublinear memory cost"), so that those of only
        one part of a batch are held at a time. Without it smaller parts would save nothing.
    """

    def __init__(self) -> None:
        self.limits = {False: WORDPIECES_AT_ONCE, True: WORDPIECES_AT_ONCE}
        self.recompute = False

    def run(
        self, lengths: list[int], is_train: bool, function: Callable[[Sequence[np.ndarray]], Result]
    ) -> Result:
        """Call a function of parts of a batch; where memory runs out, again with parts half as
        large, and from then on always.

        lengths (list[int]): The length of each window of the batch.
        is_train (bool): Whether it is for training.
        function (Callable[[Sequence[np.ndarray]], Result]): Given the windows of each part, the
            longest first.
        RETURNS (Result): What the function returns.
        RAISES: RuntimeError or MemoryError if there is no memory even for one window at a time.
        """
        array = np.array(lengths)
        while True:
            parts = list(parts_of_similar_length(array, self.limits[is_train]))
            try:
                return function(parts)
            except (RuntimeError, MemoryError) as error:
                is_smallest = max(map(len, parts)) == 1 and (self.recompute or not is_train)
                if is_smallest or not _is_out_of_memory(error):
                    raise
            # Not before the error is gone, which holds on to what there is no memory for.
            self.limits[is_train] = max(len(part) * lengths[part[0]] for part in parts) // 2
            self.recompute |= is_train
            warnings.warn(OUT_OF_MEMORY, stacklevel=1)  # always from this line: shown once


def _is_out_of_memory(error: Exception) -> bool:
    """Also of cuDNN and cuBLAS, whose own is a RuntimeError like any other, and of cupy."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "STATUS_ALLOC_FAILED" in str(error)
