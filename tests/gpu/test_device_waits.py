"""How often the program waits for the GPU, which then has nothing to do."""

import emulated_cuda
import pytest
from device_log import recording, table
from small_training import small_config
from spacy.training.initialize import init_nlp
from util import TEXTS, make_examples

pytestmark = pytest.mark.skipif(
    emulated_cuda.HAS_GPU, reason="only the emulation of a GPU counts what waits for it"
)


@pytest.fixture(scope="module")
def nlp(tmp_path_factory):
    config = small_config("bilstm", tmp_path_factory.mktemp("waits"))
    return init_nlp(config.interpolate(), use_gpu=0)


# Thinc's hash tables ask each time whether all rows are there.
TABLES = 9


def assert_waits_at_most(log, limit):
    assert log.waits.total() <= limit, table(log.waits)


def test_a_step_of_training(nlp):
    """Of two passes, one of them perturbed."""
    examples, optimizer = make_examples(nlp), nlp.create_optimizer()
    nlp.update(examples, sgd=optimizer, drop=0.5)
    with recording() as log:
        nlp.update(examples, sgd=optimizer, drop=0.5)
    assert not log.notes, table(log.notes)
    # And the loss of each pass, and whether all gradients are finite.
    assert_waits_at_most(log, TABLES + 3)


def test_a_batch_of_predictions(nlp):
    list(nlp.pipe(TEXTS))
    with recording() as log:
        list(nlp.pipe(TEXTS))
    assert not log.notes, table(log.notes)
    # And what the CPU searches for entities.
    assert_waits_at_most(log, TABLES + 3)
