"""The choice of the implementation of the recursions for a batch."""

from importlib.util import find_spec
from types import ModuleType

from ..potentials import Potentials
from . import cpu, reference


def backend_for(p: Potentials) -> ModuleType:
    """The fastest implementation for the device of a batch.

    p (Potentials): The scores.
    RETURNS (ModuleType): `cpu`, `gpu` or `reference`, which have the same functions.
    """
    device = p.emissions.device.type
    if device == "cuda" and find_spec("triton"):
        from . import gpu  # imported here, since Triton comes only with torch for GPUs

        return gpu
    return cpu if device == "cpu" else reference
