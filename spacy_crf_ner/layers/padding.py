"""Helpers for layers that pad sequences."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

# Sequences are padded to the longest of their group. With padding, a group may have at most this
# many times its tokens, so that one long document does not blow up a whole batch.
MAX_PADDING = 1.5


def to_device(arrays: Sequence[np.ndarray], device: torch.device) -> Sequence[Tensor]:
    """Copy arrays to a device without waiting for its pending work. They are copied all at once,
    since each copy to a GPU costs as much as a small kernel.

    arrays (Sequence[np.ndarray]): One-dimensional arrays of one type, at least one.
    device (torch.device): The device.
    RETURNS (Sequence[Tensor]): The arrays as tensors on the device.
    """
    together = torch.from_numpy(np.concatenate(arrays)).to(device, non_blocking=True)
    return together.split([len(array) for array in arrays])


def groups_of_similar_length(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Split the non-empty sequences into groups that need little padding.

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
