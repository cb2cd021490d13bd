"""What layers need that pad sequences for a while."""

from typing import Iterator

import numpy as np
import torch
from torch import Tensor

# Sequences are padded to the longest of their group; a group may be at most so many times larger
# than its tokens. It keeps one long document from blowing a whole batch up to its length.
MAX_PADDING = 1.5


def take_rows(X: Tensor, rows: np.ndarray) -> Tensor:
    """Look up rows.

    X (Tensor): (N, width).
    rows (np.ndarray): (M,) which rows; any of them several times.
    RETURNS (Tensor): (M, width).
    """
    return X.index_select(0, torch.from_numpy(rows).to(X.device))


def groups_of_similar_length(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Split the non-empty sequences into groups, each mostly tokens if padded.

    lengths (np.ndarray): The length of each sequence.
    YIELDS (np.ndarray): The sequences of a group, longest first.
    """
    order = lengths.argsort(kind="stable")[::-1]
    order = order[lengths[order] > 0]
    first, tokens = 0, 0
    for i, length in enumerate(lengths[order]):
        tokens += length
        if lengths[order[first]] * (i + 1 - first) > MAX_PADDING * tokens:
            yield order[first:i]
            first, tokens = i, length
    yield order[first:]
