"""The learning rate over a training."""

from itertools import islice

import pytest
from spacy.util import registry
from thinc.api import Adam

from spacy_crf_ner.training.schedules import warmup_cosine


def rates(n, *args):
    return list(islice(warmup_cosine(*args), n))


def test_it_rises_linearly_then_falls_along_a_cosine_and_stays_at_zero():
    assert rates(12, 1.0, 4, 10) == pytest.approx(
        [0, 0.25, 0.5, 0.75, 1, 0.933013, 0.75, 0.5, 0.25, 0.066987, 0, 0], abs=1e-6
    )


def test_without_warmup_it_begins_with_the_highest_rate():
    assert rates(3, 0.001, 0, 2) == pytest.approx([0.001, 0.0005, 0.0])


@pytest.mark.parametrize("steps", [(-1, 10), (10, 10), (0, 0)])
def test_impossible_steps_are_an_error_at_once(steps):
    with pytest.raises(ValueError, match=f"got {steps[0]} and {steps[1]}"):
        warmup_cosine(0.1, *steps)


def test_an_optimizer_follows_it():
    optimizer = Adam(warmup_cosine(1.0, 2, 4))
    seen = []
    for _ in range(5):
        seen.append(optimizer.learn_rate)
        optimizer.step_schedules()
    assert seen == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_in_a_config():
    settings = {"initial_rate": 1.0, "warmup_steps": 2, "total_steps": 4}
    config = {"learn_rate": {"@schedules": "spacy_crf_ner.warmup_cosine.v1", **settings}}
    schedule = registry.resolve(config)["learn_rate"]
    assert list(islice(schedule, 3)) == pytest.approx([0, 0.5, 1])
