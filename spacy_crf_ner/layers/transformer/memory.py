"""The size of the parts that a batch is run in: as large as memory allows."""

import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from .windows import parts_of_similar_length

# How many wordpieces are run at once, including padding. It limits the memory used for prediction,
# however long the documents are, and is large enough to keep a GPU busy.
WORDPIECES_AT_ONCE = 8192
# In prediction on a CPU. More at once is no faster there, and windows that differ more in length
# need more padding.
WORDPIECES_ON_CPU = 1024
OUT_OF_MEMORY = (
    "TransformerModel: out of memory. From now on the encoder runs fewer windows at once, and in "
    "training it recomputes activations instead of keeping them. Both are slower. To avoid this, "
    "lower nlp.batch_size and the transformer's max_batch_items for prediction, and lower "
    "training.batcher.size or raise training.accumulate_gradient for training."
)

Result = TypeVar("Result")


class Memory:
    """The limits that keep a model within its memory, adapted when it runs out.

    limits (dict[bool, int]): How many wordpieces are run at once in prediction (False) and in
        training (True).
    recompute (bool): Whether training recomputes activations for the backward pass (Chen et al.
        2016, "Training deep nets with sublinear memory cost"), so that only those of one part of a
        batch are kept at a time. Without it, smaller parts would save nothing.
    """

    def __init__(self) -> None:
        self.limits = {False: WORDPIECES_AT_ONCE, True: WORDPIECES_AT_ONCE}
        self.recompute = False

    def run(
        self,
        lengths: list[int],
        is_train: bool,
        function: Callable[[Sequence[np.ndarray]], Result],
        at_most: int = WORDPIECES_AT_ONCE,
    ) -> Result:
        """Call a function on the parts of a batch. If memory runs out, call it again with parts
        half as large, and keep that size for later batches.

        lengths (list[int]): The length of each window of the batch.
        is_train (bool): Whether it is for training.
        function (Callable[[Sequence[np.ndarray]], Result]): Takes the windows of each part, longest
            first.
        at_most (int): How many wordpieces to run at once, even if memory allows more.
        RETURNS (Result): What the function returns.
        RAISES: RuntimeError or MemoryError if memory is too small even for one window at a time.
        """
        array = np.array(lengths)
        while True:
            parts = list(parts_of_similar_length(array, min(self.limits[is_train], at_most)))
            try:
                return function(parts)
            except (RuntimeError, MemoryError) as error:
                is_smallest = max(map(len, parts)) == 1 and (self.recompute or not is_train)
                if is_smallest or not _is_out_of_memory(error):
                    raise
            # Outside the except block, since the error keeps the failed attempt's memory in use.
            self.limits[is_train] = max(len(part) * lengths[part[0]] for part in parts) // 2
            self.recompute |= is_train
            warnings.warn(OUT_OF_MEMORY, stacklevel=1)  # always from this line: shown once


def _is_out_of_memory(error: Exception) -> bool:
    """Also true for errors of cupy, and of cuDNN and cuBLAS, which raise a plain RuntimeError."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "STATUS_ALLOC_FAILED" in str(error)
