"""The Triton kernels against the reference: on a GPU where there is one, else interpreted."""

import warnings
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from spacy_crf_ner.crf.potentials import IMPOSSIBLE, Potentials
from spacy_crf_ner.crf.recursions import reference
from spacy_crf_ner.tags import TagSet

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytest.importorskip("triton")
from spacy_crf_ner.crf.recursions import gpu  # noqa: E402

# The interpreter's numpy minds the log of 0, which is right for the lanes of the padding.
# That of Triton 3.2 makes numbers of arrays, which numpy deprecates.
pytestmark = pytest.mark.filterwarnings(
    "ignore:divide by zero:RuntimeWarning",
    "ignore:Conversion of an array with ndim > 0:DeprecationWarning",
)


def slow(value):
    """A case that is left to `make test-slow` where the kernels are interpreted."""
    return pytest.param(value, marks=[pytest.mark.slow] if DEVICE == "cpu" else [])


LENGTHS = [3, 0, 5, 1, 2, 0, 7]


def make_potentials(n_tags, lengths=LENGTHS, scale=1.0):
    generator = torch.Generator().manual_seed(n_tags)

    def randn(*shape):
        return torch.randn(*shape, generator=generator) * scale

    return Potentials(
        randn(sum(lengths), n_tags),
        torch.tensor(lengths, dtype=torch.long),
        randn(n_tags),
        randn(n_tags, n_tags),
        randn(n_tags),
    )


def legal(p, tag_set):
    masks = (tag_set.legal_starts, tag_set.legal_transitions, tag_set.legal_ends)
    return p.constrained(*[torch.from_numpy(mask) for mask in masks])


def check(p):
    """Compare with the reference and return (alphas, log Z, betas, tags)."""
    expected = results_of(reference, p)
    got = results_of(gpu, p.map(lambda scores: scores.to(DEVICE)))
    assert {result.device.type for result in got} == {DEVICE}
    got = [result.cpu() for result in got]
    # Results are differences of scores, and so as imprecise as the largest of those.
    scores = torch.cat([x.flatten() for x in (p.emissions, p.start, p.transitions, p.end)])
    largest = scores[scores > IMPOSSIBLE / 2].abs().max().item()
    eps = torch.finfo(p.emissions.dtype).eps
    for ours, theirs in zip(got, expected):
        torch.testing.assert_close(ours, theirs, rtol=20 * eps, atol=10 * eps * (10 + largest))
    return got


def results_of(module, p):
    # The rows of `backward` are defined up to a constant.
    betas = module.backward(p).log_softmax(1)
    return [*module.forward(p), betas, module.viterbi(p)]


@pytest.mark.parametrize("n_tags", [1, 5, 17, *map(slow, (2, 16, 41))])
def test_like_the_reference(n_tags):
    check(make_potentials(n_tags))


@pytest.mark.slow
def test_double_precision():
    check(make_potentials(5).map(torch.Tensor.double))


@pytest.mark.parametrize("n_tags", [64, 65, 128, 129, 257])
def test_many_tags(n_tags):
    check(make_potentials(n_tags, [2, 0, 1]))


def test_posteriors_and_pairs_of_sequences():
    p = make_potentials(5)
    weights = torch.rand(sum(LENGTHS), generator=torch.Generator().manual_seed(0))
    expected = reference.posteriors(p, reference.forward(p)[0], weights)
    q = p.map(lambda scores: scores.to(DEVICE))
    alphas, _ = gpu.forward(q)
    for ours, theirs in zip(gpu.posteriors(q, alphas, weights.to(DEVICE)), expected):
        torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-5, atol=1e-6)
    pairs = reference.pairs_of_sequences(q, alphas, gpu.backward(q)).cpu()
    assert pairs.shape == (len(LENGTHS), 5, 5)
    # A pair for each token but the first ones.
    numbers = [max(length - 1, 0) for length in LENGTHS]
    torch.testing.assert_close(pairs.sum((1, 2)), torch.tensor(numbers).float())
    _, of_all = reference.posteriors(p, reference.forward(p)[0], torch.ones(sum(LENGTHS)))
    torch.testing.assert_close(pairs.sum(0), of_all, rtol=1e-5, atol=1e-5)


def test_the_probe_passes_and_says_what_is_wrong(monkeypatch):
    gpu.probe(torch.device(DEVICE))
    monkeypatch.setattr(gpu, "_run", lambda *arguments: None)
    with pytest.raises(AssertionError, match="not close"):
        gpu.probe(torch.device(DEVICE))


def test_the_reference_takes_over_where_kernels_cannot_be_launched(monkeypatch):
    calls = []

    def run(*arguments):
        calls.append(arguments)
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(gpu, "_run", run)
    monkeypatch.setattr(gpu, "failed", False)
    p = make_potentials(5).map(lambda scores: scores.to(DEVICE))
    with pytest.warns(UserWarning, match="RuntimeError: Failed to find C compiler.*gcc"):
        alphas, _ = gpu.forward(p)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ours, theirs in zip(results_of(gpu, p), results_of(reference, p)):
            assert torch.equal(ours, theirs)
        weights = torch.ones(sum(LENGTHS), device=DEVICE)
        tags, _ = gpu.posteriors(p, alphas, weights)
    torch.testing.assert_close(tags.sum(1), weights)
    assert len(calls) == 1


@pytest.mark.parametrize("n_labels", [4, *map(slow, (0, 1, 10))])
def test_impossible_transitions(n_labels):
    tag_set = TagSet(tuple("ABCDEFGHIJ"[:n_labels]), "BIOES")
    *_, tags = check(legal(make_potentials(len(tag_set)), tag_set))
    for path in tags.split(LENGTHS):
        assert all(tag_set.legal_transitions[i, j] for i, j in pairwise(path.tolist()))


def test_nothing_possible():
    p = make_potentials(3)
    none = torch.zeros(3, 3, dtype=torch.bool)
    alphas, log_z, betas, _ = check(p.constrained(none[0], none, none[0]))
    assert all(torch.isfinite(result).all() for result in (alphas, log_z, betas))


@pytest.mark.parametrize("scale", [slow(1e4), slow(0.0)])
def test_large_and_equal_scores(scale):
    p = make_potentials(5, scale=scale)
    check(p)
    *_, tags = check(legal(p, TagSet(("A",), "BIOES")))
    if not scale:
        assert tags.unique().tolist() == [0]


@pytest.mark.parametrize("shift", [slow(1e4), slow(-1e4)])
def test_scores_far_from_zero(shift):
    p = make_potentials(5)
    check(replace(p, emissions=p.emissions + shift, transitions=p.transitions - shift))


@pytest.mark.slow
def test_a_long_sequence_is_precise():
    p = make_potentials(5, lengths=[300])
    check(replace(p, emissions=p.emissions + 1e4))


@pytest.mark.slow
def test_equal_scores_give_the_lowest_tag():
    generator = torch.Generator().manual_seed(0)
    p = make_potentials(17, lengths=[20])
    check(p.map(lambda scores: torch.randint(2, scores.shape, generator=generator).float()))


@pytest.mark.slow
def test_scores_that_are_not_contiguous():
    p = make_potentials(5)
    emissions = torch.stack([p.emissions, p.emissions + 1], dim=2)[..., 0]
    transposed = replace(p, emissions=emissions, transitions=p.transitions.T)
    assert not transposed.emissions.is_contiguous()
    check(transposed)


@pytest.mark.skipif(DEVICE == "cpu", reason="the interpreter raises an error on NaN")
def test_nan_scores_give_tags_in_range():
    p = make_potentials(5).map(lambda scores: scores.to(DEVICE))
    tags = gpu.viterbi(replace(p, emissions=p.emissions * float("nan")))
    assert all(0 <= tag < 5 for tag in tags.tolist())


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_nothing_to_tag(lengths):
    alphas, log_z, betas, tags = check(make_potentials(3, lengths))
    assert alphas.shape == betas.shape == (0, 3)
    assert log_z.tolist() == [0.0] * len(lengths)
    assert tags.tolist() == []
