"""The recursions on the CPU, compiled by numba: one pass over the tokens of each sequence.

The sums are taken over probabilities instead of their logarithms, so that a step is the product of
a vector and a matrix; each step's sum is divided out and kept (Rabiner 1989, V.A, "scaling"). That
is exact as long as nothing matters that float64 cannot hold: `forward` says when.

All of it runs in one thread. Others of Python's would have to share the cores with torch's, which
spin for a while after each of its operations, and numba's own abort the process if two Python
threads meet in them. For the same reason whole batches pass through numpy here and not through
torch: to wake torch's threads after a while of other work takes longer than what they would do.
"""

from functools import partial
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
# A tag after which or before which no more than so many are possible is read one by one.
FEW = 4
# How many tags before are read at once for the best of them.
TOGETHER = 8
# A product of matrices of this many multiplications stays in one thread.
PRODUCT = 2**17


def _jit(function: Callable[..., Any], inline: str = "never") -> Callable[..., Any]:
    compiled = partial(
        numba.njit,
        nogil=True,
        error_model="numpy",
        fastmath={"contract", "nsz", "reassoc"},
        inline=inline,
    )
    try:
        return compiled(cache=True)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache can be written: compiled once more in
        # each process.
        return compiled()(function)


_jit_inline = partial(_jit, inline="always")


class Transitions(NamedTuple):
    """A matrix of transitions, laid out so that what is impossible costs nothing: a dense block of
    some tags before and some after, and single ones. In BIOES, with O, E and S before O, B and S,
    the block is a quarter of the matrix, and the single ones are those inside of an entity.

    block (np.ndarray): (S, T) scores, or exp of them.
    sources (np.ndarray): (S,) the tags before.
    targets (np.ndarray): (T,) the tags after.
    values (np.ndarray): (M,) the single ones.
    before (np.ndarray): (M,) their tags before.
    after (np.ndarray): (M,) their tags after, none of which is in `targets`.
    """

    block: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    values: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @classmethod
    def of(cls, matrix: np.ndarray, possible: np.ndarray) -> "Transitions":
        in_block = possible.sum(0) > FEW
        targets = np.flatnonzero(in_block)
        sources = np.flatnonzero(possible[:, targets].any(1))
        before, after = np.nonzero(possible & ~in_block)
        block = matrix[np.ix_(sources, targets)]
        return cls(block, sources, targets, matrix[before, after], before, after)


class Forward(NamedTuple):
    """What the forward pass leaves for the backward pass.

    offsets (np.ndarray): (B + 1,) where each sequence begins, and the last one ends.
    emissions (np.ndarray): (N, C) exp(scores), the largest of each row 1.
    transitions (np.ndarray): (C, C) exp(scores), the largest 1.
    end (np.ndarray): (C,) exp(scores), the largest 1.
    alphas (np.ndarray): (N, C) what the probabilities of each token's tags, given the emissions up
        to it, are proportional to.
    sums (np.ndarray): (N,) the sum of each row of alphas.
    """

    offsets: np.ndarray
    emissions: np.ndarray
    transitions: np.ndarray
    end: np.ndarray
    alphas: np.ndarray
    sums: np.ndarray


def forward(p: Potentials) -> Tuple[Forward, Tensor]:
    """The forward recursion.

    p (Potentials): The scores, on the CPU, in any precision.
    RETURNS (Tuple[Forward, Tensor]): What `posteriors` needs, and (B,) float64 log-partitions: NaN
        if the scores are too far apart.
    """
    offsets = _offsets(p)
    emissions, shifts, spread = _exp_rows(_to_numpy(p.emissions))
    start, start_shift, start_spread = _exp(p.start)
    transitions, shift, transitions_spread = _exp(p.transitions)
    end, end_shift, end_spread = _exp(p.end)
    alphas, sums = np.empty_like(emissions), np.empty(len(emissions))
    state = Forward(offsets, emissions, transitions, end, alphas, sums)
    if spread + start_spread + transitions_spread + end_spread >= MAX_RANGE:
        return state, torch.full((len(p.lengths),), torch.nan, dtype=torch.float64)
    log_z = np.ones(len(p.lengths))
    steps = _for_sums(transitions, _possible(p.transitions))
    _forward(offsets, emissions, start, steps, end, alphas, sums, log_z)
    # What was taken off the scores before exp is the same for all taggings.
    with np.errstate(divide="ignore"):
        logs = np.concatenate([[0.0], (np.log(sums) + shifts + shift).cumsum()])
        log_z = np.log(log_z) + logs[offsets[1:]] - logs[offsets[:-1]]
    log_z += start_shift + end_shift - shift
    log_z[p.lengths.numpy() == 0] = 0.0
    return state, torch.from_numpy(log_z)


def posteriors(p: Potentials, state: Forward, weights: Tensor) -> Tuple[Tensor, Tensor]:
    """The same as `reference.posteriors`, in the precision of the scores, but at least float32.

    p (Potentials): The scores, on the CPU.
    state (Forward): What `forward` returned.
    weights (Tensor): (N,) how much each token counts.
    RETURNS (Tuple[Tensor, Tensor]): (N, C) and (C, C).
    """
    marginals = np.empty(state.emissions.shape, dtype=_to_numpy(p.emissions[:0]).dtype)
    following = np.empty_like(state.emissions)
    steps = _for_sums(state.transitions.T, _possible(p.transitions).T)
    _posteriors(state, steps, _to_numpy(weights.double()), marginals, following)
    pairs = np.zeros_like(state.transitions)
    part = max(1, PRODUCT // pairs.size)
    with np.errstate(invalid="ignore"):
        for n in range(1, len(following), part):
            after = following[n : n + part]
            pairs += state.alphas[n - 1 : n - 1 + len(after)].T @ after
        pairs *= state.transitions
    return torch.from_numpy(marginals), torch.from_numpy(pairs)


def backward(p: Potentials) -> Tensor:
    """The same as `reference.backward`, in float64. Not finite if the scores do not apply.

    p (Potentials): The scores, on the CPU.
    RETURNS (Tensor): (N, C).
    """
    emissions, _, _ = _exp_rows(_to_numpy(p.emissions))
    matrix, _, _ = _exp(p.transitions.T)
    end, _, _ = _exp(p.end)
    betas = np.empty_like(emissions)
    steps = _for_sums(matrix, _possible(p.transitions).T)
    _backward(_offsets(p), emissions, steps, end, betas)
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.log(betas, out=betas))


def viterbi(p: Potentials) -> Tensor:
    """The same as `reference.viterbi`, summed in float64; applies to all scores.

    p (Potentials): The scores, on the CPU, in any precision.
    RETURNS (Tensor): (N,) int64.
    """
    emissions = _to_numpy(p.emissions)
    start, matrix, end = (_to_numpy(x.double()) for x in (p.start, p.transitions, p.end))
    scores = np.empty(emissions.shape)
    tags = np.empty(len(emissions), dtype=np.int64)
    steps = _for_best(matrix, _possible(p.transitions))
    _viterbi(_offsets(p), emissions, start, steps, matrix.T.copy(), end, scores, tags)
    return torch.from_numpy(tags)


def _for_sums(matrix: np.ndarray, possible: np.ndarray) -> Transitions:
    """With a row of the block for each target, which is what a sum is taken over."""
    steps = Transitions.of(matrix, possible)
    return steps._replace(block=steps.block.T.copy())


def _for_best(matrix: np.ndarray, possible: np.ndarray) -> Transitions:
    """With the sources filled up to a multiple of TOGETHER, by some that lead nowhere."""
    steps = Transitions.of(matrix, possible)
    padding = (0, -len(steps.sources) % TOGETHER)
    block = np.pad(steps.block, (padding, (0, 0)), constant_values=-np.inf)
    return steps._replace(block=block, sources=np.pad(steps.sources, padding))


def _offsets(p: Potentials) -> np.ndarray:
    return np.concatenate([[0], p.lengths.numpy().cumsum()])


def _to_numpy(scores: Tensor) -> np.ndarray:
    """As they are, but in float32 if less, which numpy and numba hardly know."""
    dtype = torch.promote_types(scores.dtype, torch.float32)
    return np.ascontiguousarray(scores.detach().to(dtype).numpy())


def _possible(scores: Tensor) -> np.ndarray:
    return _to_numpy(scores) > IMPOSSIBLE / 2


def _exp(scores: Tensor) -> Tuple[np.ndarray, float, float]:
    """exp(scores) with the largest of all taken off, the largest, and their range."""
    flat = _to_numpy(scores).reshape(1, -1)
    shifted, shifts, spread = _exp_rows(flat)
    return shifted.reshape(scores.shape), shifts[0], spread


def _exp_rows(scores: np.ndarray) -> Tuple[np.ndarray, np.ndarray, float]:
    """exp(scores) with the largest of each row taken off, the largest, and the range of the
    possible ones of a row."""
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


@_jit_inline
def _multiply(vector, steps, gathered, out):
    """out = vector @ transitions"""
    for i in range(gathered.size):
        gathered[i] = vector[steps.sources[i]]
    out[:] = 0.0
    for j in range(steps.targets.size):
        row = steps.block[j]
        total = 0.0
        for i in range(row.size):
            total += gathered[i] * row[i]
        out[steps.targets[j]] = total
    for m in range(steps.values.size):
        out[steps.after[m]] += vector[steps.before[m]] * steps.values[m]


@_jit
def _forward(offsets, emissions, start, steps, end, alphas, sums, log_z):
    gathered = np.empty(steps.sources.size)
    for b in range(offsets.size - 1):
        scale = 1.0
        for n in range(offsets[b], offsets[b + 1]):
            alpha, emission = alphas[n], emissions[n]
            if n == offsets[b]:
                alpha[:] = start
            else:
                _multiply(alphas[n - 1], steps, gathered, alpha)
            total = 0.0
            for j in range(alpha.size):
                alpha[j] *= emission[j] * scale
                total += alpha[j]
            sums[n] = total
            scale = 1.0 / total
        if offsets[b] < offsets[b + 1]:
            log_z[b] = np.sum(alphas[offsets[b + 1] - 1] * end) * scale


@_jit
def _backward(offsets, emissions, steps, end, betas):
    following, gathered = np.empty(end.size), np.empty(steps.sources.size)
    for b in range(offsets.size - 1):
        for n in range(offsets[b + 1] - 1, offsets[b] - 1, -1):
            beta = betas[n]
            if n == offsets[b + 1] - 1:
                beta[:] = end
            else:
                emission, next_beta = emissions[n + 1], betas[n + 1]
                for j in range(end.size):
                    following[j] = emission[j] * next_beta[j]
                _multiply(following, steps, gathered, beta)
            beta *= 1.0 / np.sum(beta)


@_jit
def _posteriors(state, steps, weights, marginals, following):
    # Scaled so that the sum of alpha * beta / sums[n] is 1 at each token.
    beta, step = np.empty(state.end.size), np.empty(state.end.size)
    gathered = np.empty(steps.sources.size)
    for b in range(state.offsets.size - 1):
        begin, stop = state.offsets[b], state.offsets[b + 1]
        if begin < stop:
            beta[:] = state.end * (
                state.sums[stop - 1] / np.sum(state.alphas[stop - 1] * state.end)
            )
        for n in range(stop - 1, begin - 1, -1):
            alpha, emission = state.alphas[n], state.emissions[n]
            marginal, after = marginals[n], following[n]
            scale = 1.0 / state.sums[n]
            weight = weights[n] * scale
            pair_weight = weights[n] / state.sums[n - 1] if n > begin else 0.0
            for j in range(beta.size):
                marginal[j] = alpha[j] * beta[j] * weight
                step[j] = emission[j] * beta[j] * scale
                after[j] = step[j] * pair_weight
            if n > begin:
                _multiply(step, steps, gathered, beta)


@_jit_inline
def _best(before, steps, best, after):
    """after[j] = max over i of before[i] + transitions[i, j]"""
    best[:] = -np.inf
    for k in range(0, steps.sources.size, TOGETHER):
        s, m = steps.sources[k : k + TOGETHER], steps.block[k : k + TOGETHER]
        x0, x1, x2, x3 = before[s[0]], before[s[1]], before[s[2]], before[s[3]]
        x4, x5, x6, x7 = before[s[4]], before[s[5]], before[s[6]], before[s[7]]
        m0, m1, m2, m3, m4, m5, m6, m7 = m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7]
        for j in range(best.size):
            left = max(max(x0 + m0[j], x1 + m1[j]), max(x2 + m2[j], x3 + m3[j]))
            right = max(max(x4 + m4[j], x5 + m5[j]), max(x6 + m6[j], x7 + m7[j]))
            best[j] = max(best[j], max(left, right))
    after[:] = -np.inf
    for j in range(best.size):
        after[steps.targets[j]] = best[j]
    for m in range(steps.values.size):
        score = before[steps.before[m]] + steps.values[m]
        after[steps.after[m]] = max(after[steps.after[m]], score)


@_jit
def _viterbi(offsets, emissions, start, steps, into, end, scores, tags):
    best_of_block = np.empty(steps.targets.size)
    for b in range(offsets.size - 1):
        begin, stop = offsets[b], offsets[b + 1]
        for n in range(begin, stop):
            score, emission = scores[n], emissions[n]
            if n == begin:
                score[:] = start
            else:
                _best(scores[n - 1], steps, best_of_block, score)
            for j in range(score.size):
                score[j] += emission[j]
        if begin == stop:
            continue
        tag = np.argmax(scores[stop - 1] + end)
        tags[stop - 1] = tag
        # Which tag was before is only looked for on the best path.
        for n in range(stop - 1, begin, -1):
            before, row = scores[n - 1], into[tag]
            best = -np.inf
            for i in range(row.size):
                if before[i] + row[i] > best:
                    best, tag = before[i] + row[i], i
            tags[n - 1] = tag
