"""Timing in turns, so that a slow phase of the machine affects all functions alike."""

from collections.abc import Callable
from statistics import median

import torch
from torch.utils.benchmark import Timer


def take_turns(contenders: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Time functions in turns.

    torch's timer runs a function twice right before it is timed, so caches are warm.

    contenders (dict[str, Callable[[], object]]): The functions.
    runs (int): How many times to run each function.
    RETURNS (dict[str, float]): The median seconds of each function.
    """
    threads = torch.get_num_threads()
    timers = {
        name: Timer("function()", globals={"function": function}, num_threads=threads)
        for name, function in contenders.items()
    }
    times: dict[str, list[float]] = {name: [] for name in timers}
    for run in range(runs + 1):
        for name, timer in timers.items():
            seconds = timer.timeit(1).mean
            if run:
                times[name].append(seconds)
    return {name: median(values) for name, values in times.items()}
