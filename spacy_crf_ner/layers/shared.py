"""Data that is never changed, and of which there is one in memory for all who have the same."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from thinc.model import Model, deserialize_attr, serialize_attr

SharedT = TypeVar("SharedT", bound="Shared")


class Shared:
    """Data of a layer that can be its attribute: it is saved with the layer, and shared by all that
    have the same, also by copies of the layer and by other components.

    data (bytes): All of it, as it is saved.
    """

    def __init__(self, data: bytes) -> None:
        """Take the data; `from_bytes` is what others call.

        data (bytes): The data.
        """
        self.data = data

    @classmethod
    def from_bytes(cls: type[SharedT], data: bytes) -> SharedT:
        """Make the object of some data, or find the one that there is.

        data (bytes): The data.
        RETURNS (SharedT): The object.
        """
        key = cls, sha256(data).digest()
        found = _known.get(key)
        if found is None:
            found = _known[key] = cls(data)
        return found

    def __deepcopy__(self: SharedT, memo: Any) -> SharedT:
        return self

    def __reduce__(self) -> tuple[Callable, tuple[bytes]]:
        return type(self).from_bytes, (self.data,)


_known: "WeakValueDictionary[tuple[type, bytes], Any]" = WeakValueDictionary()


@serialize_attr.register(Shared)
def _serialize(_: Any, value: Shared, name: str, model: Model) -> bytes:
    return value.data


@deserialize_attr.register(Shared)
def _deserialize(default: Shared, value: bytes, name: str, model: Model) -> Shared:
    return type(default).from_bytes(value)
