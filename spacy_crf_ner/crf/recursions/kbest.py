"""The search for the k best tag sequences, compiled by numba, always on the CPU."""

import numpy as np
import torch
from torch import Tensor

from ...jit import jit as _jit
from ..potentials import IMPOSSIBLE, Potentials
from .cpu import _offsets, _to_numpy


def k_best(p: Potentials, k: int) -> tuple[Tensor, Tensor]:
    """The k tag sequences with the highest scores (the parallel list Viterbi algorithm; Seshadri
    and Sundberg 1994).

    p (Potentials): The scores, on the CPU.
    k (int): The number of tag sequences, at least 1.
    RETURNS (tuple[Tensor, Tensor]): (N, k) int64 tag ids, best first; and (B, k) float64 scores,
        -inf where a sequence has fewer possible tag sequences.
    """
    emissions, start, matrix, end = (
        _to_numpy(scores.double()) for scores in (p.emissions, p.start, p.transitions, p.end)
    )
    n_tokens, n_tags = emissions.shape
    came_from = np.zeros((n_tokens, n_tags, k), dtype=np.int32)
    tags = np.zeros((n_tokens, k), dtype=np.int64)
    scores = np.full((len(p.lengths), k), -np.inf)
    scores[p.lengths.numpy() == 0, 0] = 0.0
    _k_best(_offsets(p), emissions, start, matrix, end, came_from, tags, scores)
    scores[scores < IMPOSSIBLE / 2] = -np.inf
    return torch.from_numpy(tags), torch.from_numpy(scores)


@_jit
def _insert(score, source, best, sources):
    """Insert a score into a descending list, and its source at the same place."""
    r = best.size - 1
    while r > 0 and best[r - 1] < score:
        best[r], sources[r] = best[r - 1], sources[r - 1]
        r -= 1
    best[r], sources[r] = score, source


@_jit
def _k_best(offsets, emissions, start, matrix, end, came_from, tags, scores):
    n_tags, k = end.size, tags.shape[1]
    # [j, r]: the score of the r-th best path to tag j. A source is the previous tag times k, plus
    # the rank of the path to it.
    score, best = np.empty((n_tags, k)), np.empty((n_tags, k))
    final = np.empty(k, dtype=np.int32)
    for b in range(offsets.size - 1):
        begin, stop = offsets[b], offsets[b + 1]
        if begin == stop:
            continue
        score[:] = -np.inf
        score[:, 0] = start + emissions[begin]
        for n in range(begin + 1, stop):
            best[:] = -np.inf
            for j in range(n_tags):
                for i in range(n_tags):
                    for r in range(k):
                        y = score[i, r] + matrix[i, j]
                        if y <= best[j, k - 1]:
                            break
                        _insert(y, i * k + r, best[j], came_from[n, j])
                best[j] += emissions[n, j]
            score[:] = best
        final[:] = 0
        for i in range(n_tags):
            for r in range(k):
                y = score[i, r] + end[i]
                if y <= scores[b, k - 1]:
                    break
                _insert(y, i * k + r, scores[b], final)
        for r in range(k):
            source = final[r]
            for n in range(stop - 1, begin - 1, -1):
                tags[n, r] = source // k
                source = came_from[n, source // k, source % k]
