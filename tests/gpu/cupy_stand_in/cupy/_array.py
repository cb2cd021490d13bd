"""The arrays, and the functions of them."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from device_log import copied, waited
from numpy.lib.mixins import NDArrayOperatorsMixin

from .cuda import Device

# Functions whose result has a size that only the device knows.
WAITING = {"argwhere", "extract", "flatnonzero", "nonzero", "unique"}


class ndarray(NDArrayOperatorsMixin):
    """An array that is taken to be on the device."""

    device = Device()

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        attribute = getattr(self._array, name)
        return device_function(attribute) if callable(attribute) else wrap(attribute)

    def __array__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use `.get()`.")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        return device_function(getattr(ufunc, method))(*args, **kwargs)

    def __array_function__(self, function: Callable, types: Any, args: Any, kwargs: Any) -> Any:
        return device_function(function)(*args, **kwargs)

    def __getitem__(self, index: Any) -> "ndarray":
        parts = index if isinstance(index, tuple) else (index,)
        if any(getattr(part, "dtype", None) == "bool" for part in parts):
            waited("index by a mask")
        return wrap(self._array[to_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._array[to_index(index)] = unwrap(value)

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        return f"cupy.{self._array!r}"

    def get(self) -> np.ndarray:
        waited("get")
        return self._array.copy()

    def toDlpack(self) -> "ndarray":
        return self  # `from_dlpack` of the emulated torch knows it


def _waiting(name: str) -> Callable:
    def method(self: ndarray) -> Any:
        waited(name.strip("_"))
        return getattr(self._array, name)()

    return method


for name in ("__bool__", "__float__", "__index__", "__int__", "item", "tolist"):
    setattr(ndarray, name, _waiting(name))


def unwrap(value: Any) -> Any:
    """NumPy's arrays of the device's.

    value (Any): An array, or a list or tuple with some; anything else is returned as it is.
    RETURNS (Any): The same with NumPy's arrays.
    RAISES: TypeError if NumPy's are among them, or torch's.
    """
    if isinstance(value, ndarray):
        return value._array
    if hasattr(value, "__array__") and not isinstance(value, np.generic):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(part) for part in value)
    return value


def wrap(value: Any) -> Any:
    """The device's arrays of NumPy's.

    value (Any): What a function of NumPy returned.
    RETURNS (Any): The same with arrays of the device, also in place of NumPy's scalars.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(np.asarray(value))
    if isinstance(value, (list, tuple)):
        return type(value)(wrap(part) for part in value)
    return value


def device_function(function: Callable) -> Callable:
    """Let a function take and return the device's arrays only.

    function (Callable): One of NumPy's, or a method of its arrays.
    RETURNS (Callable): The function.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        if function.__name__ in WAITING:
            waited(function.__name__)
        given = {name: unwrap(value) for name, value in kwargs.items()}
        return wrap(function(*unwrap(args), **given))

    return call


def functions_of(module: Any) -> Callable[[str], Any]:
    """The `__getattr__` of a module that has the functions of another.

    module (ModuleType): One of NumPy's.
    RETURNS (Callable[[str], Any]): Looks up a name.
    """

    def look_up(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(module, name)
        is_function = callable(found) and not isinstance(found, type)
        return device_function(found) if is_function else found

    return look_up


def array(data: Any, dtype: Any = None, copy: bool = True) -> ndarray:
    """From anything that NumPy makes an array of."""
    if isinstance(data, ndarray):
        return ndarray((np.array if copy else np.asarray)(data._array, dtype=dtype))
    copied("array")
    return ndarray(np.array(data, dtype=dtype))


def asarray(data: Any, dtype: Any = None) -> ndarray:
    """As `array`, without a copy of what is on the device already."""
    return array(data, dtype=dtype, copy=False)


def from_dlpack(capsule: ndarray) -> ndarray:
    """What `to_dlpack` of the emulated torch returned."""
    if not isinstance(capsule, ndarray):
        raise TypeError(f"This is not on the device: {type(capsule)}")
    return capsule


def get_array_module(*arrays: Any) -> Any:
    """The module whose arrays these are."""
    return sys.modules["cupy"] if any(isinstance(x, ndarray) for x in arrays) else np


def load(path: Any) -> ndarray:
    """Read a file of NumPy's."""
    return array(np.load(path))


def save(path: Any, data: Any) -> None:
    """Write a file of NumPy's."""
    np.save(path, data.get() if isinstance(data, ndarray) else data)


def split(data: ndarray, bounds: Any, axis: int = 0) -> list:
    """As NumPy's. The bounds must not be on the device."""
    if isinstance(bounds, ndarray):
        raise TypeError("split: the bounds are on the device")
    return wrap(np.split(unwrap(data), bounds, axis))


def to_index(index: Any) -> Any:
    """An index for NumPy. Unlike all else, it may be NumPy's already, which is then copied.

    index (Any): An index, or a tuple of some.
    RETURNS (Any): The same for NumPy.
    """
    if isinstance(index, tuple):
        return tuple(to_index(part) for part in index)
    if isinstance(index, (list, np.ndarray)):
        copied("index")
        return index
    return unwrap(index)
