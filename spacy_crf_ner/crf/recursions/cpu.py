"""The recursions on the CPU, compiled by numba.

Sums are taken over probabilities instead of their logarithms, and over all sequences at once, so
that a step is a product of two matrices. BLAS computes it several times faster than a loop of our
own, although it cannot skip impossible transitions. Each step's sum is divided out and kept
(Rabiner 1989, V.A, "scaling"). The result is exact as long as no number that matters is too small
for float64; `forward` says when that is. The best tag sequences are found one sequence at a time,
along the possible transitions only.

Everything runs in one thread. More Python threads would have to share the cores with torch's
threads, which spin for a while after each operation. numba's own threads abort the process if two
Python threads use them at once. For the same reason, whole batches go through numpy here and not
through torch: waking up torch's threads after other work takes longer than their part of the work.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...jit import jit as _jit
from ...jit import jit_inline as _jit_inline
from ..potentials import IMPOSSIBLE, Potentials

# Limit on the sum of the ranges of a token's scores and of the transitions, starts and ends. A tag
# may be behind the best one by as many such sums as it takes steps to get from one to the other (3
# in BIOES), and float64 can hold exp(-700).
MAX_RANGE = 200.0
# If at most this many tags may precede a tag, its transitions are read one by one.
FEW = 4
# How many previous tags are compared at once to find the best one.
TOGETHER = 8
# A matrix product of at most this many multiplications stays in one thread.
PRODUCT = 2**18


class Transitions(NamedTuple):
    """A transition matrix, laid out so that impossible transitions cost nothing: a dense block and
    single transitions. In BIOES, the block goes from O, E and S to O, B and S and is a quarter of
    the matrix. The single transitions are those inside an entity.

    block (np.ndarray): (S, T) the scores of the block.
    sources (np.ndarray): (S,) the previous tags of the block.
    targets (np.ndarray): (T,) the next tags of the block.
    values (np.ndarray): (M,) the scores of the single transitions.
    before (np.ndarray): (M,) their previous tags.
    after (np.ndarray): (M,) their next tags, none of which is in `targets`.
    """

    block: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    values: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @classmethod
    def of(cls, matrix: np.ndarray) -> "Transitions":
        possible = matrix > IMPOSSIBLE / 2
        in_block = possible.sum(0) > FEW
        targets = np.flatnonzero(in_block)
        sources = np.flatnonzero(possible[:, targets].any(1))
        before, after = np.nonzero(possible & ~in_block)
        # Padded to a multiple of TOGETHER with sources that lead nowhere.
        padding = (0, -len(sources) % TOGETHER)
        block = matrix[np.ix_(sources, targets)]
        block = np.pad(block, (padding, (0, 0)), constant_values=-np.inf)
        sources = np.pad(sources, padding)
        return cls(block, sources, targets, matrix[before, after], before, after)


class Steps(NamedTuple):
    """All first tokens, all second ones, ..., each time with the longest sequence first, so that
    the sequences that continue are next to each other.

    begins (np.ndarray): (L + 1,) where each step's tokens begin, and where the last step's end.
    order (np.ndarray): (B,) the sequences, longest first.
    firsts (np.ndarray): (B,) their first tokens.
    """

    begins: np.ndarray
    order: np.ndarray
    firsts: np.ndarray

    @classmethod
    def of(cls, p: Potentials) -> "Steps":
        lengths = p.lengths.numpy()
        widths = len(lengths) - np.bincount(lengths, minlength=1).cumsum()[:-1]
        order = np.argsort(-lengths, kind="stable")
        return cls(np.append(0, widths.cumsum()), order, _offsets(p)[order])


class Forward(NamedTuple):
    """Results of the forward pass for the backward pass.

    steps (Steps): The order of alphas.
    emissions (np.ndarray): (N, C) exp(scores), scaled so that the largest of each row is 1.
    transitions (np.ndarray): (C, C) exp(scores), scaled so that the largest is 1.
    end (np.ndarray): (C,) exp(scores), scaled so that the largest is 1.
    alphas (np.ndarray): (N, C) the probabilities of each token's tags given the emissions up to it,
        up to a factor per token.
    sums (np.ndarray): (N,) the sum of each token's alphas, sequence after sequence.
    """

    steps: Steps
    emissions: np.ndarray
    transitions: np.ndarray
    end: np.ndarray
    alphas: np.ndarray
    sums: np.ndarray


def forward(p: Potentials) -> tuple[Forward, Tensor]:
    """The forward recursion.

    p (Potentials): The scores, on the CPU, in any precision.
    RETURNS (tuple[Forward, Tensor]): What `posteriors` needs, and (B,) float64 log-partitions: NaN
        if the scores are too far apart.
    """
    emissions, shifts, spread = _exp_rows(_to_numpy(p.emissions))
    start, start_shift, start_spread = _exp(p.start)
    transitions, shift, transitions_spread = _exp(p.transitions)
    end, end_shift, end_spread = _exp(p.end)
    steps, sums = Steps.of(p), np.empty(len(emissions))
    state = Forward(steps, emissions, transitions, end, np.empty_like(emissions), sums)
    if spread + start_spread + transitions_spread + end_spread >= MAX_RANGE:
        return state, torch.full((len(p.lengths),), torch.nan, dtype=torch.float64)
    log_z = np.ones(len(p.lengths))
    _forward(state, start, log_z)
    # The shift subtracted from the scores before exp is the same for all tag sequences.
    offsets = _offsets(p)
    with np.errstate(divide="ignore"):
        logs = np.append(0.0, (np.log(sums) + shifts + shift).cumsum())
        log_z = np.log(log_z) + logs[offsets[1:]] - logs[offsets[:-1]]
    log_z += start_shift + end_shift - shift
    log_z[p.lengths.numpy() == 0] = 0.0
    return state, torch.from_numpy(log_z)


def posteriors(p: Potentials, state: Forward, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The same as `reference.posteriors`, in the precision of the scores, but at least float32.

    p (Potentials): The scores, on the CPU.
    state (Forward): What `forward` returned.
    weights (Tensor): (N,) the weight of each token.
    RETURNS (tuple[Tensor, Tensor]): (N, C) and (C, C).
    """
    marginals = np.empty(state.emissions.shape, dtype=_to_numpy(p.emissions[:0]).dtype)
    pairs = np.zeros_like(state.transitions)
    matrix = state.transitions.T.copy()
    _posteriors(state, matrix, _to_numpy(weights.double()), marginals, pairs)
    with np.errstate(invalid="ignore"):
        pairs *= state.transitions
    return torch.from_numpy(marginals), torch.from_numpy(pairs)


def backward(p: Potentials) -> Tensor:
    """The same as `reference.backward`, in float64. Not finite if the scores are too far apart.

    p (Potentials): The scores, on the CPU.
    RETURNS (Tensor): (N, C).
    """
    emissions, _, _ = _exp_rows(_to_numpy(p.emissions))
    matrix, _, _ = _exp(p.transitions.T)
    end, _, _ = _exp(p.end)
    betas = np.empty_like(emissions)
    _backward(Steps.of(p), emissions, matrix, end, betas)
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.log(betas, out=betas))


def viterbi(p: Potentials) -> Tensor:
    """The same as `reference.viterbi`, summed in float64; works for all scores.

    p (Potentials): The scores, on the CPU, in any precision.
    RETURNS (Tensor): (N,) int64.
    """
    emissions = _to_numpy(p.emissions)
    start, matrix, end = (_to_numpy(x.double()) for x in (p.start, p.transitions, p.end))
    scores = np.empty(emissions.shape)
    tags = np.empty(len(emissions), dtype=np.int64)
    transitions = Transitions.of(matrix)
    _viterbi(_offsets(p), emissions, start, transitions, matrix.T.copy(), end, scores, tags)
    return torch.from_numpy(tags)


def _offsets(p: Potentials) -> np.ndarray:
    return np.concatenate([[0], p.lengths.numpy().cumsum()])


def _to_numpy(scores: Tensor) -> np.ndarray:
    """Convert to numpy, at least in float32: numpy and numba hardly support lower precisions."""
    dtype = torch.promote_types(scores.dtype, torch.float32)
    return np.ascontiguousarray(scores.detach().to(dtype).numpy())


def _exp(scores: Tensor) -> tuple[np.ndarray, float, float]:
    """exp(scores - largest), the largest score, and the range of the possible scores."""
    flat = _to_numpy(scores).reshape(1, -1)
    shifted, shifts, spread = _exp_rows(flat)
    return shifted.reshape(scores.shape), shifts[0], spread


def _exp_rows(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """exp(scores - largest of the row), the largest of each row, and the widest range of possible
    scores in a row."""
    shifted, shifts = np.empty(scores.shape), np.empty(len(scores))
    spread = _shift(scores, shifted, shifts)
    return np.exp(shifted, out=shifted), shifts, spread


@_jit
def _shift(scores, shifted, shifts):
    spread = 0.0
    for n in range(len(scores)):
        row, out = scores[n], shifted[n]
        high = row[0]
        for j in range(row.size):
            high = max(high, row[j])
        low = high
        for j in range(row.size):
            low = min(low, row[j] if row[j] > IMPOSSIBLE / 2 else high)
            out[j] = np.float64(row[j]) - np.float64(high)
        shifts[n] = high
        spread = max(spread, np.float64(high) - np.float64(low))
    return spread


@_jit
def _multiply(rows, matrix, out):
    """out = rows @ matrix, a few rows at a time, so that everything stays in this thread"""
    part = max(1, PRODUCT // matrix.size)
    for n in range(0, len(rows), part):
        np.dot(rows[n : n + part], matrix, out[n : n + part])


@_jit
def _add_product(left, right, total):
    """total += left.T @ right, in the same way"""
    part = max(1, PRODUCT // total.size)
    for n in range(0, len(left), part):
        total += np.dot(left[n : n + part].T, right[n : n + part])


# Below, elements are indexed directly, since each row taken out would cost reference counting.


@_jit
def _forward(state, start, log_z):
    (begins, order, firsts), end = state.steps, state.end
    alphas, emissions, sums = state.alphas, state.emissions, state.sums
    scales = np.ones(firsts.size)
    for t in range(begins.size - 1):
        begin, stop = begins[t], begins[t + 1]
        if t == 0:
            alphas[begin:stop] = start
        else:
            before = begins[t - 1]
            _multiply(alphas[before : before + stop - begin], state.transitions, alphas[begin:stop])
        for b in range(stop - begin):
            i, n, scale, total = begin + b, firsts[b] + t, scales[b], 0.0
            for j in range(end.size):
                alphas[i, j] *= emissions[n, j] * scale
                total += alphas[i, j]
            sums[n] = total
            scales[b] = 1.0 / total
        going_on = begins[t + 2] - stop if t + 2 < begins.size else 0
        for b in range(going_on, stop - begin):
            log_z[order[b]] = np.sum(alphas[begin + b] * end) * scales[b]


@_jit
def _backward(steps, emissions, matrix, end, betas):
    begins, _, firsts = steps
    after, following = np.empty((firsts.size, end.size)), np.empty((firsts.size, end.size))
    after[:] = end
    for t in range(begins.size - 2, -1, -1):
        width = begins[t + 1] - begins[t]
        for b in range(width):
            n, total = firsts[b] + t, 0.0
            for j in range(end.size):
                total += after[b, j]
            scale = 1.0 / total
            for j in range(end.size):
                betas[n, j] = after[b, j] * scale
                following[b, j] = emissions[n, j] * betas[n, j]
        _multiply(following[:width], matrix, after[:width])


@_jit
def _posteriors(state, matrix, weights, marginals, pairs):
    # Scaled so that the sum of alpha * beta / sums[n] is 1 at each token.
    (begins, _, firsts), end = state.steps, state.end
    alphas, emissions, sums = state.alphas, state.emissions, state.sums
    shape = (firsts.size, end.size)
    betas, steps, weighted = np.empty(shape), np.empty(shape), np.empty(shape)
    going_on = 0
    for t in range(begins.size - 2, -1, -1):
        begin, width = begins[t], begins[t + 1] - begins[t]
        for b in range(going_on, width):
            betas[b] = end * (sums[firsts[b] + t] / np.sum(alphas[begin + b] * end))
        for b in range(width):
            i, n = begin + b, firsts[b] + t
            scale = 1.0 / sums[n]
            weight = weights[n] * scale
            for j in range(end.size):
                marginals[n, j] = alphas[i, j] * betas[b, j] * weight
            if t > 0:
                pair_weight = weights[n] / sums[n - 1]
                for j in range(end.size):
                    steps[b, j] = emissions[n, j] * betas[b, j] * scale
                    weighted[b, j] = steps[b, j] * pair_weight
        if t > 0:
            before = begins[t - 1]
            _add_product(alphas[before : before + width], weighted[:width], pairs)
            _multiply(steps[:width], matrix, betas[:width])
        going_on = width


@_jit_inline
def _best(before, transitions, best, after):
    """after[j] = max over i of before[i] + transitions[i, j]"""
    best[:] = -np.inf
    for k in range(0, transitions.sources.size, TOGETHER):
        s, m = transitions.sources[k : k + TOGETHER], transitions.block[k : k + TOGETHER]
        x0, x1, x2, x3 = before[s[0]], before[s[1]], before[s[2]], before[s[3]]
        x4, x5, x6, x7 = before[s[4]], before[s[5]], before[s[6]], before[s[7]]
        m0, m1, m2, m3, m4, m5, m6, m7 = m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7]
        for j in range(best.size):
            left = max(max(x0 + m0[j], x1 + m1[j]), max(x2 + m2[j], x3 + m3[j]))
            right = max(max(x4 + m4[j], x5 + m5[j]), max(x6 + m6[j], x7 + m7[j]))
            best[j] = max(best[j], max(left, right))
    after[:] = -np.inf
    for j in range(best.size):
        after[transitions.targets[j]] = best[j]
    for m in range(transitions.values.size):
        score = before[transitions.before[m]] + transitions.values[m]
        after[transitions.after[m]] = max(after[transitions.after[m]], score)


@_jit
def _viterbi(offsets, emissions, start, transitions, into, end, scores, tags):
    best_of_block = np.empty(transitions.targets.size)
    for b in range(offsets.size - 1):
        begin, stop = offsets[b], offsets[b + 1]
        for n in range(begin, stop):
            score, emission = scores[n], emissions[n]
            if n == begin:
                score[:] = start
            else:
                _best(scores[n - 1], transitions, best_of_block, score)
            for j in range(score.size):
                score[j] += emission[j]
        if begin == stop:
            continue
        tag = np.argmax(scores[stop - 1] + end)
        tags[stop - 1] = tag
        # The previous tag is only searched for along the best path.
        for n in range(stop - 1, begin, -1):
            before, row = scores[n - 1], into[tag]
            best = -np.inf
            for i in range(row.size):
                if before[i] + row[i] > best:
                    best, tag = before[i] + row[i], i
            tags[n - 1] = tag
