"""The device of a model: making it current, sharing its memory, copying arrays to it."""

import os
from typing import Any, cast

import numpy as np
import torch
from thinc.api import (
    CupyOps,
    Ops,
    get_current_ops,
    set_active_gpu,
    set_current_ops,
    set_gpu_allocator,
)
from thinc.backends import context_pools
from thinc.types import FloatsXd
from torch import Tensor

# OpenMP's threads do not survive a fork: a child of `nlp.pipe(n_process=2)` would wait for them
# forever at its first parallel operation in torch. With one thread per process, it needs none.
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork either
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def share_gpu_memory() -> None:
    """Make cupy take its memory from torch if Thinc uses a GPU, so that neither runs out of memory
    that the other has reserved. Thinc does so for torch modules (`PyTorchShim`), but a network may
    have none."""
    if isinstance(get_current_ops(), CupyOps) and "pytorch" not in context_pools.get():
        set_gpu_allocator("pytorch")
        CupyOps.xp.get_default_memory_pool().free_all_blocks()


def use_device(ops: Ops, weights: FloatsXd | Tensor) -> None:
    """Make a model's device the current one of this thread. Thinc, cupy and torch each have a
    current device per thread, and a new thread starts with the CPU and the first GPU.

    ops (Ops): The model's ops.
    weights (FloatsXd | Tensor): Any of the model's weights.
    RAISES: RuntimeError for a GPU if the process was forked from one that uses it.
    """
    if not isinstance(ops, CupyOps):
        return
    if torch.cuda._is_in_bad_fork():
        raise RuntimeError(
            "This process was forked from one that uses the GPU, which CUDA does not support. Call "
            "nlp.pipe with n_process=1; a larger batch_size keeps the GPU busy."
        )
    if not isinstance(get_current_ops(), CupyOps):
        set_current_ops(ops)
        # Thinc's array types do not declare this attribute.
        device = cast(Any, weights).device
        set_active_gpu(device.index if isinstance(weights, Tensor) else device.id)


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to a device without waiting for the device's pending work.

    array (np.ndarray): The array.
    device (torch.device): The device.
    RETURNS (Tensor): The array as a tensor on the device.
    """
    return torch.from_numpy(array).to(device, non_blocking=True)
