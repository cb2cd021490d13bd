"""Tests of training by several ranks. Most run the ranks as threads; the slow ones as processes."""

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from thinc.api import PyTorchShim, PyTorchWrapper, Shim, fix_random_seed
from two_ranks import TRAININGS, VECTORS, run
from util import TRAIN, make_examples, make_nlp, make_trained, small

from spacy_crf_ner.training.data_parallel import DataParallel, draw_alike
from spacy_crf_ner.training.distributed import LOST, RankLost, Ranks
from spacy_crf_ner.training.gradients import Gradients, find_parameters, trainable_pipes

ROOT = Path(__file__).resolve().parents[2]
# Sums in float32 depend on their order.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


class Threads(Ranks):
    """Ranks that are threads of this process."""

    def __init__(self, rank, size, tensors, barrier):
        super().__init__(rank, size)
        self.tensors, self.barrier = tensors, barrier

    def add(self, tensor):
        self._exchange(tensor, lambda tensors: sum(tensors))

    def copy_first(self, tensor):
        self._exchange(tensor, lambda tensors: tensors[0])

    def _exchange(self, tensor, combine):
        self.tensors[self.rank] = tensor.clone()
        self.barrier.wait()
        tensor.copy_(combine(self.tensors))
        self.barrier.wait()


def together(function, size=2):
    """What a function of the ranks returns, by rank."""
    tensors, barrier = [None] * size, Barrier(size, timeout=20)

    def call(rank):
        try:
            return function(Threads(rank, size, tensors, barrier))
        except Exception:
            barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(call, rank) for rank in range(size)]
    for future in futures:
        # Not that of a rank that waited for one that failed.
        if not isinstance(future.exception(), BrokenBarrierError):
            future.result()
    return [future.result() for future in futures]


def make_pipeline(tok2vec=False):
    """A pipeline that has begun to learn, without any dropout."""
    nlp = make_trained(2, tok2vec=tok2vec)
    for node in nlp.get_pipe("tok2vec" if tok2vec else "crf_ner").model.walk():
        if "feature_dropout" in node.attrs:
            node.attrs["feature_dropout"] = 0.0
    return nlp


def gradients_of(nlp):
    pipes = list(trainable_pipes(nlp, []).values())
    return [parameter.grad.clone() for parameter in find_parameters(pipes)]


def update_together(nlps, size, accumulate_gradient=1):
    """Update copies of a pipeline with the first documents; returns the losses by rank."""

    def update(ranks):
        nlp = nlps[ranks.rank]
        learner = DataParallel(nlp, ranks, frozen=[], accumulate_gradient=accumulate_gradient)
        losses = {}
        learner.update(make_examples(nlp, TRAIN[:size]), losses=losses, drop=0.0, sgd=False)
        return losses

    return together(update, len(nlps))


@pytest.mark.parametrize("tok2vec", [False, True])
@pytest.mark.parametrize(("size", "n_ranks"), [(5, 2), (4, 3), (1, 2)])
def test_the_gradient_is_that_of_the_joint_batch(tok2vec, size, n_ranks):
    nlps = [make_pipeline(tok2vec) for _ in range(n_ranks + 1)]
    alone = nlps.pop()
    expected = alone.update(make_examples(alone, TRAIN[:size]), sgd=False)["crf_ner"]
    for losses in update_together(nlps, size):
        assert losses["crf_ner"] == pytest.approx(expected, rel=1e-5)
    for nlp in nlps:
        for found, gradient in zip(gradients_of(nlp), gradients_of(alone), strict=True):
            assert torch.allclose(found, gradient, **CLOSE)
    assert any(gradient.any() for gradient in gradients_of(alone))


def test_gradients_of_parts_of_a_batch_accumulate():
    nlps = [make_pipeline() for _ in range(3)]
    alone = nlps.pop()
    by_length = sorted(make_examples(alone), key=lambda eg: len(eg.predicted))
    # As spaCy divides five documents into two parts: the third has the rest.
    for part in (by_length[:2], by_length[2:4], by_length[4:]):
        alone.update(part, sgd=False)
    update_together(nlps, 5, accumulate_gradient=2)
    for nlp in nlps:
        for found, gradient in zip(gradients_of(nlp), gradients_of(alone), strict=True):
            assert torch.allclose(found, gradient, **CLOSE)


def test_each_row_is_the_same_token_on_all_ranks():
    """`VectorsEmbed` gives tokens a row when it first sees them."""
    model = small()["model"]
    model["tok2vec"]["embed"] = VECTORS
    nlps = [make_nlp(model=model) for _ in range(3)]
    examples = make_examples(nlps[0])
    for nlp in nlps:
        nlp.initialize(lambda: examples)
        weights = nlp.get_pipe("crf_ner").model.get_ref("output_layer").get_param("W")
        weights[:] = np.linspace(-1, 1, weights.size).reshape(weights.shape)
    alone = nlps.pop()
    alone.update(make_examples(alone), sgd=False)
    update_together(nlps, 5)
    for nlp in nlps:
        embeds = [
            next(
                node for node in x.get_pipe("crf_ner").model.walk() if node.name == "vectors_embed"
            )
            for x in (nlp, alone)
        ]
        assert embeds[0].attrs["index"] == embeds[1].attrs["index"]
        assert np.allclose(*(embed.get_grad("E") for embed in embeds), **CLOSE)
        assert embeds[1].get_grad("E").any()


def test_ranks_begin_with_the_weights_of_rank_0():
    nlps = [make_pipeline(), make_pipeline()]
    nlps[1].get_pipe("crf_ner").model.get_ref("crf").get_param("transitions")[:] = 7.0
    first, second = (nlp.get_pipe("crf_ner").model.get_ref("crf") for nlp in nlps)
    expected = first.get_param("transitions").copy()
    update_together(nlps, 5)
    assert (first.get_param("transitions") == expected).all()
    assert (second.get_param("transitions") == expected).all()


def test_ranks_with_different_pipelines_are_an_error():
    nlps = [make_pipeline(), make_pipeline()]
    labels = nlps[1].get_pipe("crf_ner").cfg["labels"]
    labels.reverse()
    with pytest.raises(ValueError, match="Rank 1 initialized a pipeline with other labels"):
        update_together(nlps, 5)
    labels.reverse()
    nlps[1].get_pipe("crf_ner").add_label("ORG")
    with pytest.raises(ValueError, match="Rank 1 initialized a pipeline with other labels"):
        update_together(nlps, 5)


def test_ranks_with_different_batches_are_an_error():
    nlps = [make_pipeline(), make_pipeline()]

    def update(ranks):
        nlp = nlps[ranks.rank]
        learner = DataParallel(nlp, ranks, frozen=[], accumulate_gradient=1)
        examples = make_examples(nlp, TRAIN[ranks.rank : ranks.rank + 2])
        learner.update(examples, losses={}, drop=0.0, sgd=False)

    with pytest.raises(ValueError, match="Rank 0 has another batch than the other ranks"):
        together(update)


def test_frozen_components_are_left_out():
    nlp = make_pipeline(tok2vec=True)
    assert list(trainable_pipes(nlp, [])) == ["tok2vec", "crf_ner"]
    assert list(trainable_pipes(nlp, ["tok2vec"])) == ["crf_ner"]


def test_a_layer_that_two_components_share_counts_once():
    pipe = SimpleNamespace(model=PyTorchWrapper(torch.nn.Linear(2, 1)))
    assert len(list(find_parameters([pipe, pipe]))) == 2


def test_gradients_of_torch_modules_are_averaged_too():
    modules = [torch.nn.Linear(2, 1) for _ in range(3)]

    def exchange(ranks):
        module = modules[ranks.rank]
        pipe = SimpleNamespace(model=PyTorchWrapper(module))
        gradients = Gradients([pipe], ranks, 0)
        gradients.copy_first()
        # The last rank has no documents. No rank has a gradient of the bias.
        if ranks.rank < 2:
            module.weight.grad = torch.tensor([[2.0, 4.0]]) * ranks.rank
            gradients.collect(0.5)
        gradients.exchange()
        return module

    for module in together(exchange, 3):
        assert torch.equal(module.weight, modules[0].weight)
        assert module.weight.grad.tolist() == [[1.0, 2.0]]
        assert module.bias.grad is None


@pytest.mark.parametrize(
    ("shim", "error"),
    [
        (Shim(None), "'torch' .Shim. is neither Thinc's nor torch's"),
        (PyTorchShim(torch.nn.Linear(1, 1), mixed_precision=True), "mixed_precision = false"),
    ],
)
def test_layers_that_cannot_be_trained_together_are_an_error(shim, error):
    model = PyTorchWrapper(torch.nn.Linear(1, 1))
    model.name, model.shims[0] = "torch", shim
    with pytest.raises(ValueError, match=error):
        list(find_parameters([SimpleNamespace(model=model)]))


def test_batches_are_drawn_alike_and_the_rest_is_not():
    def draws(rank):
        batches = iter(lambda: (random.random(), np.random.random()), None)
        drawn = draw_alike(batches, 5, Ranks(rank, 2))
        seen = []
        for n_used in range(3):
            seen.append(next(drawn))
            # Dropout takes as many numbers as a rank has tokens.
            others = [random.random(), np.random.random(), torch.rand(()).item()]
            np.random.random(rank * n_used)
        return seen, others

    (first, others), (second, different) = draws(0), draws(1)
    assert first == second
    assert not set(others) & set(different)
    fix_random_seed(5)
    assert first == [(random.random(), np.random.random()) for _ in range(3)]
    assert list(draw_alike(iter([1, 2]), 5, Ranks(0, 2))) == [1, 2]


def test_a_rank_that_should_end_does_so_before_the_next_exchange():
    ranks = Ranks(1, 2)
    ranks.is_terminated = True
    message = LOST.format(rank=1, size=2, reason="torchrun sent SIGTERM")
    with pytest.raises(RankLost) as caught:
        ranks.add(torch.zeros(1))
    assert str(caught.value) == message


# With processes.


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What each rank saw in each training."""
    folder = tmp_path_factory.mktemp("ranks")
    script = ROOT / "tests" / "training" / "two_ranks.py"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    result = subprocess.run(
        [*torchrun, "--nproc-per-node=2", str(script), str(folder)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRAININGS.keys() - {"dropout", "no seed"}))
def test_two_ranks_learn_what_one_process_does(two, name, tmp_path):
    first, second = (seen[name] for seen in two)
    alone = run(name, tmp_path, Ranks())
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    assert first["weights"] == second["weights"]
    assert np.allclose(first["weights"], alone["weights"], **CLOSE)
    assert first["steps"] == second["steps"] == alone["steps"]


@pytest.mark.slow
def test_two_ranks_end_at_the_same_step(two):
    assert [seen["patience"]["steps"] for seen in two] == [4, 4]


@pytest.mark.slow
def test_two_ranks_drop_differently_and_stay_equal(two):
    for name in ("dropout", "no seed"):
        first, second = (seen[name] for seen in two)
        assert first["weights"] == second["weights"]
        assert first["thinc's mask"] != second["thinc's mask"]
        assert first["torch's mask"] != second["torch's mask"]
    assert two[0]["dropout"]["losses"][1:] != two[0]["plain"]["losses"][1:]
