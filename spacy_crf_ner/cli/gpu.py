"""The option --gpu-id, which many commands have."""

from typing import Annotated

import typer
from thinc.api import require_gpu

from .errors import exit_with

GpuId = Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, or -1 for the CPU")]


def use_gpu(gpu_id: int) -> None:
    """Run everything that follows on a GPU.

    gpu_id (int): The GPU, or -1 for the CPU.
    RAISES: typer.Exit if it cannot be used.
    """
    if gpu_id < 0:
        return
    try:
        require_gpu(gpu_id)
    # Errors of Thinc, and of CUDA's runtime.
    except (ValueError, RuntimeError) as error:
        exit_with(f"{error}. `python -m spacy crf doctor` says what is missing.")
