"""Immutable data that is in memory only once, however many layers use it."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from thinc.model import Model, deserialize_attr, serialize_attr

SharedT = TypeVar("SharedT", bound="Shared")
# The attribute with a layer's own check of what a file of weights has for it: a function of its
# dimensions and its attributes that raises a ValueError.
CHECK_LOADED = "check_loaded"


class Shared:
    """Data that can be an attribute of a layer. It is saved with the layer, and all layers with the
    same data share it, including copies of a layer and layers of other components.

    data (bytes): The data, as it is saved.
    """

    def __init__(self, data: bytes) -> None:
        """Store the data. To create an object, call `from_bytes` instead.

        data (bytes): The data.
        """
        self.data = data

    @classmethod
    def from_bytes(cls: type[SharedT], data: bytes) -> SharedT:
        """Get the existing object for some data, or create one.

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
