"""The device that a model is on: what is copied to it, its memory, and who may use it."""

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
# forever at its first parallel operation in torch. One thread a process needs none.
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork either
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def share_gpu_memory() -> None:
    """Have cupy take its memory from torch, if Thinc uses a GPU, so that neither runs out of what
    the other one keeps for itself. Thinc does so for torch modules (`PyTorchShim`), of which a
    network may have none."""
    if isinstance(get_current_ops(), CupyOps) and "pytorch" not in context_pools.get():
        set_gpu_allocator("pytorch")
        CupyOps.xp.get_default_memory_pool().free_all_blocks()


def use_device(ops: Ops, weights: FloatsXd | Tensor) -> None:
    """Make a model's device the current one of this thread. Thinc, cupy and torch keep one for each
    thread, and a new thread begins with the CPU and the first GPU.

    ops (Ops): The model's.
    weights (FloatsXd | Tensor): Any of its weights.
    RAISES: RuntimeError for a GPU in a process that was forked off one which uses it.
    """
    if not isinstance(ops, CupyOps):
        return
    if torch.cuda._is_in_bad_fork():
        raise RuntimeError(
            "This process was forked off one that uses the GPU, which CUDA does not support. Call "
            "nlp.pipe with n_process=1; a larger batch_size keeps the GPU busy."
        )
    if not isinstance(get_current_ops(), CupyOps):
        set_current_ops(ops)
        # Thinc's types of arrays do not say that they have one.
        device = cast(Any, weights).device
        set_active_gpu(device.index if isinstance(weights, Tensor) else device.id)


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to a device without waiting for the work that the device has yet to do.

    array (np.ndarray): The array.
    device (torch.device): The device.
    RETURNS (Tensor): The same as a tensor.
    """
    return torch.from_numpy(array).to(device, non_blocking=True)
