"""Peak memory, each time of a process of its own."""

import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch

from spacy_crf_ner.cli.gpu import use_gpu

STATUS = Path("/proc/self/status")

Result = TypeVar("Result")


def peak_memory(gpu_id: int = -1) -> float | None:
    """The most memory that this process has used so far.

    gpu_id (int): The GPU whose memory is meant, or -1 for the CPU's.
    RETURNS (float | None): MB; None for the CPU's on systems other than Linux.
    """
    if gpu_id >= 0:
        return torch.cuda.max_memory_allocated(gpu_id) / 1e6
    if not STATUS.exists():
        return None
    # Not getrusage, whose peak a process inherits from the one that started it.
    found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else None


def run_apart(function: Callable[..., Result], *args: Any, gpu_id: int = -1) -> Result:
    """Call a function in a new process, whose memory has nothing else in it.

    function (Callable): A function of a module.
    *args (Any): Its arguments, which are pickled.
    gpu_id (int): The GPU to use, or -1 for the CPU.
    RETURNS (Result): What it returns.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), use_gpu, (gpu_id,)) as executor:
        return executor.submit(function, *args).result()
