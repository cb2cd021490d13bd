"""Learning rate schedules."""

from collections.abc import Iterable
from math import cos, pi


def warmup_cosine(initial_rate: float, warmup_steps: int, total_steps: int) -> Iterable[float]:
    """Raise the learning rate linearly, then lower it to 0 along half a cosine (Loshchilov and
    Hutter 2017, without restarts).

    initial_rate (float): The highest rate, reached after warmup_steps.
    warmup_steps (int): The number of steps of the rise from 0; 0 to start at the highest rate.
    total_steps (int): The step from which on the rate is 0.
    RETURNS (Iterable[float]): The rate of each step. It is endless, like all schedules of Thinc 8.
    RAISES: ValueError unless 0 <= warmup_steps < total_steps.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            "warmup_cosine: warmup_steps must be at least 0 and below total_steps; got "
            f"{warmup_steps} and {total_steps}."
        )
    # A separate generator, so that the error is raised when the config is read.
    return _warmup_cosine(initial_rate, warmup_steps, total_steps)


def _warmup_cosine(initial_rate: float, warmup_steps: int, total_steps: int) -> Iterable[float]:
    for step in range(warmup_steps):
        yield initial_rate * step / warmup_steps
    for step in range(total_steps - warmup_steps):
        yield initial_rate * (1 + cos(pi * step / (total_steps - warmup_steps))) / 2
    while True:
        yield 0.0
