"""Timing in turns, so that a slow phase of the machine affects all functions alike."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import TypeVar

import torch
from torch.utils.benchmark import Timer

Key = TypeVar("Key")
Function = Callable[[], object]


def time_warm(function: Function) -> float:
    """Time a function of milliseconds. torch's timer runs it twice right before it is timed, so
    caches are warm.

    function (Function): The function.
    RETURNS (float): Seconds.
    """
    threads = torch.get_num_threads()
    timer = Timer("function()", globals={"function": function}, num_threads=threads)
    return timer.timeit(1).mean


def time_once(function: Function) -> float:
    """Time a function of seconds, or one that must not be repeated.

    function (Function): The function.
    RETURNS (float): Seconds.
    """
    _wait_for_gpu()
    start = perf_counter()
    function()
    _wait_for_gpu()
    return perf_counter() - start


def take_turns(
    contenders: dict[Key, Function], runs: int, timer: Callable[[Function], float] = time_warm
) -> dict[Key, float]:
    """Time functions in turns. The first turn of each does not count.

    contenders (dict[Key, Function]): The functions, by name or any other key.
    runs (int): How many times to run each function.
    timer (Callable[[Function], float]): What times a function.
    RETURNS (dict[Key, float]): The median seconds of each function.
    """
    times: dict[Key, list[float]] = {name: [] for name in contenders}
    for run in range(runs + 1):
        for name, function in contenders.items():
            seconds = timer(function)
            if run:
                times[name].append(seconds)
    return {name: median(values) for name, values in times.items()}


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
