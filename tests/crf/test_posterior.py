"""Probabilities of tags, segments and taggings, and k-best, against enumeration."""

import pytest
import torch
from test_inference import TAG_SETS, enumerate_taggings, make_potentials, masks_of

from spacy_crf_ner.crf import Posterior, k_best_tags, minimum_risk_tags
from spacy_crf_ner.crf.recursions import cpu, reference

CASES = [(n, None) for n in range(1, 6)] + [(len(tag_set), tag_set) for tag_set in TAG_SETS]
LENGTHS = [3, 0, 5, 1, 2, 0, 4]


def probabilities(potentials, masks):
    """For each sequence {tagging: probability}."""
    for scores in enumerate_taggings(potentials, masks):
        values = torch.tensor(list(scores.values()), dtype=torch.float64).softmax(0)
        yield dict(zip(scores, values.tolist()))


@pytest.fixture(params=CASES, ids=lambda c: f"{c[0]}-{c[1].scheme}" if c[1] else f"{c[0]}-all")
def case(request):
    n_tags, tag_set = request.param
    potentials = make_potentials(n_tags, LENGTHS)
    masks = masks_of(tag_set) if tag_set else None
    taggings = list(probabilities(potentials, masks))
    return (potentials.constrained(*masks) if masks else potentials), taggings, tag_set


@pytest.fixture(params=[cpu, reference], ids=["cpu", "reference"])
def module(request, monkeypatch):
    monkeypatch.setattr("spacy_crf_ner.crf.recursions.backend.cpu", request.param)
    monkeypatch.setattr(reference, "applies", lambda p: True, raising=False)
    return request.param


def test_marginals(case, module):
    potentials, taggings, _ = case
    expected = torch.zeros_like(potentials.emissions)
    first = 0
    for length, paths in zip(LENGTHS, taggings):
        for path, probability in paths.items():
            expected[range(first, first + length), list(path)] += probability
        first += length
    assert torch.allclose(Posterior(potentials).marginals, expected, atol=1e-10)


def test_segments(case, module):
    """Every segment of every possible tagging of tokens: its tags, and nothing going on after."""
    potentials, taggings, tag_set = case
    goes_on = torch.from_numpy(tag_set.continues) if tag_set else torch.zeros(case[0].start.shape)
    goes_on = goes_on.bool()
    posterior = Posterior(potentials)
    first = 0
    for length, paths in zip(LENGTHS, taggings):
        for path in list(paths)[:: max(1, len(paths) // 5)]:
            bounds = [(s, e) for s in range(length) for e in range(s + 1, length + 1)]
            tags = torch.zeros(sum(LENGTHS), dtype=torch.long)
            tags[first : first + length] = torch.tensor(path, dtype=torch.long)
            expected = [
                sum(
                    probability
                    for other, probability in paths.items()
                    if other[s:e] == path[s:e] and not (e < length and goes_on[other[e]])
                )
                for s, e in bounds
            ]
            starts, ends = (torch.tensor([b[i] for b in bounds]).long() + first for i in (0, 1))
            found = posterior.segments(starts, ends, tags, goes_on)
            assert found.tolist() == pytest.approx(expected, abs=1e-10)
        first += length


def test_taggings(case, module):
    potentials, taggings, _ = case
    chosen = [max(paths, key=paths.get) for paths in taggings]
    tags = torch.tensor([tag for path in chosen for tag in path], dtype=torch.long)
    found = Posterior(potentials).log_probabilities(tags).exp()
    expected = [paths[path] for paths, path in zip(taggings, chosen)]
    assert found.tolist() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("k", [1, 3, 40])
def test_k_best(case, k):
    potentials, taggings, _ = case
    tags, found = k_best_tags(potentials, k)
    assert tags.shape == (sum(LENGTHS), k)
    for rows, values, paths in zip(tags.split(LENGTHS), found, taggings):
        best = sorted(paths.values(), reverse=True)[:k]
        assert values[: len(best)].tolist() == pytest.approx(best, abs=1e-10)
        assert not values[len(best) :].any()
        ranked = [tuple(path) for path in rows.T.tolist()][: len(best)]
        assert len(set(ranked)) == len(ranked)
        for path, value in zip(ranked, values.tolist()):
            assert paths[path] == pytest.approx(value, abs=1e-10)


def test_minimum_risk(case, module):
    potentials, taggings, _ = case
    tags = minimum_risk_tags(potentials).split(LENGTHS)

    def expected_hits(path, paths):
        return sum(p * sum(a == b for a, b in zip(path, other)) for other, p in paths.items())

    for found, paths in zip(tags, taggings):
        best = max(expected_hits(path, paths) for path in paths)
        assert expected_hits(tuple(found.tolist()), paths) == pytest.approx(best, abs=1e-10)
        assert tuple(found.tolist()) in paths


def test_a_long_sequence_stays_exact():
    """A sequence of 50,000 tokens: its middle must be as if only the neighbourhood existed."""
    short = make_potentials(5, [401], dtype=torch.float32)
    long = make_potentials(5, [50_001], dtype=torch.float32, seed=1)
    long.emissions[24_800:25_201] = short.emissions
    long = type(long)(long.emissions, long.lengths, short.start, short.transitions, short.end)
    middle = Posterior(long).marginals[24_950:25_051]
    assert torch.allclose(middle, Posterior(short).marginals[150:251], atol=1e-10)
    assert torch.isfinite(Posterior(long).log_probabilities(torch.zeros(50_001).long())).all()
