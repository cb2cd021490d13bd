"""Small batches of scores, and all their tag sequences, one by one: what the CRF is tested with."""

from itertools import pairwise, product

import torch

from spacy_crf_ner.crf import Potentials
from spacy_crf_ner.tags import TagSet

LENGTHS = [3, 0, 5, 1, 2, 0, 4, 5]
TAG_SETS = [TagSet(tuple("AB"[:n]), scheme) for scheme in ("BIO", "BIOES") for n in (0, 1, 2)]
TAG_SETS = [tag_set for tag_set in TAG_SETS if len(tag_set) <= 5]


def name_of(case):
    """The name of a case, which is a number of tags and a tag set, or None for all sequences."""
    n_tags, tag_set = case
    return f"{n_tags}-{tag_set.scheme if tag_set else 'all'}"


def make_potentials(n_tags, lengths=LENGTHS, dtype=torch.float64, seed=0):
    """Random scores, without constraints."""
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return Potentials(
        randn(sum(lengths), n_tags),
        torch.tensor(lengths, dtype=torch.long),
        randn(n_tags),
        randn(n_tags, n_tags),
        randn(n_tags),
    )


def masks_of(tag_set):
    """Which tags may begin, follow each other and end."""
    masks = (tag_set.legal_starts, tag_set.legal_transitions, tag_set.legal_ends)
    return [torch.from_numpy(mask) for mask in masks]


def enumerate_tag_sequences(potentials, masks=None):
    """For each sequence {tag sequence: score} of all legal tag sequences, added up one by one."""
    p, first = potentials, 0
    # In plain Python numbers, which are read faster than those of tensors.
    emissions, start, transitions, end = (
        x.tolist() for x in (p.emissions, p.start, p.transitions, p.end)
    )
    may_start, may_follow, may_end = (x.tolist() for x in masks) if masks else (None,) * 3
    for length in p.lengths.tolist():
        scores = {}
        for path in product(range(len(start)), repeat=length):
            pairs = list(pairwise(path))
            if masks and length:
                legal = may_start[path[0]] and may_end[path[-1]]
                if not (legal and all(may_follow[i][j] for i, j in pairs)):
                    continue
            score = sum(emissions[first + i][tag] for i, tag in enumerate(path))
            score += sum(transitions[i][j] for i, j in pairs)
            score += start[path[0]] + end[path[-1]] if path else 0.0
            scores[path] = score
        yield scores
        first += length


def probabilities(potentials, masks=None):
    """For each sequence {tag sequence: probability}."""
    for scores in enumerate_tag_sequences(potentials, masks):
        values = torch.tensor(list(scores.values()), dtype=torch.float64).softmax(0)
        yield dict(zip(scores, values.tolist()))
