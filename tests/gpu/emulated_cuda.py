"""An emulation of a GPU, for machines without one.

Thinc gets a stand-in for CuPy, and torch gets tensors that are "on cuda:0": both keep their numbers
in ordinary memory, refuse to be mixed with those of the CPU, and log what would wait for the device
(see `device_log`). They share memory by DLPack, as on a GPU. Triton runs its kernels in its
interpreter. What only a GPU can tell is how fast it all is, and how its own kernels round.
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from device_log import copied, noted, waited
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

HAS_GPU = torch.cuda.is_available() and importlib.util.find_spec("cupy") is not None
DEVICE = torch.device("cuda:0")

# Operations whose result has a size or a value that only the device knows, or which may have.
WAITING = {
    "_local_scalar_dense",  # item, bool, float, int
    "_unique2",
    "bincount",
    "equal",
    "isin",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}


class CudaTensor(Tensor):
    """A tensor on the device. Its numbers are in `values`, a tensor on the CPU.

    For torch's own code, which sees neither, it is on "meta": a device that every build of torch
    has, and that is not the CPU.
    """

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "CudaTensor":
        self = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device="meta",
        )
        self.values = values
        return self

    @property
    def device(self) -> torch.device:
        return DEVICE

    @property
    def is_cuda(self) -> bool:
        return True

    @property
    def data(self) -> "CudaTensor":
        return self.detach()

    @data.setter
    def data(self, other: "CudaTensor") -> None:
        if not isinstance(other, CudaTensor):
            raise TypeError("The data of a tensor on the device must be on the device.")
        self.values = other.values

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        # To where it is already, for torch's own code too: that returns the same tensor.
        def same(x: Any) -> Any:
            is_device = isinstance(x, (str, torch.device)) and torch.device(x).type == "cuda"
            return "meta" if is_device else x

        args, kwargs = tree_map(same, (args, kwargs))
        return super().to(*args, **kwargs)

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(_without_lists(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_without_lists(index), value)

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.values.untyped_storage()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence = (), kwargs: dict | None = None
    ) -> Any:
        if func.__name__ in ("lstm", "gru"):
            _check_recurrent(*args, **(kwargs or {}))
        return torch._C._disabled_torch_function_impl(func, types, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Sequence = (), kwargs: dict | None = None
    ) -> Any:
        return _run(func, args, kwargs or {})


class DeviceMode(TorchDispatchMode):
    """Has new tensors made on the device, and others copied there, if asked for."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence = (), kwargs: dict | None = None
    ) -> Any:
        return _run(func, args, kwargs or {})


def install() -> None:
    """Emulate a GPU from now on, in all threads of the process.

    RAISES: ImportError if Thinc has been imported, which looks for a GPU only then.
    """
    if "thinc" in sys.modules:
        raise ImportError("The emulation of a GPU must be installed before Thinc is imported.")
    os.environ["TRITON_INTERPRET"] = "1"
    sys.path.insert(0, str(Path(__file__).parent / "cupy_stand_in"))
    torch.cuda._lazy_init = lambda: None  # called before anything is done on the device
    torch.cuda.current_device = lambda: DEVICE.index
    _patch_torch()
    if importlib.util.find_spec("triton"):
        _patch_triton()
    DeviceMode().__enter__()
    run = threading.Thread.run

    def run_with_device(self: threading.Thread) -> None:
        with DeviceMode():
            run(self)

    threading.Thread.run = run_with_device


def _run(func: Any, args: Sequence, kwargs: dict[str, Any]) -> Any:
    """Run one operation of torch on the numbers, after a check of where they are."""
    name = func.overloadpacket.__name__
    of_values: dict[int, CudaTensor] = {}
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    on_device = any(isinstance(x, CudaTensor) for x in tensors)
    device = kwargs.get("device")
    to_device = on_device if device is None else device.type != "cpu"
    if any(x.device.type == "meta" for x in tensors):
        raise NotImplementedError(f"{name}: made where the emulation of a GPU does not see it")
    if name in ("_to_copy", "copy_"):
        to, of = (to_device, on_device) if name == "_to_copy" else map(_is_on_device, args[:2])
        if of and not to:
            waited("copy to the CPU")
        if to and not of:
            copied("copy")
            # torch waits for the whole queue, unless it is told not to.
            if not (kwargs.get("non_blocking") or (name == "copy_" and args[2:] == (True,))):
                waited("copy to the device")
    elif on_device:
        _refuse_mixture(name, args, tensors)
        if name in WAITING or _waits_for_size(name, args, kwargs):
            waited(name)

    def unwrap(x: Any) -> Any:
        if isinstance(x, CudaTensor):
            of_values[id(x.values)] = x
            return x.values
        return x

    def wrap(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        # What works in place returns the tensor that it was given.
        return of_values[id(x)] if id(x) in of_values else CudaTensor(x)

    args, kwargs = tree_map(unwrap, (tuple(args), kwargs))
    if device is not None:
        kwargs["device"] = torch.device("cpu")
    result = func(*args, **kwargs)
    return tree_map(wrap, result) if to_device else result


def _without_lists(index: Any) -> Any:
    """Make tensors of lists, of which torch would do so where no mode sees it."""
    if isinstance(index, tuple):
        return tuple(_without_lists(part) for part in index)
    return torch.tensor(index) if isinstance(index, (list, np.ndarray)) else index


def _is_on_device(x: Any) -> bool:
    return isinstance(x, CudaTensor)


def _refuse_mixture(name: str, args: Sequence, tensors: list[Tensor]) -> None:
    """Scalars of the CPU may be anywhere, and its indices as well, which are copied."""
    if name in INDEXING:
        indices = [index for index in args[1] if index is not None]
        if _is_on_device(args[0]):
            for index in indices:
                if not _is_on_device(index):
                    copied("index")
        tensors = [x for x in args if isinstance(x, Tensor)]
        if not _is_on_device(args[0]):
            tensors += indices
    if not all(_is_on_device(x) or not x.ndim for x in tensors):
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 "
            f"and cpu! ({name})"
        )


def _waits_for_size(name: str, args: Sequence, kwargs: dict[str, Any]) -> bool:
    """Whether an operation asks the device how large its result is."""
    if name == "repeat_interleave":
        return kwargs.get("output_size") is None
    masked = name in INDEXING and any(_is_on_device(x) and x.dtype == torch.bool for x in args[1])
    # A single value is written without being told where.
    return masked and (name == "index" or args[2].numel() != 1)


def _check_recurrent(
    input: Tensor,
    hx: Tensor | tuple[Tensor, Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> None:
    """What cuDNN minds: the arguments are those of `torch.lstm` and `torch.gru`."""
    needs_gradient = any(x.requires_grad for x in (input, *params))
    if torch.is_grad_enabled() and needs_gradient and not train:
        raise RuntimeError("cudnn RNN backward can only be called in training mode")
    storage, end, in_place = params[0].values.untyped_storage(), 0, True
    for values in (param.values for param in params):
        in_place &= values.untyped_storage().data_ptr() == storage.data_ptr()
        in_place &= values.is_contiguous() and values.storage_offset() == end
        end += values.numel()
    if not in_place or storage.nbytes() != end * params[0].values.itemsize:
        noted("lstm: weights that cuDNN has to put together first")


def _patch_torch() -> None:
    import cupy

    tensor, from_dlpack, to_dlpack = (
        torch.tensor,
        torch.utils.dlpack.from_dlpack,
        torch.utils.dlpack.to_dlpack,
    )

    def tensor_on(data: Any, *, device: Any = None, **kwargs: Any) -> Tensor:
        # Without it torch copies the data where no mode sees it.
        made = tensor(data, **kwargs)
        return made if device is None else made.to(device)

    def from_cupy(source: Any) -> Tensor:
        if isinstance(source, cupy.ndarray):
            return CudaTensor(torch.from_numpy(source._array))
        return from_dlpack(source)

    def to_cupy(source: Tensor) -> Any:
        if not isinstance(source, CudaTensor):
            return to_dlpack(source)
        if source.requires_grad:
            raise BufferError("Can't export tensors that require gradient")
        return cupy.ndarray(source.values.numpy())

    torch.tensor = tensor_on
    torch.utils.dlpack.from_dlpack = from_cupy
    torch.utils.dlpack.to_dlpack = to_cupy


def _patch_triton() -> None:
    from triton.runtime.interpreter import GridExecutor

    launch = GridExecutor.__call__

    def launch_on_device(self: GridExecutor, *args: Any, **kwargs: Any) -> None:
        def values_of(x: Any) -> Any:
            if isinstance(x, Tensor) and not _is_on_device(x):
                raise ValueError("Pointer argument cannot be accessed from Triton (cpu tensor?)")
            return x.values if isinstance(x, CudaTensor) else x

        # NumPy minds the log of 0, which is right for the lanes of the padding.
        with np.errstate(divide="ignore"):
            launch(self, *map(values_of, args), **kwargs)

    GridExecutor.__call__ = launch_on_device
