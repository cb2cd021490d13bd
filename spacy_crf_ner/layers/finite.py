"""Whether numbers are finite."""

from collections.abc import Sequence

import torch
from torch import Tensor

# What to do about a gradient that is not.
LEARNING_RATE = (
    "Most likely the learning rate is too high: lower training.optimizer.learn_rate, or let it "
    "rise for longer (warmup_steps)."
)


def all_finite(tensors: Sequence[Tensor]) -> bool:
    """Whether no number of some tensors is NaN or infinite. A GPU is waited for once.

    tensors (Sequence[Tensor]): The tensors, on one device.
    RETURNS (bool): True if there are none.
    """
    if not tensors:
        return True
    # Sums read the numbers once and store nothing. But the sum of huge numbers may be infinite.
    if torch.stack([tensor.sum() for tensor in tensors]).sum().isfinite():
        return True
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
