"""Denormal numbers: those so small that some CPUs compute with them many times more slowly."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flush_denormals() -> Iterator[bool]:
    """Let the CPU treat denormal numbers as 0, in this thread and those that it starts meanwhile.

    In training, the moments that Adam keeps for a weight without a gradient, such as the vector of
    a character that never occurs, shrink until they are denormal, and stay so.

    YIELDS (bool): Whether the CPU does so. Some cannot.
    """
    # There is no function that tells. The half of the smallest normal number is a denormal one.
    before = sys.float_info.min / 2 == 0
    try:
        yield torch.set_flush_denormal(True)
    finally:
        torch.set_flush_denormal(before)
