"""The dynamic programmes of the linear-chain CRF, vectorised over the batch.

All run time step by time step over the sequences that are still going on, so that padding
exists nowhere and costs nothing, and all compute in float32 or better.
Recursions: Rabiner (1989), "A tutorial on hidden Markov models", and Lafferty et al. (2001),
"Conditional random fields".
"""

from typing import List, NamedTuple, Optional

import torch
from torch import Tensor

from .potentials import Potentials


def log_likelihood(potentials: Potentials, tags: Tensor) -> Tensor:
    """The log-probability of each sequence's tagging.

    potentials (Potentials): The scores.
    tags (Tensor): (N,) int64, a tag id for each token.
    RETURNS (Tensor): (B,) float, 0 for an empty sequence.
    """
    return path_scores(potentials, tags) - log_partition(potentials)


def path_scores(potentials: Potentials, tags: Tensor) -> Tensor:
    """The score of each sequence's tagging, not normalised.

    potentials (Potentials): The scores.
    tags (Tensor): (N,) int64, a tag id for each token.
    RETURNS (Tensor): (B,) float, 0 for an empty sequence.
    """
    p = _at_least_float32(potentials)
    lengths = p.lengths.to(tags.device)
    sequence = torch.repeat_interleave(torch.arange(len(lengths), device=tags.device), lengths)
    ends = lengths.cumsum(0)
    last = ends[lengths > 0] - 1
    first = (ends - lengths)[lengths > 0]
    scores = p.emissions.gather(1, tags[:, None])[:, 0]
    scores = scores.index_add(0, first, p.start[tags[first]])
    scores = scores.index_add(0, last, p.end[tags[last]])
    follows = (sequence[1:] == sequence[:-1]).nonzero()[:, 0]
    scores = scores.index_add(0, follows + 1, p.transitions[tags[follows], tags[follows + 1]])
    return scores.new_zeros(len(lengths)).index_add(0, sequence, scores)


def log_partition(potentials: Potentials) -> Tensor:
    """The log of the sum of exp(score) over all taggings of each sequence (forward algorithm).

    potentials (Potentials): The scores.
    RETURNS (Tensor): (B,) float, 0 for an empty sequence, which has one tagging of score 0.
    """
    p = _at_least_float32(potentials)
    order = _TimeMajor.of(p.lengths, p.emissions.device)
    ended: List[Tensor] = []
    alpha: Optional[Tensor] = None
    for emissions in p.emissions[order.tokens].split(order.sizes):
        going_on = len(emissions)
        if alpha is None:
            alpha = p.start + emissions
        else:
            ended.append(alpha[going_on:])
            # (B, from, 1) + (from, to) -> (B, to)
            alpha = torch.logsumexp(alpha[:going_on, :, None] + p.transitions, dim=1) + emissions
    log_z = p.emissions.new_zeros(len(p.lengths))
    if alpha is None:
        return log_z
    alphas = torch.cat([alpha, *reversed(ended)])
    return log_z.index_copy(0, order.sequences, torch.logsumexp(alphas + p.end, dim=1))


@torch.no_grad()
def best_tags(potentials: Potentials) -> Tensor:
    """The tagging of the highest score of each sequence (Viterbi 1967).

    potentials (Potentials): The scores.
    RETURNS (Tensor): (N,) int64 tag ids, on the device of the scores. Of equal scores, any.
    """
    p = _at_least_float32(potentials)
    order = _TimeMajor.of(p.lengths, p.emissions.device)
    best = p.emissions.new_empty(len(p.emissions), dtype=torch.long)
    if not order.sizes:
        return best
    # came_from[t][b, j]: the tag before, on the best path of sequence b to tag j at step t + 1.
    came_from: List[Tensor] = []
    ended: List[Tensor] = []
    emissions, *others = p.emissions[order.tokens].split(order.sizes)
    score = p.start + emissions
    for emissions in others:
        going_on = len(emissions)
        ended.append((score[going_on:] + p.end).argmax(1))
        score, tag_before = (score[:going_on, :, None] + p.transitions).max(dim=1)
        came_from.append(tag_before)
        score = score + emissions
    tags = (score + p.end).argmax(1)
    path = [tags]
    for tag_before, last_tags in zip(reversed(came_from), reversed(ended)):
        # The sequences that go on after this step are traced back, those that end here join.
        tags = torch.cat([tag_before.gather(1, tags[:, None])[:, 0], last_tags])
        path.append(tags)
    best[order.tokens] = torch.cat(path[::-1])
    return best


class _TimeMajor(NamedTuple):
    """The order in which the recursions read a batch: longest sequence first, step by step.

    tokens (Tensor): (N,) the token to read next: first all first tokens, then all second ones.
    sizes (List[int]): How many sequences have a token at each step; never increases.
    sequences (Tensor): The non-empty sequences, longest first.
    """

    tokens: Tensor
    sizes: List[int]
    sequences: Tensor

    @classmethod
    def of(cls, lengths: Tensor, device: torch.device) -> "_TimeMajor":
        sequences = lengths.argsort(descending=True, stable=True)
        sorted_lengths = lengths[sequences]
        starts = (lengths.cumsum(0) - lengths)[sequences]
        steps = torch.arange(int(sorted_lengths[0]) if len(lengths) else 0)
        # The number of sequences longer than t; `sorted_lengths` falls, searchsorted wants a rise.
        sizes = len(lengths) - torch.searchsorted(sorted_lengths.flip(0), steps, right=True)
        step_of_token = torch.repeat_interleave(steps, sizes)
        first_of_step = torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
        rank = torch.arange(len(step_of_token)) - first_of_step
        tokens = starts[rank] + step_of_token
        non_empty = sequences[: int((lengths > 0).sum())]
        return cls(tokens.to(device), sizes.tolist(), non_empty.to(device))


def _at_least_float32(p: Potentials) -> Potentials:
    # Half precision loses whole nats in a long sum; float64 stays as it is for exact checks.
    dtype = torch.promote_types(p.emissions.dtype, torch.float32)
    dtype = torch.promote_types(dtype, p.transitions.dtype)
    return Potentials(
        p.emissions.to(dtype),
        p.lengths,
        p.start.to(dtype),
        p.transitions.to(dtype),
        p.end.to(dtype),
    )
