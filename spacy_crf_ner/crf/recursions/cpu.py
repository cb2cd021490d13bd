"""The recursions on the CPU, compiled by numba: one pass over the tokens of each sequence.

The sums are taken over probabilities instead of their logarithms, so that a step is the product of
a vector and a matrix; each step's sum is divided out and kept (Rabiner 1989, V.A, "scaling"). That
is exact as long as nothing matters that float64 cannot hold: `applies` says when. Each row of the
matrix is read only from its first to its last possible transition.
"""

from typing import Any, Callable, NamedTuple, Tuple

import numba
import numpy as np
import torch
from torch import Tensor

from ..potentials import IMPOSSIBLE, Potentials

# How far the scores of a token, of a transition, of a start and of an end may be apart, all in all.
# A tag may be behind the best one by as many such differences as it takes steps to get from one to
# the other (3 in BIOES), and float64 holds exp(-700).
MAX_RANGE = 200.0

_jit = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})


def applies(p: Potentials) -> bool:
    """Say whether probabilities can stand for the scores in `forward` and `backward`.

    p (Potentials): The scores.
    RETURNS (bool): Whether those that are possible are close enough to each other.
    """
    return sum(map(_range, (p.emissions, p.transitions, p.start, p.end))) < MAX_RANGE


class Forward(NamedTuple):
    """What the forward pass leaves for the backward pass: all of it exp(scores).

    emissions (np.ndarray): (N, C), the largest of each row 1.
    transitions (np.ndarray): (C, C), the largest 1.
    end (np.ndarray): (C,), the largest 1.
    alphas (np.ndarray): (N, C) probabilities of each token's tags given the emissions up to it.
    """

    emissions: np.ndarray
    transitions: np.ndarray
    end: np.ndarray
    alphas: np.ndarray


def forward(p: Potentials) -> Tuple[Forward, Tensor]:
    """The forward recursion. Not finite if the scores do not apply.

    p (Potentials): The scores, on the CPU.
    RETURNS (Tuple[Forward, Tensor]): What `posteriors` needs, and (B,) float64 log-partitions.
    """
    emissions, shifts = _exp_rows(p.emissions)
    transitions, shift = _exp(p.transitions)
    start, start_shift = _exp(p.start)
    end, end_shift = _exp(p.end)
    alphas, log_z = np.empty_like(emissions), np.zeros(len(p.lengths))
    legal = _possible(p.transitions)
    _run(_forward, p, emissions, start, transitions, *legal, end, alphas, log_z)
    # What was taken off the scores before exp is the same for all taggings.
    ends = p.lengths.cumsum(0)
    sums = torch.cat([shifts.new_zeros(1), shifts.cumsum(0)])
    shifted = sums[ends] - sums[ends - p.lengths] + (p.lengths - 1).double() * shift
    shifted = (shifted + start_shift + end_shift) * (p.lengths > 0)
    return Forward(emissions, transitions, end, alphas), torch.from_numpy(log_z) + shifted


def posteriors(p: Potentials, state: Forward, weights: Tensor) -> Tuple[Tensor, Tensor]:
    """The same as `reference.posteriors`, in float64.

    p (Potentials): The scores, on the CPU.
    state (Forward): What `forward` returned.
    weights (Tensor): (N,) how much each token counts.
    RETURNS (Tuple[Tensor, Tensor]): (N, C) and (C, C).
    """
    marginals, following = np.empty_like(state.emissions), np.empty_like(state.emissions)
    legal = _possible(p.transitions.T)
    matrix = np.ascontiguousarray(state.transitions.T)
    inputs = (state.emissions, matrix, *legal, state.end, state.alphas, _to_numpy(weights))
    _run(_posteriors, p, *inputs, marginals, following)
    pairs = state.alphas[:-1].T @ following[1:] * state.transitions
    return torch.from_numpy(marginals), torch.from_numpy(pairs)


def backward(p: Potentials) -> Tensor:
    """The same as `reference.backward`, in float64. Not finite if the scores do not apply.

    p (Potentials): The scores, on the CPU.
    RETURNS (Tensor): (N, C).
    """
    emissions, _ = _exp_rows(p.emissions)
    matrix, _ = _exp(p.transitions.T)
    end, _ = _exp(p.end)
    betas = np.empty_like(emissions)
    _run(_backward, p, emissions, matrix, *_possible(p.transitions.T), end, betas)
    return torch.from_numpy(betas).log_()


def viterbi(p: Potentials) -> Tensor:
    """The same as `reference.viterbi`, in float64; applies to all scores.

    p (Potentials): The scores, on the CPU.
    RETURNS (Tensor): (N,) int64.
    """
    emissions, start, matrix, end = (
        _to_numpy(scores) for scores in (p.emissions, p.start, p.transitions, p.end)
    )
    came_from = np.empty(emissions.shape, dtype=np.int32)
    tags = np.empty(len(emissions), dtype=np.int64)
    _run(_viterbi, p, emissions, start, matrix, *_possible(matrix), end, came_from, tags)
    return torch.from_numpy(tags)


def _run(kernel: Callable[..., None], p: Potentials, *arrays: Any) -> None:
    """Run a kernel over all sequences, in one thread. Others of Python's would have to share the
    cores with torch's, which spin for a while after each of its operations: measured, that costs
    more than it brings. And numba's own abort the process if two Python threads meet in them."""
    kernel(np.concatenate([[0], p.lengths.numpy().cumsum()]), *arrays)


def _to_numpy(scores: Tensor) -> np.ndarray:
    return np.ascontiguousarray(scores.detach().double().numpy())


def _range(scores: Tensor) -> float:
    """The largest difference of two possible scores in a row."""
    if not scores.numel():
        return 0.0
    low = torch.where(scores > IMPOSSIBLE / 2, scores, torch.inf).amin(-1)
    # A row without any possible score has no range.
    return float((scores.amax(-1) - low).clamp(min=0).max())


def _exp_rows(scores: Tensor) -> Tuple[np.ndarray, Tensor]:
    """exp(scores) with the largest of each row taken off, and the largest."""
    scores = scores.detach().double()
    shifts = scores.amax(-1) if scores.numel() else scores.new_zeros(len(scores))
    return np.ascontiguousarray((scores - shifts[:, None]).exp_().numpy()), shifts


def _exp(scores: Tensor) -> Tuple[np.ndarray, float]:
    """exp(scores) with the largest of all taken off, and the largest."""
    scores = scores.detach().double()
    shift = scores.max()
    return np.ascontiguousarray((scores - shift).exp_().numpy()), float(shift)


def _possible(transitions: Any) -> Tuple[np.ndarray, np.ndarray]:
    """Where the possible transitions of each row begin and end."""
    possible = np.asarray(transitions.detach() if torch.is_tensor(transitions) else transitions)
    possible = possible > IMPOSSIBLE / 2
    low = possible.argmax(1)
    high = possible.shape[1] - possible[:, ::-1].argmax(1)
    return low, np.where(possible.any(1), high, low)


@_jit
def _multiply(vector, matrix, low, high, out):
    out[:] = 0.0
    for i in range(vector.size):
        x = vector[i]
        # Slices from 0 on, where no index can be negative, are what the compiler vectorises.
        row, part = matrix[i, low[i] : high[i]], out[low[i] : high[i]]
        for j in range(row.size):
            part[j] += x * row[j]


@_jit
def _forward(offsets, emissions, start, matrix, low, high, end, alphas, log_z):
    for b in range(offsets.size - 1):
        total = 0.0
        for n in range(offsets[b], offsets[b + 1]):
            alpha, emission = alphas[n], emissions[n]
            if n == offsets[b]:
                alpha[:] = start
            else:
                _multiply(alphas[n - 1], matrix, low, high, alpha)
            step = 0.0
            for j in range(alpha.size):
                alpha[j] *= emission[j]
                step += alpha[j]
            alpha /= step
            total += np.log(step)
        if offsets[b] < offsets[b + 1]:
            log_z[b] = total + np.log(np.sum(alphas[offsets[b + 1] - 1] * end))


@_jit
def _backward(offsets, emissions, matrix, low, high, end, betas):
    following = np.empty(end.size)
    for b in range(offsets.size - 1):
        for n in range(offsets[b + 1] - 1, offsets[b] - 1, -1):
            beta = betas[n]
            if n == offsets[b + 1] - 1:
                beta[:] = end
            else:
                emission, next_beta = emissions[n + 1], betas[n + 1]
                for j in range(end.size):
                    following[j] = emission[j] * next_beta[j]
                _multiply(following, matrix, low, high, beta)
            beta /= np.sum(beta)


@_jit
def _posteriors(offsets, emissions, matrix, low, high, end, alphas, weights, marginals, following):
    beta = np.empty(end.size)
    for b in range(offsets.size - 1):
        beta[:] = end
        for n in range(offsets[b + 1] - 1, offsets[b] - 1, -1):
            alpha, emission, marginal, after = alphas[n], emissions[n], marginals[n], following[n]
            total = 0.0
            for j in range(end.size):
                marginal[j] = alpha[j] * beta[j]
                total += marginal[j]
                after[j] = emission[j] * beta[j]
            marginal *= weights[n] / total
            if n == offsets[b]:
                after[:] = 0.0
                break
            _multiply(after, matrix, low, high, beta)
            before = alphas[n - 1]
            # The sum over all pairs of before[i] * transitions[i, j] * after[j].
            total = 0.0
            for i in range(end.size):
                total += before[i] * beta[i]
            after *= weights[n] / total
            beta /= np.sum(beta)


@_jit
def _viterbi(offsets, emissions, start, matrix, low, high, end, came_from, tags):
    score, best = np.empty(end.size), np.empty(end.size)
    for b in range(offsets.size - 1):
        begin, stop = offsets[b], offsets[b + 1]
        if begin == stop:
            continue
        score[:] = start + emissions[begin]
        for n in range(begin + 1, stop):
            best[:] = -np.inf
            came_from[n] = 0
            for i in range(score.size):
                x, tag = score[i], np.int32(i)
                row, part = matrix[i, low[i] : high[i]], best[low[i] : high[i]]
                before = came_from[n, low[i] : high[i]]
                for j in range(row.size):
                    y = x + row[j]
                    better = y > part[j]
                    part[j] = y if better else part[j]
                    before[j] = tag if better else before[j]
            score[:] = best + emissions[n]
        tag = np.argmax(score + end)
        tags[stop - 1] = tag
        for n in range(stop - 1, begin, -1):
            tag = came_from[n, tag]
            tags[n - 1] = tag
