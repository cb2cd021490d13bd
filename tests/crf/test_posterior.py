"""Probabilities of tags, segments and tag sequences, and k-best, against enumeration."""

import pytest
import torch
from enumeration import TAG_SETS, make_potentials, masks_of, name_of, probabilities

from spacy_crf_ner.crf import Posterior, k_best_tags, minimum_risk_tags

CASES = [(n, None) for n in range(1, 6)] + [(len(tag_set), tag_set) for tag_set in TAG_SETS]
LENGTHS = [3, 0, 5, 1, 2, 0, 4]


@pytest.fixture(scope="module", params=CASES, ids=name_of)
def case(request):
    n_tags, tag_set = request.param
    potentials = make_potentials(n_tags, LENGTHS)
    masks = masks_of(tag_set) if tag_set else None
    tag_sequences = list(probabilities(potentials, masks))
    return (potentials.constrained(*masks) if masks else potentials), tag_sequences, tag_set


def test_marginals(case, backend):
    potentials, tag_sequences, _ = case
    expected = torch.zeros_like(potentials.emissions)
    first = 0
    for length, paths in zip(LENGTHS, tag_sequences):
        for path, probability in paths.items():
            expected[range(first, first + length), list(path)] += probability
        first += length
    assert torch.allclose(Posterior(potentials).marginals, expected, atol=1e-10)


def test_segments(case, backend):
    """Every segment of every tag sequence: it has its tags, and does not go on after them."""
    potentials, tag_sequences, tag_set = case
    goes_on = torch.from_numpy(tag_set.continues) if tag_set else torch.zeros(case[0].start.shape)
    goes_on = goes_on.bool()
    posterior = Posterior(potentials)
    first = 0
    for length, paths in zip(LENGTHS, tag_sequences):
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


def test_tag_sequences(case, backend):
    potentials, tag_sequences, _ = case
    chosen = [max(paths, key=paths.get) for paths in tag_sequences]
    tags = torch.tensor([tag for path in chosen for tag in path], dtype=torch.long)
    found = Posterior(potentials).log_probabilities(tags).exp()
    expected = [paths[path] for paths, path in zip(tag_sequences, chosen)]
    assert found.tolist() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("k", [1, 3, 40])
def test_k_best(case, k):
    potentials, tag_sequences, _ = case
    tags, found = k_best_tags(potentials, k)
    assert tags.shape == (sum(LENGTHS), k)
    for rows, values, paths in zip(tags.split(LENGTHS), found, tag_sequences):
        best = sorted(paths.values(), reverse=True)[:k]
        assert values[: len(best)].tolist() == pytest.approx(best, abs=1e-10)
        assert not values[len(best) :].any()
        ranked = [tuple(path) for path in rows.T.tolist()][: len(best)]
        assert len(set(ranked)) == len(ranked)
        for path, value in zip(ranked, values.tolist()):
            assert paths[path] == pytest.approx(value, abs=1e-10)


def test_minimum_risk(case, backend):
    potentials, tag_sequences, _ = case
    tags = minimum_risk_tags(potentials).split(LENGTHS)

    for found, paths in zip(tags, tag_sequences):
        all_paths = torch.tensor(list(paths))
        probabilities = torch.tensor(list(paths.values()), dtype=torch.float64)
        # For each tag sequence how many tags it shares with each other one.
        hits = torch.zeros(len(paths), len(paths), dtype=torch.float64)
        for tags_of_token in all_paths.T:
            hits += tags_of_token == tags_of_token[:, None]
        expected_hits = dict(zip(paths, (hits @ probabilities).tolist()))
        assert tuple(found.tolist()) in paths
        best = max(expected_hits.values())
        assert expected_hits[tuple(found.tolist())] == pytest.approx(best, abs=1e-10)


def test_a_long_sequence_stays_exact():
    """A sequence of 50,000 tokens: its middle must be as if only the neighbourhood existed."""
    short = make_potentials(5, [401], dtype=torch.float32)
    long = make_potentials(5, [50_001], dtype=torch.float32, seed=1)
    long.emissions[24_800:25_201] = short.emissions
    long = type(long)(long.emissions, long.lengths, short.start, short.transitions, short.end)
    middle = Posterior(long).marginals[24_950:25_051]
    assert torch.allclose(middle, Posterior(short).marginals[150:251], atol=1e-10)
    assert torch.isfinite(Posterior(long).log_probabilities(torch.zeros(50_001).long())).all()
