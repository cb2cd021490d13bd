"""The processes of a training that `torchrun` started, which are called its ranks."""

import os
import re
import signal
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

# While rank 0 evaluates and saves, the others wait for it.
TIMEOUT = timedelta(minutes=30)
LOST = (
    "Rank {rank} of {size} ends, because it lost another rank: {reason}. That rank failed or was "
    "killed, often for lack of memory. Look for its own error here, and for its number and exit "
    "code under 'Root Cause' in what torchrun says. Then start the training again."
)
NOT_JOINED = (
    "WORLD_SIZE says that this is one of {size} processes, but it could not join the others: "
    "{error}. Start all of them with torchrun, as docs/distributed.md says, or unset WORLD_SIZE."
)


class RankLost(ConnectionError):
    """Another rank cannot be reached, or not any more."""


class Ranks:
    """All processes of a training, of which this is one.

    Each method that communicates must be called by all ranks in the same order.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: str = "cpu") -> None:
        """Describe the ranks. Without arguments, this process is alone.

        rank (int): The number of this process, from 0.
        size (int): The number of processes.
        device (str): Where tensors must be that are sent to others.
        """
        self.rank = rank
        self.size = size
        self.device = torch.device(device)
        # Set when torchrun says that this process should end.
        self.is_terminated = False

    def add(self, tensor: Tensor) -> None:
        """Add up a tensor over all ranks, in place.

        tensor (Tensor): The tensor, of the same shape and type on all ranks.
        RAISES: RankLost if another rank has ended, or if this one should.
        """
        if self.is_terminated:
            raise self._lost("torchrun sent SIGTERM")
        if self.size > 1:
            self._call(dist.all_reduce, tensor)

    def copy_first(self, tensor: Tensor) -> None:
        """Overwrite a tensor with that of rank 0.

        tensor (Tensor): The tensor, of the same shape and type on all ranks.
        RAISES: RankLost if another rank has ended.
        """
        if self.size > 1:
            self._call(dist.broadcast, tensor, 0)

    def of_first(self, number: float) -> float:
        """The number that rank 0 has.

        number (float): The number that this rank has.
        RETURNS (float): That of rank 0.
        RAISES: RankLost if another rank has ended.
        """
        tensor = torch.tensor(number, dtype=torch.float64, device=self.device)
        self.copy_first(tensor)
        return tensor.item()

    def require_same(self, text: str, error: str) -> None:
        """Require that a text is the same as on rank 0.

        text (str): The text that this rank has.
        error (str): What to say if it differs.
        RAISES: ValueError if it differs, RankLost if another rank has ended.
        """
        checksum = zlib.crc32(text.encode("utf8"))
        if self.of_first(checksum) != checksum:
            raise ValueError(error)

    def wait(self) -> None:
        """Wait until all ranks have come this far.

        RAISES: RankLost if another rank has ended.
        """
        self.add(torch.zeros(1, device=self.device))

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            function(*arguments)
        except RuntimeError as error:
            # Without the place in gloo's source before it, and the advice after it.
            raise self._lost(re.sub(r"^\[\S+\] |\. .*", "", str(error))) from error

    def _lost(self, reason: str) -> RankLost:
        return RankLost(LOST.format(rank=self.rank, size=self.size, reason=reason))


@contextmanager
def join_ranks(gpu_id: int = -1) -> Iterator[Ranks]:
    """Join the other processes if `torchrun` has started this one.

    gpu_id (int): The GPU of this process, or -1 for the CPU.
    YIELDS (Ranks): All processes.
    RAISES: RankLost if there should be others, but they cannot be reached.
    """
    size = _world_size()
    if size == 1:
        yield Ranks()
        return
    try:
        dist.init_process_group("gloo" if gpu_id < 0 else "nccl", timeout=TIMEOUT)
    except (ValueError, RuntimeError) as error:
        raise RankLost(NOT_JOINED.format(size=size, error=error)) from error
    ranks = Ranks(dist.get_rank(), size, "cpu" if gpu_id < 0 else f"cuda:{gpu_id}")

    def terminate(*_: Any) -> None:
        ranks.is_terminated = True

    # If a rank ends, torchrun sends this to the others, perhaps while they save the pipeline.
    before = signal.signal(signal.SIGTERM, terminate)
    yield ranks
    ranks.wait()
    signal.signal(signal.SIGTERM, before)
    dist.destroy_process_group()


def local_gpu(gpu_id: int) -> int:
    """The GPU of this process.

    gpu_id (int): The one asked for, or -1 for the CPU.
    RETURNS (int): It; or if there are several processes, the one with this process's number on this
        machine.
    """
    if gpu_id < 0 or _world_size() == 1:
        return gpu_id
    return int(os.environ.get("LOCAL_RANK", gpu_id))


def _world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))
