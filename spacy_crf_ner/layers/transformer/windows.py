"""Where windows over a sequence begin, and which of them to read what from."""

from collections.abc import Iterator

import numpy as np

from ..padding import groups_of_similar_length


def window_starts(length: int, size: int, stride: int) -> np.ndarray:
    """Cover a sequence with windows. If it takes several, all are full: the last one ends where the
    sequence ends, and overlaps the one before all the more.

    length (int): The length of the sequence.
    size (int): The length of a window.
    stride (int): How far one begins after the other, at most `size`.
    RETURNS (np.ndarray): Where each begins, at least one.
    """
    last = max(length - size, 0)
    return np.append(np.arange(0, last, stride), last)


def most_central(starts: np.ndarray, length: int, size: int) -> np.ndarray:
    """Find the windows in which the places of a sequence are farthest from the edges, which are
    those whose centres are nearest.

    starts (np.ndarray): Where each window begins.
    length (int): The length of the sequence.
    size (int): The length of a window.
    RETURNS (np.ndarray): (length,) the window of each place.
    """
    halfway = (starts[:-1] + starts[1:] + size - 1) / 2
    return np.searchsorted(halfway, np.arange(length))


def parts_of_similar_length(lengths: np.ndarray, limit: int) -> Iterator[np.ndarray]:
    """Split sequences into parts to be padded and run at once.

    lengths (np.ndarray): The length of each sequence, above 0.
    limit (int): How large a part may be with its padding, if it has more than one sequence.
    YIELDS (np.ndarray): The sequences of a part, longest first.
    """
    for group in groups_of_similar_length(lengths):
        n_sequences = max(limit // lengths[group[0]], 1)
        for i in range(0, len(group), n_sequences):
            yield group[i : i + n_sequences]
