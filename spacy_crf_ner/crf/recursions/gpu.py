"""The recursions as Triton kernels: each handles all sequences in one launch.

A sequence is one program of the grid. It keeps the transition matrix in registers while it walks
over the tokens, so a step costs no launch and reads only its row of emissions. Importing this
module needs Triton. Under Triton's interpreter (TRITON_INTERPRET=1, set before Triton is first
imported) the kernels run on the CPU, slowly.

Tags are padded to a power of two, as Triton requires, with lanes that score -inf everywhere.
"""

import warnings
from dataclasses import replace

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..potentials import Potentials
from . import reference

FAILED = (
    "The CRF's Triton kernels failed to run ({error}). From now on the CRF runs in torch, with the "
    "same results, but several times slower. Triton compiles its kernels when they are first used, "
    "and needs a C compiler and Python's headers for it, such as Debian's packages gcc and "
    "python3-dev. `python -m spacy crf doctor` says what is missing."
)
failed = False


def forward(p: Potentials) -> tuple[Tensor, Tensor]:
    """The same as `reference.forward`.

    p (Potentials): The scores, in float32 or float64.
    RETURNS (tuple[Tensor, Tensor]): (N, C) in the precision of the scores and (B,) float64.
    """
    alphas = p.emissions.new_empty(p.emissions.shape)
    log_z = p.emissions.new_zeros(len(p.lengths), dtype=torch.float64)
    if _launch(_forward, p, alphas, log_z):
        return alphas, log_z
    return reference.forward(p)


def posteriors(p: Potentials, alphas: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The same as `reference.posteriors`.

    p (Potentials): The scores, in float32 or float64.
    alphas (Tensor): (N, C), what `forward` returned.
    weights (Tensor): (N,) the weight of each token.
    RETURNS (tuple[Tensor, Tensor]): (N, C) and (C, C) in the precision of the scores.
    """
    return reference.combine(p, alphas, backward(p), weights)


def backward(p: Potentials) -> Tensor:
    """The same as `reference.backward`.

    p (Potentials): The scores, in float32 or float64.
    RETURNS (Tensor): (N, C) in the precision of the scores.
    """
    betas = p.emissions.new_empty(p.emissions.shape)
    # Transposed in memory, not only by strides: Triton spreads a block over the threads along the
    # contiguous axis, and sums are cheaper along the other one.
    if _launch(_backward, replace(p, transitions=p.transitions.T), betas):
        return betas
    return reference.backward(p)


def viterbi(p: Potentials) -> Tensor:
    """The same as `reference.viterbi`.

    p (Potentials): The scores, in float32 or float64.
    RETURNS (Tensor): (N,) int64.
    """
    came_from = p.emissions.new_empty(p.emissions.shape, dtype=torch.int16)
    best = p.emissions.new_empty(len(p.emissions), dtype=torch.int64)
    if _launch(_viterbi, p, came_from, best):
        return best
    return reference.viterbi(p)


def probe(device: torch.device) -> None:
    """Run a kernel on a small batch, to see whether Triton works.

    device (torch.device): The device.
    RAISES: Exception of any kind if it does not, AssertionError if the results are wrong.
    """
    scores = torch.eye(3, device=device)
    p = Potentials(scores, torch.tensor([2, 1]), scores[0], scores, scores[1])
    log_z = torch.zeros(2, dtype=torch.float64, device=device)
    _run(_forward, p, torch.empty_like(scores), log_z)
    torch.testing.assert_close(log_z, reference.forward(p)[1])


def _launch(kernel: triton.JITFunction, p: Potentials, *results: Tensor) -> bool:
    """Run a kernel.

    RETURNS (bool): Whether it ran. After one failure, no kernel is tried again.
    """
    global failed
    if not len(p.emissions):
        return True
    if failed:
        return False
    try:
        _run(kernel, p, *results)
    except Exception as error:
        # Triton needs a C compiler and Python's headers. If they are missing, it only fails at the
        # first launch, with exceptions of all kinds.
        failed = True
        warnings.warn(FAILED.format(error=f"{type(error).__name__}: {error}"), stacklevel=1)
    return not failed


def _run(kernel: triton.JITFunction, p: Potentials, *results: Tensor) -> None:
    offsets = torch.cat([p.lengths.new_zeros(1), p.lengths.cumsum(0)])
    offsets = offsets.to(p.emissions.device, non_blocking=True)
    scores = (p.emissions, p.start, p.transitions, p.end)
    # Triton launches on the current device, which may differ from that of the tensors.
    with torch.cuda.device_of(p.emissions):
        kernel[(len(p.lengths),)](
            *[score.contiguous() for score in scores],
            offsets,
            *results,
            **launch_options(len(p.start)),
        )


def launch_options(n_tags: int) -> dict[str, int]:
    """The constants that a kernel is compiled with.

    n_tags (int): The number of tags C.
    RETURNS (dict[str, int]): The kernel's constants and the number of warps.
    """
    # Fewer than 8 transitions per thread of a single warp would gain nothing.
    block = max(16, triton.next_power_of_2(n_tags))
    # Up to 128 tags, a thread has 32 transitions, which leaves registers for the sums. With more,
    # the compiler moves some to memory: correct, but slow. AMD's GPUs allow at most 16 warps.
    num_warps = min(max(block * block // 1024, 1), 16)
    return {"N_TAGS": n_tags, "BLOCK": block, "num_warps": num_warps}


@triton.jit
def _forward(
    emissions, start, transitions, end, offsets, alphas, log_z,
    N_TAGS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    sequence = tl.program_id(0)
    first, stop = tl.load(offsets + sequence), tl.load(offsets + sequence + 1)
    if first < stop:
        pairs = _load_pairs(transitions, N_TAGS, BLOCK)  # (from, to)
        score = _load_row(start, 0, N_TAGS, BLOCK) + _load_row(emissions, first, N_TAGS, BLOCK)
        alpha, step = _normalize(score)
        _store_row(alphas, first, alpha, N_TAGS, BLOCK)
        total = step.to(tl.float64)
        for token in range(first + 1, stop):
            # Loaded before the sum, so that the two overlap.
            emission = _load_row(emissions, token, N_TAGS, BLOCK)
            alpha, step = _normalize(_log_sum_exp(alpha[:, None] + pairs) + emission)
            _store_row(alphas, token, alpha, N_TAGS, BLOCK)
            total += step
        total += _log_sum_exp(alpha + _load_row(end, 0, N_TAGS, BLOCK))
        tl.store(log_z + sequence, total)


@triton.jit
def _backward(
    emissions, start, transitions, end, offsets, betas,
    N_TAGS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    sequence = tl.program_id(0)
    first, stop = tl.load(offsets + sequence), tl.load(offsets + sequence + 1)
    if first < stop:
        pairs = _load_pairs(transitions, N_TAGS, BLOCK)  # (to, from)
        beta = _load_row(end, 0, N_TAGS, BLOCK)
        _store_row(betas, stop - 1, beta, N_TAGS, BLOCK)
        for token in range(stop - 1, first, -1):
            following = _load_row(emissions, token, N_TAGS, BLOCK) + beta
            beta, _ = _normalize(_log_sum_exp(following[:, None] + pairs))
            _store_row(betas, token - 1, beta, N_TAGS, BLOCK)


@triton.jit
def _viterbi(
    emissions, start, transitions, end, offsets, came_from, best,
    N_TAGS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    sequence = tl.program_id(0)
    first, stop = tl.load(offsets + sequence), tl.load(offsets + sequence + 1)
    if first < stop:
        pairs = _load_pairs(transitions, N_TAGS, BLOCK)  # (from, to)
        score = _load_row(start, 0, N_TAGS, BLOCK) + _load_row(emissions, first, N_TAGS, BLOCK)
        for token in range(first + 1, stop):
            emission = _load_row(emissions, token, N_TAGS, BLOCK)
            score, tag_before = _max(score[:, None] + pairs, N_TAGS)
            _store_row(came_from, token, tag_before, N_TAGS, BLOCK)
            score += emission
            score -= tl.max(score, axis=0)  # keeps long sequences precise
        _, tag = _max(score + _load_row(end, 0, N_TAGS, BLOCK), N_TAGS)
        tl.store(best + stop - 1, tag)
        # From here on, each thread reads what other threads of its program wrote.
        tl.debug_barrier()
        for token in range(stop - 1, first, -1):
            tag = tl.load(came_from + token * N_TAGS + tag).to(tl.int32)
            tl.store(best + token - 1, tag)


@triton.jit
def _load_row(scores, row, N_TAGS: tl.constexpr, BLOCK: tl.constexpr):
    tags = tl.arange(0, BLOCK)
    return tl.load(scores + row * N_TAGS + tags, tags < N_TAGS, other=float("-inf"))


@triton.jit
def _store_row(results, row, values, N_TAGS: tl.constexpr, BLOCK: tl.constexpr):
    tags = tl.arange(0, BLOCK)
    tl.store(results + row * N_TAGS + tags, values, tags < N_TAGS)


@triton.jit
def _load_pairs(transitions, N_TAGS: tl.constexpr, BLOCK: tl.constexpr):
    rows, columns = tl.arange(0, BLOCK)[:, None], tl.arange(0, BLOCK)[None, :]
    real = (rows < N_TAGS) & (columns < N_TAGS)
    return tl.load(transitions + rows * N_TAGS + columns, real, other=float("-inf"))


@triton.jit
def _log_sum_exp(scores):
    """Over the first axis. Where all scores are -inf, as in the padding, it is -inf and not NaN."""
    highest = tl.max(scores, axis=0)
    highest = tl.where(highest == float("-inf"), 0.0, highest)
    return tl.log(tl.sum(tl.exp(scores - highest), axis=0)) + highest


@triton.jit
def _normalize(scores):
    """Shift a row so that its exp sums to 1, and return the row and the shift."""
    total = _log_sum_exp(scores)
    return scores - total, total


@triton.jit
def _max(scores, N_TAGS: tl.constexpr):
    """The highest score over the first axis, and its tag: the lowest one if several tie."""
    score, tag = tl.max(scores, axis=0, return_indices=True, return_indices_tie_break_left=True)
    # NaN scores may choose a padding lane, which would be out of bounds.
    return score, tl.minimum(tag, N_TAGS - 1)
