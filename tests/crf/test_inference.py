"""The recursions against brute-force enumeration of all taggings."""

from itertools import pairwise, product

import pytest
import torch

from spacy_crf_ner.crf import Potentials, best_tags, log_likelihood, log_partition
from spacy_crf_ner.tags import TagSet

LENGTHS = [3, 0, 5, 1, 2, 0, 4, 5]
TAG_SETS = [TagSet(tuple("AB"[:n]), scheme) for scheme in ("BIO", "BIOES") for n in (0, 1, 2)]
TAG_SETS = [tag_set for tag_set in TAG_SETS if len(tag_set) <= 5]


def make_potentials(n_tags, lengths=LENGTHS, dtype=torch.float64, seed=0):
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
    masks = (tag_set.legal_starts, tag_set.legal_transitions, tag_set.legal_ends)
    return [torch.from_numpy(mask) for mask in masks]


def enumerate_taggings(potentials, masks=None):
    """For each sequence {tagging: score} of all legal taggings, added up one by one."""
    p, first = potentials, 0
    for length in p.lengths.tolist():
        scores = {}
        for path in product(range(len(p.start)), repeat=length):
            pairs = list(pairwise(path))
            if masks and length:
                starts, transitions, ends = masks
                legal = starts[path[0]] and ends[path[-1]] and all(transitions[i] for i in pairs)
                if not legal:
                    continue
            score = sum(p.emissions[first + i, tag].item() for i, tag in enumerate(path))
            score += sum(p.transitions[pair].item() for pair in pairs)
            score += (p.start[path[0]] + p.end[path[-1]]).item() if path else 0.0
            scores[path] = score
        yield scores
        first += length


def check_against_enumeration(potentials, taggings):
    log_z = log_partition(potentials)
    best = best_tags(potentials).split(potentials.lengths.tolist())
    for i, scores in enumerate(taggings):
        values = torch.tensor(list(scores.values()), dtype=torch.float64)
        assert log_z[i].item() == pytest.approx(values.logsumexp(0).item(), abs=1e-9)
        assert tuple(best[i].tolist()) == max(scores, key=scores.get)


@pytest.mark.parametrize("n_tags", range(1, 6))
def test_enumeration_without_constraints(n_tags):
    potentials = make_potentials(n_tags)
    check_against_enumeration(potentials, enumerate_taggings(potentials))


@pytest.mark.parametrize("tag_set", TAG_SETS, ids=lambda t: f"{t.scheme}-{len(t.labels)}")
def test_enumeration_of_legal_taggings(tag_set):
    potentials = make_potentials(len(tag_set))
    masks = masks_of(tag_set)
    check_against_enumeration(potentials.constrained(*masks), enumerate_taggings(potentials, masks))


@pytest.mark.parametrize("tag_set", TAG_SETS, ids=lambda t: f"{t.scheme}-{len(t.labels)}")
def test_likelihoods_of_all_legal_taggings_sum_to_one(tag_set):
    potentials = make_potentials(len(tag_set), lengths=[4])
    masks = masks_of(tag_set)
    (scores,) = enumerate_taggings(potentials, masks)
    constrained = potentials.constrained(*masks)
    total = sum(log_likelihood(constrained, torch.tensor(path)).exp().item() for path in scores)
    assert total == pytest.approx(1.0, abs=1e-9)


def test_path_scores_are_those_of_the_enumeration():
    potentials = make_potentials(3)
    taggings = list(enumerate_taggings(potentials))
    chosen = [list(scores)[len(scores) // 2] for scores in taggings]
    tags = torch.tensor([tag for path in chosen for tag in path])
    expected = [scores[path] for scores, path in zip(taggings, chosen)]
    assert potentials.path_scores(tags).tolist() == pytest.approx(expected, abs=1e-9)


def test_tags_barred_from_tokens():
    potentials = make_potentials(3, lengths=[4])
    allowed = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 1, 1], [0, 1, 1]]).bool()
    everything = torch.ones(3, 3, dtype=torch.bool)
    constrained = potentials.constrained(everything[0], everything, everything[0], allowed)
    (scores,) = enumerate_taggings(potentials)
    scores = {path: s for path, s in scores.items() if all(allowed[range(4), path])}
    check_against_enumeration(constrained, [scores])
    assert len(scores) == 2 * 1 * 3 * 2


def test_gradient():
    p = make_potentials(3, lengths=[3, 0, 2])
    tags = torch.tensor([0, 2, 1, 1, 1])
    masks = masks_of(TagSet(("A",), "BIO"))

    def loss(emissions, start, transitions, end):
        potentials = Potentials(emissions, p.lengths, start, transitions, end)
        legal = potentials.constrained(*masks)
        return torch.stack([log_likelihood(potentials, tags).sum(), log_partition(legal).sum()])

    inputs = [x.requires_grad_() for x in (p.emissions, p.start, p.transitions, p.end)]
    assert torch.autograd.gradcheck(loss, inputs)


def test_illegal_transitions_get_no_gradient():
    tag_set = TagSet(("A",), "BIOES")
    p = make_potentials(len(tag_set))
    transitions = p.transitions.requires_grad_()
    log_partition(p.constrained(*masks_of(tag_set))).sum().backward()
    assert (transitions.grad[~torch.from_numpy(tag_set.legal_transitions)] == 0).all()
    assert (transitions.grad[torch.from_numpy(tag_set.legal_transitions)] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_full(dtype):
    p = make_potentials(5, lengths=[200], dtype=torch.float32)
    half = Potentials(p.emissions.to(dtype), p.lengths, p.start, p.transitions, p.end)
    exact = Potentials(half.emissions.double(), p.lengths, p.start, p.transitions, p.end)
    assert log_partition(half).item() == pytest.approx(log_partition(exact).item(), rel=1e-9)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_nothing_to_tag(lengths):
    potentials = make_potentials(3, lengths=lengths)
    assert log_partition(potentials).tolist() == [0.0] * len(lengths)
    assert best_tags(potentials).tolist() == []


def test_a_long_sequence_is_finite():
    potentials = make_potentials(5, lengths=[20_000], dtype=torch.float32)
    assert torch.isfinite(log_partition(potentials.constrained(*masks_of(TAG_SETS[-1])))).all()
