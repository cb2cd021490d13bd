"""The fast recursions against the reference, and hard cases against both."""

from itertools import pairwise

import pytest
import torch
from enumeration import make_potentials, masks_of

from spacy_crf_ner import jit
from spacy_crf_ner.crf import Posterior, Potentials, best_tags, log_partition
from spacy_crf_ner.crf.recursions import cpu, reference
from spacy_crf_ner.tags import TagSet

LENGTHS = [3, 0, 17, 1, 40, 2]


def constrained(tag_set, lengths=LENGTHS, seed=0):
    return make_potentials(len(tag_set), lengths, seed=seed).constrained(*masks_of(tag_set))


POTENTIALS = {
    "1 tag": make_potentials(1, LENGTHS),
    "9 tags": make_potentials(9, LENGTHS),
    "200 tags": make_potentials(200, LENGTHS),
    "BIO": constrained(TagSet(tuple("ABC"), "BIO")),
    "BIOES": constrained(TagSet(tuple("ABCDEFGHIJ"), "BIOES")),
    "equal": make_potentials(5, LENGTHS).map(torch.zeros_like),
}


@pytest.mark.parametrize("name", POTENTIALS)
def test_cpu_is_as_the_reference(name):
    p = POTENTIALS[name]
    assert cpu.viterbi(p).tolist() == reference.viterbi(p).tolist()
    weights = torch.linspace(-1, 1, len(p.emissions), dtype=torch.float64)
    state, log_z = cpu.forward(p)
    alphas, expected_log_z = reference.forward(p)
    assert torch.allclose(log_z, expected_log_z, atol=1e-10)
    firsts, begins = state.steps.firsts, state.steps.begins
    places = enumerate(pairwise(begins))
    tokens = [first + t for t, (begin, end) in places for first in firsts[: end - begin]]
    found_alphas = torch.from_numpy(state.alphas / state.sums[tokens, None])
    assert torch.allclose(found_alphas, alphas[tokens].exp(), atol=1e-12)
    assert torch.allclose(cpu.backward(p).exp(), reference.backward(p).softmax(1), atol=1e-12)
    found = cpu.posteriors(p, state, weights)
    for mine, theirs in zip(found, reference.posteriors(p, alphas, weights)):
        assert torch.allclose(mine, theirs, atol=1e-10)


def test_only_what_is_legal_is_read():
    """Of BIOES a dense block of what comes after an entity or none, and what is inside of one."""
    tag_set = TagSet(tuple("ABCDEFGHIJ"))
    matrix = constrained(tag_set).transitions.numpy()
    steps = cpu.Transitions.of(matrix)
    assert {tag_set.tags[i][0] for i in steps.sources} == set("OES")
    assert {tag_set.tags[i][0] for i in steps.targets} == set("OBS")
    singles = [(tag_set.tags[i], tag_set.tags[j]) for i, j in zip(steps.before, steps.after)]
    inside = [("B-A", "I-A"), ("B-A", "E-A"), ("I-A", "I-A"), ("I-A", "E-A")]
    assert sorted(pair for pair in singles if "A" in pair[0]) == sorted(inside)
    assert len(singles) == 4 * len(tag_set.labels)


def test_a_sparse_matrix_needs_no_block():
    """Each tag only after one other."""
    p = make_potentials(7, LENGTHS)
    legal = torch.eye(7, dtype=torch.bool).roll(1, 0)
    p = p.constrained(torch.ones(7, dtype=torch.bool), legal, torch.ones(7, dtype=torch.bool))
    assert cpu.viterbi(p).tolist() == reference.viterbi(p).tolist()
    assert torch.allclose(cpu.forward(p)[1], reference.forward(p)[1])


@pytest.mark.parametrize("scale", [1e4, -1e4])
@pytest.mark.parametrize("tag_set", [None, TagSet(("A", "B"))], ids=["all", "BIOES"])
def test_huge_scores(scale, tag_set):
    """The best tag sequence has all the probability, and what is best is found."""
    p = make_potentials(9, [6, 3])
    p = p.map(lambda scores: scores * scale)
    if tag_set:
        p = p.constrained(*masks_of(tag_set))
    assert cpu.forward(p)[1].isnan().all()
    tags = best_tags(p)
    posterior = Posterior(p)
    assert posterior.log_probabilities(tags).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert torch.isfinite(posterior.marginals).all()
    assert posterior.marginals.argmax(1).tolist() == tags.tolist()


def test_huge_scores_have_finite_gradients():
    p = make_potentials(5, [7]).map(lambda scores: (scores * 1e4).requires_grad_())
    log_partition(p).sum().backward()
    assert p.emissions.grad.sum(1).tolist() == pytest.approx([1.0] * 7)
    assert torch.isfinite(p.transitions.grad).all()


@pytest.mark.parametrize("at", [0, 150, -1])
def test_a_hopeless_tag_that_is_all_there_is(at):
    """Tag 1 is far behind all along, but at one token there is no other, and no way around."""
    p = make_potentials(2, [300]).map(torch.zeros_like)
    p.emissions[:, 0] = 40.0
    p.emissions[at, 0] = -1e30
    transitions = torch.tensor([[0.0, -1e30], [-1e30, 0.0]], dtype=torch.float64)
    p = Potentials(p.emissions, p.lengths, p.start, transitions, p.end)
    assert log_partition(p).tolist() == pytest.approx([0.0], abs=1e-9)
    assert best_tags(p).tolist() == [1] * 300
    assert torch.allclose(Posterior(p).marginals[:, 1], torch.ones(300, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_all_precisions(dtype):
    p = make_potentials(5, LENGTHS).map(lambda scores: scores.to(dtype).requires_grad_())
    log_partition(p).sum().backward()
    assert p.emissions.grad.dtype == dtype
    exact = p.map(lambda scores: scores.detach().double().requires_grad_())
    log_partition(exact).sum().backward()
    tolerance = 4 * torch.finfo(dtype).eps
    assert torch.allclose(p.emissions.grad.double(), exact.emissions.grad, atol=tolerance)


def test_fifty_thousand_tokens():
    p = make_potentials(9, [50_000], dtype=torch.float32)
    assert torch.isfinite(log_partition(p)).all()
    assert len(best_tags(p)) == 50_000
    assert Posterior(p).marginals.sum(1).tolist() == pytest.approx([1.0] * 50_000)


def test_where_no_cache_can_be_written(monkeypatch):
    """As on a read-only installation: numba then refuses to cache, not to compile."""

    def refuse(function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(jit, "Cache", refuse)

    def add_one(x):
        return x + 1

    assert jit.jit(add_one)(1) == 2
