"""The recursions in torch, for any device and any scores.

They work in log space, step by step over the sequences that have not ended, without padding. The
faster implementations are tested against them, and fall back on them where they do not apply.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..potentials import Potentials

# Pairs of neighbouring tags take C² numbers per token, so only this many tokens are done at once.
PAIRS_AT_A_TIME = 4096


def forward(p: Potentials) -> tuple[Tensor, Tensor]:
    """The forward recursion (Rabiner 1989). Each token's row is normalized, so that no precision is
    lost in long sequences.

    p (Potentials): The scores.
    RETURNS (tuple[Tensor, Tensor]): (N, C) log-probabilities of each token's tags given the
        emissions up to it; and (B,) float64 log-sums of exp(score) over all tag sequences of
        each sequence, 0 for an empty one.
    """
    order = _TimeMajor.of(p.lengths, p.emissions.device)
    log_z = p.emissions.new_zeros(len(p.lengths), dtype=torch.float64)
    if not order.sizes:
        return p.emissions.clone(), log_z
    alphas: list[Tensor] = []
    for emissions in p.emissions[order.tokens].split(order.sizes):
        if alphas:
            # (B, from, 1) + (from, to) -> (B, to)
            before = alphas[-1][: len(emissions), :, None] + p.transitions
            score = torch.logsumexp(before, dim=1) + emissions
        else:
            score = p.start + emissions
        step = torch.logsumexp(score, dim=1, keepdim=True)
        log_z[order.sequences[: len(emissions)]] += step[:, 0]
        alphas.append(score - step)
    ends = [a[n:] for a, n in zip(alphas, [*order.sizes[1:], 0])]
    log_z[order.sequences] += torch.logsumexp(torch.cat(ends[::-1]) + p.end, dim=1)
    return _to_batch_major(torch.cat(alphas), order), log_z


def backward(p: Potentials) -> Tensor:
    """The backward recursion (Rabiner 1989). Each token's row is normalized.

    p (Potentials): The scores.
    RETURNS (Tensor): (N, C) log-sums over all tag sequences after each token, for each tag of the
        token, without its own emission, up to a constant per token.
    """
    order = _TimeMajor.of(p.lengths, p.emissions.device)
    if not order.sizes:
        return p.emissions.clone()
    betas: list[Tensor] = []
    following = p.emissions.new_zeros(0, len(p.end))
    for emissions in reversed(p.emissions[order.tokens].split(order.sizes)):
        # (B, 1, to) + (from, to) -> (B, from)
        going_on = torch.logsumexp(following[:, None, :] + p.transitions, dim=2)
        going_on = going_on - torch.logsumexp(going_on, dim=1, keepdim=True)
        ending = p.end.expand(len(emissions) - len(going_on), -1)
        betas.append(torch.cat([going_on, ending]))
        following = emissions + betas[-1]
    return _to_batch_major(torch.cat(betas[::-1]), order)


def posteriors(p: Potentials, alphas: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The probabilities of tags and of pairs of tags.

    p (Potentials): The scores.
    alphas (Tensor): (N, C), what `forward` returned.
    weights (Tensor): (N,) the weight of each token.
    RETURNS (tuple[Tensor, Tensor]): (N, C) the probabilities of each token's tags, times its
        weight; and (C, C) the summed probabilities of [tag, next tag], each times the weight of
        the second token.
    """
    return combine(p, alphas, backward(p), weights)


def combine(p: Potentials, alphas: Tensor, betas: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The same as `posteriors`, from the results of both passes.

    p (Potentials): The scores.
    alphas (Tensor): (N, C), what `forward` returned.
    betas (Tensor): (N, C), what `backward` returned.
    weights (Tensor): (N,) the weight of each token.
    RETURNS (tuple[Tensor, Tensor]): (N, C) and (C, C).
    """
    pairs = torch.zeros_like(p.transitions)
    for seconds, probabilities in _pairs(p, alphas, betas):
        pairs += (weights[seconds] @ probabilities).view_as(pairs)
    return torch.softmax(alphas + betas, dim=1) * weights[:, None], pairs


def pairs_of_sequences(p: Potentials, alphas: Tensor, betas: Tensor) -> Tensor:
    """The expected number of each pair of tags in each sequence.

    p (Potentials): The scores.
    alphas (Tensor): (N, C), what `forward` returned.
    betas (Tensor): (N, C), what `backward` returned.
    RETURNS (Tensor): (B, C, C), [sequence, tag, next tag].
    """
    pairs = p.emissions.new_zeros(len(p.lengths), p.transitions.numel())
    for seconds, probabilities in _pairs(p, alphas, betas):
        pairs.index_add_(0, p.sequences[seconds], probabilities)
    return pairs.view(-1, *p.transitions.shape)


def _pairs(p: Potentials, alphas: Tensor, betas: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the pairs in chunks: (M,) second tokens and (M, C * C) probabilities of tag pairs."""
    following = p.emissions + betas
    for seconds in p.seconds.split(PAIRS_AT_A_TIME):
        scores = alphas[seconds - 1, :, None] + p.transitions + following[seconds, None, :]
        yield seconds, torch.softmax(scores.flatten(1), dim=1)


def viterbi(p: Potentials) -> Tensor:
    """The tag sequence with the highest score (Viterbi 1967).

    p (Potentials): The scores.
    RETURNS (Tensor): (N,) int64 tag ids. Of tied sequences, the one with the lowest id at the last
        token where they differ.
    """
    order = _TimeMajor.of(p.lengths, p.emissions.device)
    if not order.sizes:
        return torch.zeros(0, dtype=torch.long, device=p.emissions.device)
    # came_from[t][b, j]: the tag before, on the best path of sequence b to tag j at step t + 1.
    came_from: list[Tensor] = []
    ended: list[Tensor] = []
    first, *others = p.emissions[order.tokens].split(order.sizes)
    score = p.start + first
    for emissions in others:
        going_on = len(emissions)
        ended.append((score[going_on:] + p.end).argmax(1))
        score, tag_before = (score[:going_on, :, None] + p.transitions).max(dim=1)
        came_from.append(tag_before)
        score = score + emissions
        score = score - score.amax(1, keepdim=True)  # keeps long sequences precise
    tags = (score + p.end).argmax(1)
    path = [tags]
    for tag_before, last_tags in zip(reversed(came_from), reversed(ended)):
        # Sequences that continue after this step are traced back; those that end here join.
        tags = torch.cat([tag_before.gather(1, tags[:, None])[:, 0], last_tags])
        path.append(tags)
    return _to_batch_major(torch.cat(path[::-1]), order)


class _TimeMajor(NamedTuple):
    """The order in which the recursions read a batch: longest sequence first, step by step.

    tokens (Tensor): (N,) the tokens in this order: all first tokens, then all second ones, ...
    sizes (list[int]): How many sequences have a token at each step; never increases.
    sequences (Tensor): The non-empty sequences, longest first.
    """

    tokens: Tensor
    sizes: list[int]
    sequences: Tensor

    @classmethod
    def of(cls, lengths: Tensor, device: torch.device) -> "_TimeMajor":
        sequences = lengths.argsort(descending=True, stable=True)
        sorted_lengths = lengths[sequences]
        starts = (lengths.cumsum(0) - lengths)[sequences]
        steps = torch.arange(int(sorted_lengths[0]) if len(lengths) else 0)
        # The number of sequences longer than t. Flipped since searchsorted needs ascending order.
        sizes = len(lengths) - torch.searchsorted(sorted_lengths.flip(0), steps, right=True)
        step_of_token = torch.repeat_interleave(steps, sizes)
        first_of_step = torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
        rank = torch.arange(len(step_of_token)) - first_of_step
        tokens = starts[rank] + step_of_token
        non_empty = sequences[: int((lengths > 0).sum())]
        return cls(tokens.to(device), sizes.tolist(), non_empty.to(device))


def _to_batch_major(rows: Tensor, order: _TimeMajor) -> Tensor:
    return torch.empty_like(rows).index_copy_(0, order.tokens, rows)
