"""Where windows over a sequence begin, and which window to read each position from."""

from collections.abc import Iterator

import numpy as np

from ..padding import groups_of_similar_length


def window_starts(length: int, size: int, stride: int) -> np.ndarray:
    """Cover a sequence with windows. If there are several, all are full: the last one ends where
    the sequence ends, and may overlap more with the one before.

    length (int): The length of the sequence.
    size (int): The length of a window.
    stride (int): The distance between the starts of two windows, at most `size`.
    RETURNS (np.ndarray): The start of each window, at least one.
    """
    last = max(length - size, 0)
    return np.append(np.arange(0, last, stride), last)


def most_central(starts: np.ndarray, length: int, size: int) -> np.ndarray:
    """Find for each position of a sequence the window in which it is farthest from the edges, which
    is the window with the nearest centre.

    starts (np.ndarray): The start of each window.
    length (int): The length of the sequence.
    size (int): The length of a window.
    RETURNS (np.ndarray): (length,) the window of each position.
    """
    halfway = (starts[:-1] + starts[1:] + size - 1) / 2
    return np.searchsorted(halfway, np.arange(length))


def parts_of_similar_length(lengths: np.ndarray, limit: int) -> Iterator[np.ndarray]:
    """Split sequences into parts to be padded and run at once.

    lengths (np.ndarray): The length of each sequence, above 0.
    limit (int): The maximum size of a part, including padding. A single sequence may be longer.
    YIELDS (np.ndarray): The sequences of a part, longest first.
    """
    for group in groups_of_similar_length(lengths):
        n_sequences = max(limit // lengths[group[0]], 1)
        for i in range(0, len(group), n_sequences):
            yield group[i : i + n_sequences]
