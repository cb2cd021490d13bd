"""Learn rates over the course of a training."""

from collections.abc import Iterable
from math import cos, pi


def warmup_cosine(initial_rate: float, warmup_steps: int, total_steps: int) -> Iterable[float]:
    """Rise linearly to a rate, then fall to 0 along half a cosine (Loshchilov and Hutter 2017,
    without restarts), and stay there.

    initial_rate (float): The highest rate, reached after warmup_steps.
    warmup_steps (int): The steps of the rise from 0; 0 to begin with the highest rate.
    total_steps (int): The step at which the rate is 0.
    RETURNS (Iterable[float]): The rate of each step, without end, as all schedules of Thinc 8.
    RAISES: ValueError for warmup_steps that are negative or not below total_steps.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            "warmup_cosine: warmup_steps must be at least 0 and below total_steps; got "
            f"{warmup_steps} and {total_steps}."
        )
    # A generator of its own, so that the error comes when the config is read.
    return _warmup_cosine(initial_rate, warmup_steps, total_steps)


def _warmup_cosine(initial_rate: float, warmup_steps: int, total_steps: int) -> Iterable[float]:
    for step in range(warmup_steps):
        yield initial_rate * step / warmup_steps
    for step in range(total_steps - warmup_steps):
        yield initial_rate * (1 + cos(pi * step / (total_steps - warmup_steps))) / 2
    while True:
        yield 0.0
