"""Times side by side: what slows the machine down slows all that take turns on it."""

from collections.abc import Callable
from statistics import median

import torch
from torch.utils.benchmark import Timer


def take_turns(contenders: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Time functions in turns. torch's timer runs each twice more right before it is timed, so what
    is measured is a function that has just run.

    contenders (dict[str, Callable[[], object]]): The functions.
    runs (int): How many times to run each.
    RETURNS (dict[str, float]): The median seconds of each.
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
