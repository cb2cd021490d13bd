"""Engines: what annotates the parts, in this process or in several."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import NamedTuple

import torch

from .annotator import Result
from .parts import Part

# Annotates a part, and puts its file into the job's folder.
Worker = Callable[[Part], Result]
_worker: Worker | None = None


class Done(NamedTuple):
    """A part that is done.

    part (Part): The part.
    result (Result): What became of its records.
    is_new (bool): Whether it was done now, and not by an earlier run.
    """

    part: Part
    result: Result
    is_new: bool = True


# Lets workers annotate parts; the function makes a worker.
Engine = Callable[[Iterable[Part], Callable[[], Worker]], Iterator[Done]]


class WorkerLostError(RuntimeError):
    """A process or machine that was annotating has died."""


def run_here(parts: Iterable[Part], start: Callable[[], Worker]) -> Iterator[Done]:
    """Annotate parts in this process.

    parts (Iterable[Part]): The parts.
    start (Callable[[], Worker]): Makes the worker.
    YIELDS (Done): Each part, in order.
    """
    worker = start()
    for part in parts:
        yield Done(part, worker(part))


def run_in_processes(
    parts: Iterable[Part], start: Callable[[], Worker], n_process: int
) -> Iterator[Done]:
    """Annotate parts in several processes, each with a worker of its own.

    parts (Iterable[Part]): The parts.
    start (Callable[[], Worker]): Makes a worker. It is sent to the processes.
    n_process (int): The number of processes.
    YIELDS (Done): Each part, in order.
    RAISES: WorkerLostError if a process dies.
    """
    n_threads = max(1, (os.cpu_count() or 1) // n_process)
    # Not forked: a copy of torch's threads may hang.
    pool = ProcessPoolExecutor(n_process, get_context("spawn"), _start, (start, n_threads))
    parts = iter(parts)
    pending: deque[tuple[Part, Future[Result]]] = deque()
    try:
        while True:
            # No more than the processes need, or else memory would hold the input.
            for part in islice(parts, 2 * n_process - len(pending)):
                pending.append((part, pool.submit(_run, part)))
            if not pending:
                return
            part, future = pending.popleft()
            yield Done(part, future.result())
    except BrokenProcessPool:
        raise WorkerLostError(
            "A process died: it was killed, or there was no memory left. What is done is kept: "
            "repeat the command to go on, maybe with a smaller --batch-size or --n-process."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start(start: Callable[[], Worker], n_threads: int) -> None:
    global _worker
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    torch.set_num_threads(n_threads)
    _worker = start()


def _exit_with_parent() -> None:
    """The processes of a pool do not notice that the one that started them was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(part: Part) -> Result:
    if _worker is None:
        raise RuntimeError("The process was not started by run_in_processes.")
    return _worker(part)
