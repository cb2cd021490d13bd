"""Cross-entropy between distributions over tag sequences, against enumeration of all of them."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from enumeration import LENGTHS, TAG_SETS, make_potentials, masks_of, name_of, probabilities

from spacy_crf_ner.crf import Potentials, cross_entropy, entropy, expectations, log_likelihood

CASES = [(3, None), *((len(tag_set), tag_set) for tag_set in TAG_SETS)]


@pytest.fixture(scope="module", params=CASES, ids=name_of)
def case(request):
    """A teacher and a student, both with legal tag sequences only, and these with probabilities."""
    n_tags, tag_set = request.param
    masks = masks_of(tag_set) if tag_set else None
    both = [make_potentials(n_tags, seed=seed) for seed in (1, 2)]
    tag_sequences = [list(probabilities(p, masks)) for p in both]
    return [p.constrained(*masks) if masks else p for p in both], tag_sequences


def test_expectations(case, backend):
    (teacher, _), (tag_sequences, _) = case
    tags = torch.zeros_like(teacher.emissions)
    pairs = torch.zeros(len(LENGTHS), *teacher.transitions.shape, dtype=torch.float64)
    first = 0
    for b, (length, paths) in enumerate(zip(LENGTHS, tag_sequences)):
        for path, probability in paths.items():
            tags[range(first, first + length), list(path)] += probability
            for pair in pairwise(path):
                pairs[b][pair] += probability
        first += length
    found = expectations(teacher)
    assert torch.allclose(found.tags, tags, atol=1e-10)
    assert torch.allclose(found.pairs, pairs, atol=1e-10)


def test_entropy(case, backend):
    (potentials, _), (tag_sequences, _) = case
    expected = [-sum(q * math.log(q) for q in paths.values()) for paths in tag_sequences]
    assert entropy(potentials).tolist() == pytest.approx(expected, abs=1e-9)


def test_the_entropy_of_what_is_certain_is_0():
    certain = make_potentials(3).map(lambda x: 1000 * x)
    assert entropy(certain).tolist() == [0.0] * len(LENGTHS)


def test_cross_entropy(case, backend):
    (teacher, student), tag_sequences = case
    expected = [
        -sum(q * math.log(p_of[path]) for path, q in q_of.items())
        for q_of, p_of in zip(*tag_sequences)
    ]
    found = cross_entropy(student, expectations(teacher))
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


def test_of_itself_it_is_the_entropy_and_least(case, backend):
    (teacher, _), (tag_sequences, _) = case
    entropy = [-sum(q * math.log(q) for q in q_of.values()) for q_of in tag_sequences]
    p = teacher.map(lambda scores: scores.clone().requires_grad_())
    found = cross_entropy(p, expectations(teacher))
    assert found.tolist() == pytest.approx(entropy, abs=1e-9)
    weights = torch.linspace(0.5, 2, len(LENGTHS))
    parts = (p.emissions, p.start, p.transitions, p.end)
    for gradient in torch.autograd.grad((weights * found).sum(), parts):
        assert gradient.abs().max() < 1e-9


def test_gradient(backend):
    teacher, student = (make_potentials(3, [3, 0, 2, 1], seed=seed) for seed in (1, 2))
    masks = masks_of(TAG_SETS[1])
    assert len(masks[0]) == 3
    expected = expectations(teacher.constrained(*masks))

    def loss(emissions, start, transitions, end):
        p = Potentials(emissions, student.lengths, start, transitions, end)
        return cross_entropy(p.constrained(*masks), expected)

    p = student.map(lambda scores: scores.requires_grad_())
    assert torch.autograd.gradcheck(loss, (p.emissions, p.start, p.transitions, p.end))


def test_expecting_one_tag_sequence_it_is_the_likelihood():
    """Of a teacher that is sure."""
    student = make_potentials(3)
    tags = torch.arange(sum(LENGTHS)) % 3
    certain = torch.full_like(student.emissions, -200.0).scatter(1, tags[:, None], 200.0)
    found = cross_entropy(student, expectations(replace(student, emissions=certain)))
    assert torch.allclose(found, -log_likelihood(student, tags), atol=1e-9)


def test_a_mixture_expects_the_mean(case):
    """So that several teachers are one."""
    potentials, _ = case
    student = make_potentials(len(potentials[0].start), seed=3)
    found = [expectations(p) for p in potentials]
    mean = type(found[0])(*((a + b) / 2 for a, b in zip(*found)))
    each = [cross_entropy(student, one) for one in found]
    assert torch.allclose(cross_entropy(student, mean), sum(each) / 2, atol=1e-9)


@pytest.mark.slow
def test_long_and_unlikely_sequences_stay_finite():
    p = make_potentials(9, [20_000, 0, 3], dtype=torch.float32).map(lambda scores: 100 * scores)
    found = expectations(p)
    assert torch.allclose(found.tags.sum(1), torch.ones(20_003, dtype=torch.float64))
    assert found.pairs.sum((1, 2)).tolist() == pytest.approx([19_999, 0, 2])
    assert torch.isfinite(cross_entropy(make_potentials(9, [20_000, 0, 3]), found)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_same_on_a_gpu():
    def results(device):
        teacher, student = (make_potentials(5, seed=seed, dtype=torch.float32) for seed in (1, 2))
        teacher, p = (x.map(lambda scores: scores.to(device)) for x in (teacher, student))
        p = p.map(lambda scores: scores.requires_grad_())
        found = cross_entropy(p, expectations(teacher))
        parts = (p.emissions, p.start, p.transitions, p.end)
        return [x.cpu().double() for x in (found, *torch.autograd.grad(found.sum(), parts))]

    for found, expected in zip(results("cuda"), results("cpu")):
        assert torch.allclose(found, expected, atol=1e-4)
