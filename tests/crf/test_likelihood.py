"""The recursions against brute-force enumeration of all tag sequences."""

import pytest
import torch
from enumeration import TAG_SETS, enumerate_tag_sequences, make_potentials, masks_of

from spacy_crf_ner.crf import Potentials, best_tags, log_likelihood, log_partition
from spacy_crf_ner.tags import TagSet


def check_against_enumeration(potentials, tag_sequences):
    log_z = log_partition(potentials)
    best = best_tags(potentials).split(potentials.lengths.tolist())
    for i, scores in enumerate(tag_sequences):
        values = torch.tensor(list(scores.values()), dtype=torch.float64)
        assert log_z[i].item() == pytest.approx(values.logsumexp(0).item(), abs=1e-9)
        assert tuple(best[i].tolist()) == max(scores, key=scores.get)


@pytest.mark.parametrize("n_tags", range(1, 6))
def test_enumeration_without_constraints(n_tags):
    potentials = make_potentials(n_tags)
    check_against_enumeration(potentials, enumerate_tag_sequences(potentials))


@pytest.mark.parametrize("tag_set", TAG_SETS, ids=lambda t: f"{t.scheme}-{len(t.labels)}")
def test_enumeration_of_legal_tag_sequences(tag_set):
    potentials = make_potentials(len(tag_set))
    masks = masks_of(tag_set)
    tag_sequences = enumerate_tag_sequences(potentials, masks)
    check_against_enumeration(potentials.constrained(*masks), tag_sequences)


@pytest.mark.parametrize("tag_set", TAG_SETS, ids=lambda t: f"{t.scheme}-{len(t.labels)}")
def test_likelihoods_of_all_legal_tag_sequences_sum_to_one(tag_set):
    potentials = make_potentials(len(tag_set), lengths=[4])
    masks = masks_of(tag_set)
    (scores,) = enumerate_tag_sequences(potentials, masks)
    constrained = potentials.constrained(*masks)
    total = sum(log_likelihood(constrained, torch.tensor(path)).exp().item() for path in scores)
    assert total == pytest.approx(1.0, abs=1e-9)


def test_path_scores_are_those_of_the_enumeration():
    potentials = make_potentials(3)
    tag_sequences = list(enumerate_tag_sequences(potentials))
    chosen = [list(scores)[len(scores) // 2] for scores in tag_sequences]
    tags = torch.tensor([tag for path in chosen for tag in path])
    expected = [scores[path] for scores, path in zip(tag_sequences, chosen)]
    assert potentials.path_scores(tags).tolist() == pytest.approx(expected, abs=1e-9)


def test_tags_barred_from_tokens():
    potentials = make_potentials(3, lengths=[4])
    allowed = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 1, 1], [0, 1, 1]]).bool()
    everything = torch.ones(3, 3, dtype=torch.bool)
    constrained = potentials.constrained(everything[0], everything, everything[0], allowed)
    (scores,) = enumerate_tag_sequences(potentials)
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
