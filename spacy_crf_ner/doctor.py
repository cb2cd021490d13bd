"""Check whether everything needed to run on a GPU works, and say how to fix what does not."""

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions, version
from typing import NamedTuple

import spacy
import thinc
import torch
from spacy.training import Example
from thinc.api import require_gpu, torch2xp, xp2torch
from torch import Tensor
from torch.utils.benchmark import Timer

# The first cuDNN with LSTMs in bfloat16. With an older one, torch uses much slower kernels.
CUDNN_WITH_BFLOAT16 = 91300


class Finding(NamedTuple):
    """The result of one check.

    name (str): What was checked.
    works (bool): Whether it works.
    detail (str): What was found, or what went wrong.
    remedy (str): What to do if it does not work.
    needed (bool): True if nothing runs on a GPU without it, False if it only runs slower.
    """

    name: str
    works: bool
    detail: str
    remedy: str = ""
    needed: bool = True


class Check(NamedTuple):
    """One check.

    name (str): What is checked.
    run (Callable[[int], str]): Takes the GPU and returns what was found, or raises an error.
    remedy (Callable[[], str]): Says what to do if it does not work.
    needed (bool): As in `Finding`.
    """

    name: str
    run: Callable[[int], str]
    remedy: Callable[[], str]
    needed: bool = True


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries used.

    RETURNS (dict[str, str]): Versions by name; "none" for a library that is not installed.
    """
    cudnn = torch.backends.cudnn.version()
    return {
        "Python": platform.python_version(),
        "spaCy": spacy.__version__,
        "Thinc": thinc.__version__,
        "torch": torch.__version__,
        "CUDA of torch": torch.version.cuda or "none",
        "cuDNN of torch": str(cudnn or "none"),
        "CuPy": ", ".join(f"{name} {version(name)}" for name in _wheels("cupy")) or "none",
        "Triton": ", ".join(version(name) for name in _wheels("triton")) or "none",
    }


def examine(gpu_id: int) -> Iterator[Finding]:
    """Run the checks in order. Each one depends on those before it.

    gpu_id (int): The GPU.
    YIELDS (Finding): The result of each check, up to the first needed one that fails.
    """
    for name, run, remedy, needed in CHECKS:
        try:
            yield Finding(name, True, run(gpu_id), needed=needed)
        # Any exception: missing or incompatible libraries fail in all kinds of ways.
        except Exception as error:
            yield Finding(name, False, f"{type(error).__name__}: {error}", remedy(), needed)
            if needed:
                return


def _check_gpu(gpu_id: int) -> str:
    properties = torch.cuda.get_device_properties(gpu_id)
    return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"


def _how_to_have_a_gpu() -> str:
    if torch.version.cuda is None:
        return (
            "This torch is a build for CPUs. Install one for CUDA. On Linux, that is PyPI's: "
            "pip install --force-reinstall torch"
        )
    return "`nvidia-smi` must list the GPU. If it does not, the driver is missing or too old."


def _check_cupy(gpu_id: int) -> str:
    import cupy
    import cupy.cublas  # fails without CUDA's libraries, which `import cupy` alone does not need

    with cupy.cuda.Device(gpu_id):
        ones = cupy.ones((2, 2), dtype="f")
        # cuBLAS, and a kernel that NVRTC compiles.
        total = float((ones @ ones + ones).sum())
    if total != 12:
        raise RuntimeError(f"expected a sum of 12, got {total}")
    return "computes"


def _how_to_have_cupy() -> str:
    wheel = f"cupy-cuda{(torch.version.cuda or '13').split('.')[0]}x"
    others = [name for name in _wheels("cupy") if name != wheel]
    remove = f"pip uninstall {' '.join(others)}; " if others else ""
    return f"{remove}pip install '{wheel}[ctk]', with [ctk], which brings CUDA's libraries."


def _check_exchange(gpu_id: int) -> str:
    require_gpu(gpu_id)
    tensor = torch.arange(3.0, device=f"cuda:{gpu_id}")
    array = torch2xp(tensor)
    array *= 2
    if tensor.tolist() != [0, 2, 4] or xp2torch(array).data_ptr() != tensor.data_ptr():
        raise RuntimeError("they do not share memory")
    return "both ways, without a copy"


def _check_triton(gpu_id: int) -> str:
    from .crf.recursions import gpu

    gpu.probe(torch.device("cuda", gpu_id))
    return "runs, with the same results as torch"


def _check_lstm(gpu_id: int) -> str:
    return f"{1e3 * _time_lstm(gpu_id, torch.float32):.1f} ms forward and backward"


def _check_bfloat16(gpu_id: int) -> str:
    exact, rounded = (_time_lstm(gpu_id, dtype) for dtype in (torch.float32, torch.bfloat16))
    cudnn = torch.backends.cudnn.version() or 0
    text = f"takes {rounded / exact:.2f} times as long as float32, cuDNN {cudnn}"
    if cudnn < CUDNN_WITH_BFLOAT16 or rounded > exact:
        raise RuntimeError(text)
    return text


def _time_lstm(gpu_id: int, dtype: torch.dtype) -> float:
    """The median seconds of an LSTM's forward and backward pass over 64 sequences of 50 tokens."""
    lstm = torch.nn.LSTM(512, 192, batch_first=True, device=f"cuda:{gpu_id}", dtype=dtype)
    inputs = torch.randn(64, 50, 512, device=f"cuda:{gpu_id}", dtype=dtype)

    def run() -> Tensor:
        return torch.autograd.grad(lstm(inputs)[0].sum(), list(lstm.parameters()))[0]

    timer = Timer("run()", globals={"run": run})
    return timer.blocked_autorange(min_run_time=0.2).median


def _check_training(gpu_id: int) -> str:
    require_gpu(gpu_id)
    nlp = spacy.blank("zh")
    nlp.add_pipe("crf_ner")
    gold = {"entities": [(0, 2, "PERSON"), (3, 5, "LOCATION")]}
    text = "王明在北京工作"
    examples = [Example.from_dict(nlp.make_doc(text), gold)]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    found = [ent.text for ent in nlp(text).ents]
    if found != ["王明", "北京"]:
        raise RuntimeError(f"after training on one sentence, found the wrong entities {found}")
    return "a crf_ner learns a sentence"


def _wheels(module: str) -> list[str]:
    return sorted(set(packages_distributions().get(module, [])))


CHECKS = [
    Check("GPU", _check_gpu, _how_to_have_a_gpu),
    Check("CuPy", _check_cupy, _how_to_have_cupy),
    Check(
        "arrays between CuPy and torch",
        _check_exchange,
        lambda: "CuPy 14 needs torch 2.13 or newer; with an older torch, install 'cupy<14'.",
    ),
    Check(
        "Triton",
        _check_triton,
        lambda: (
            "It needs a C compiler and Python's headers (Debian: apt install gcc python3-dev), and "
            "the Triton that comes with torch for CUDA. Until then the CRF runs slower, in torch."
        ),
        needed=False,
    ),
    Check(
        "LSTM",
        _check_lstm,
        lambda: "cuDNN fails. Reinstall torch, which brings its own, and unset LD_LIBRARY_PATH.",
    ),
    Check(
        "LSTM in bfloat16",
        _check_bfloat16,
        lambda: 'Train with precision = "float32". bfloat16 is only fast from cuDNN 9.13 on.',
        needed=False,
    ),
    Check(
        "training",
        _check_training,
        lambda: "Please report it, with everything printed here.",
    ),
]
