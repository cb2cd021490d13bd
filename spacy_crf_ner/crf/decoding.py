"""The best tag sequences: by score, by probability, or by expected accuracy."""

from dataclasses import replace

import torch
from torch import Tensor

from . import recursions
from .posterior import Posterior
from .potentials import IMPOSSIBLE, Potentials


@torch.no_grad()
def best_tags(p: Potentials) -> Tensor:
    """The tag sequence with the highest score (Viterbi 1967).

    p (Potentials): The scores.
    RETURNS (Tensor): (N,) int64 tag ids, on the device of the scores. Ties are broken arbitrarily.
    """
    return recursions.viterbi(p)


@torch.no_grad()
def k_best_tags(potentials: Potentials, k: int) -> tuple[Tensor, Tensor]:
    """The k most probable tag sequences.

    potentials (Potentials): The scores.
    k (int): The number of tag sequences, at least 1.
    RETURNS (tuple[Tensor, Tensor]): (N, k) int64 tag ids, best first; and (B, k) float64
        probabilities, 0 where a sequence has fewer possible tag sequences.
    """
    p = potentials.precise()
    tags, scores = recursions.k_best(p.cpu(), k)
    log_z = recursions.ForwardBackward(p).log_z
    return tags.to(log_z.device), (scores.to(log_z.device) - log_z[:, None]).exp()


@torch.no_grad()
def minimum_risk_tags(potentials: Potentials) -> Tensor:
    """The possible tag sequence with the highest expected accuracy: the highest expected number of
    correct tags (minimum Bayes risk under Hamming loss; Stoyanov and Eisner 2012).

    potentials (Potentials): The scores. Forbidden tags and transitions stay forbidden.
    RETURNS (Tensor): (N,) int64 tag ids.
    """
    only_possible = potentials.precise().map(_only_possible)
    emissions = only_possible.emissions + Posterior(potentials).marginals
    return recursions.viterbi(replace(only_possible, emissions=emissions))


def _only_possible(scores: Tensor) -> Tensor:
    return torch.where(scores > IMPOSSIBLE / 2, 0.0, IMPOSSIBLE).to(scores.dtype)
