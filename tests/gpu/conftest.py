"""Tests of the package on a GPU, which is emulated where there is none.

They need a process of their own, since Thinc looks for a GPU when it is imported: run
`pytest tests/gpu`. The test suite does so in `test_emulated_gpu.py`.
"""

import emulated_cuda
import torch

if not emulated_cuda.HAS_GPU:
    emulated_cuda.install()
elif hasattr(getattr(torch.backends.cudnn, "rnn", None), "fp32_precision"):
    # As precise as the CPU, which results are compared with. torch 2.9 renamed the setting.
    torch.backends.cudnn.rnn.fp32_precision = "ieee"
else:
    torch.backends.cudnn.allow_tf32 = False

from thinc.api import require_gpu

require_gpu(0)


def pytest_configure(config):
    # The package would go on without them.
    config.addinivalue_line("filterwarnings", "error:The CRF's Triton kernels")
