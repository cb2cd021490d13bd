"""One device, and memory that is not managed."""

from types import SimpleNamespace
from typing import Any


class CUDARuntimeError(RuntimeError):
    """What CuPy raises where there is no device."""


class Device:
    """The device."""

    def __init__(self, device: int = 0) -> None:
        self.id = device

    def use(self) -> None:
        """There is no other."""

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *error: Any) -> None:
        """There is no other to go back to."""


class MemoryPool:
    """A pool that never allocates."""

    def __init__(self, allocator: Any = None) -> None:
        self.malloc = allocator


def set_allocator(allocator: Any) -> None:
    """Nothing asks it for memory."""


device = SimpleNamespace(Device=Device)
runtime = SimpleNamespace(CUDARuntimeError=CUDARuntimeError, getDeviceCount=lambda: 1)
