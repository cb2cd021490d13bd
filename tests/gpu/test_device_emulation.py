"""The emulation of a GPU refuses what a GPU does, and logs what waits for it."""

import emulated_cuda
import numpy as np
import pytest
import torch
from device_log import recording
from thinc.api import get_current_ops, torch2xp, xp2torch

pytestmark = pytest.mark.skipif(emulated_cuda.HAS_GPU, reason="there is a GPU")

HERE = np.arange(3, dtype="f")


@pytest.fixture
def there():
    return get_current_ops().asarray1f(HERE)


def count(function):
    with recording() as log:
        function()
    return log.waits.total(), log.copies.total()


def test_arrays_of_two_devices(there):
    xp = get_current_ops().xp
    for mix in (
        lambda: there + HERE,
        lambda: HERE + there,
        lambda: xp.concatenate([there, HERE]),
        lambda: np.concatenate([there, HERE]),
        lambda: np.asarray(there),
        lambda: there.__setitem__(slice(None), HERE),
    ):
        with pytest.raises(TypeError):
            mix()
    assert (np.float32(2) * there + np.float32(1)).get().tolist() == [1, 3, 5]


def test_tensors_of_two_devices(there):
    x = xp2torch(there)
    rows = torch.tensor([1], device=x.device)
    assert x.is_cuda
    assert rows.is_cuda
    for mix in (lambda: x + torch.ones(3), lambda: torch.ones(3)[rows], lambda: x.numpy()):
        with pytest.raises(RuntimeError):
            mix()
    assert (x + torch.tensor(1.0))[rows].tolist() == [2.0]
    assert x[[2, 0]].tolist() == [2.0, 0.0]


def test_cupy_and_torch_share_memory(there):
    x = xp2torch(there)
    x += 1
    torch2xp(x)[:1] = 7
    assert there.get().tolist() == x.tolist() == [7, 2, 3]


def test_waits_and_copies(there):
    x = xp2torch(there)
    assert count(lambda: (there * 2).sum()) == (0, 0)
    assert count(lambda: (x * 2).sum().to(x.device)) == (0, 0)
    for wait in (
        lambda: there.get(),
        lambda: float(there.sum()),
        lambda: there[there > 0],
        lambda: x.tolist(),
        lambda: x.cpu(),
        lambda: bool(x.any()),
        lambda: x[x > 0],
        lambda: torch.repeat_interleave(x, x.long()),
    ):
        assert count(wait) == (1, 0)
    assert count(lambda: there[np.array([0])]) == (0, 1)
    assert count(lambda: x[[0]]) == (0, 1)
    assert count(lambda: torch.ones(3).to(x.device, non_blocking=True)) == (0, 1)
    # From ordinary memory, torch otherwise waits for all that is queued.
    assert count(lambda: torch.ones(3).to(x.device)) == (1, 1)


def test_gradients_of_an_lstm():
    lstm = torch.nn.LSTM(2, 2, batch_first=True)
    weights = [weight.detach().to(emulated_cuda.DEVICE) for weight in lstm.parameters()]
    zeros = torch.zeros(1, 1, 2, device=emulated_cuda.DEVICE)

    def run(weights, train, X):
        return torch.lstm(X, (zeros, zeros), weights, True, 1, 0.0, train, False, True)[0].sum()

    X = torch.ones(1, 3, 2, device=emulated_cuda.DEVICE)
    with recording() as log:
        run(weights, False, X)
    assert log.notes.total() == 1
    X.requires_grad_()
    with pytest.raises(RuntimeError, match="training mode"):
        run(weights, False, X)
    together = torch.cat([weight.flatten() for weight in weights])
    parts = together.split([weight.numel() for weight in weights])
    with recording() as log:
        output = run([part.view_as(weight) for part, weight in zip(parts, weights)], True, X)
    assert not log.notes
    on_cpu = torch.ones(1, 3, 2, requires_grad=True)
    expected = torch.autograd.grad(lstm(on_cpu)[0].sum(), on_cpu)
    torch.testing.assert_close([x.cpu() for x in torch.autograd.grad(output, X)], [*expected])
