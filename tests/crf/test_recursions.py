"""The fast recursions against the reference, and hard cases against both."""

import pytest
import torch
from test_inference import make_potentials, masks_of

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
    assert cpu.applies(p)
    assert cpu.viterbi(p).tolist() == reference.viterbi(p).tolist()
    weights = torch.linspace(-1, 1, len(p.emissions), dtype=torch.float64)
    state, log_z = cpu.forward(p)
    alphas, expected_log_z = reference.forward(p)
    assert torch.allclose(log_z, expected_log_z, atol=1e-10)
    assert torch.allclose(torch.from_numpy(state.alphas), alphas.exp(), atol=1e-12)
    assert torch.allclose(cpu.backward(p).exp(), reference.backward(p).softmax(1), atol=1e-12)
    found = cpu.posteriors(p, state, weights)
    for mine, theirs in zip(found, reference.posteriors(p, alphas, weights)):
        assert torch.allclose(mine, theirs, atol=1e-10)


def test_legal_tags_are_read_in_one_piece():
    """What makes most of a BIOES matrix cost nothing."""
    tag_set = TagSet(tuple("ABCDEFGHIJ"))
    low, high = cpu._possible(constrained(tag_set).transitions)
    inside = tag_set.ids["I-C"]
    assert tag_set.tags[low[inside] : high[inside]] == ("I-C", "E-C")


@pytest.mark.parametrize("scale", [1e4, -1e4])
@pytest.mark.parametrize("tag_set", [None, TagSet(("A", "B"))], ids=["all", "BIOES"])
def test_huge_scores(scale, tag_set):
    """The best tagging has all the probability, and what is best is found."""
    p = make_potentials(9, [6, 3])
    p = p.map(lambda scores: scores * scale)
    if tag_set:
        p = p.constrained(*masks_of(tag_set))
    assert not cpu.applies(p)
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
