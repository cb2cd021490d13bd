"""Logs of trainings."""

import json
import math
from importlib.util import find_spec
from io import StringIO
from types import SimpleNamespace

import pytest
from spacy import registry
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from util import make_examples, make_nlp, make_trained

from spacy_crf_ner.training import loggers
from spacy_crf_ner.training.loggers import json_lines_logger, tensorboard_logger

KEYS = [
    "epoch",
    "step",
    "seconds",
    "losses",
    "score",
    "scores",
    "learn_rates",
    "words_per_second",
    "memory_mb",
]


@pytest.fixture
def log(tmp_path):
    """Logs steps with a logger, as spaCy's loop would."""
    nlp = make_trained()
    (tmp_path / "model-last").mkdir()

    def log_steps(logger, steps, **changed):
        log_step, finish = logger(nlp, StringIO(), StringIO())
        for step in steps:
            log_step(make_info(step, tmp_path, **changed) if step % 4 == 0 else None)
        finish()

    return log_steps


def make_info(step, folder, **changed):
    return {
        "epoch": step // 10,
        "step": step,
        "losses": {"crf_ner": 1.5},
        "score": 0.5,
        "other_scores": {"ents_f": 0.5, "ents_per_type": {"人": {"p": 1.0, "r": 0.3, "f": 0.5}}},
        "words": 100 * step,
        "output_path": str(folder / "model-last"),
        **changed,
    }


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def test_plain_spacy_writes_lines_beside_its_pipelines(tmp_path):
    corpus = tmp_path / "train.spacy"
    DocBin(docs=[eg.reference for eg in make_examples(make_nlp())]).to_disk(corpus)
    config = make_nlp().config.copy()
    config["paths"].update(train=str(corpus), dev=str(corpus))
    registry.loggers("test_loggers.json_lines.v1", func=json_lines_logger)
    config["training"].update(max_steps=4, eval_frequency=4)
    config["training"]["logger"] = {
        "@loggers": "spacy.ChainLogger.v1",
        "logger1": {"@loggers": "spacy.ConsoleLogger.v3", "progress_bar": "train"},
        "logger2": {"@loggers": "test_loggers.json_lines.v1"},
    }
    config["training"]["optimizer"]["learn_rate"] = {
        "@schedules": "warmup_linear.v1",
        "warmup_steps": 2,
        "total_steps": 10,
        "initial_rate": 0.01,
    }
    said = StringIO()
    train(init_nlp(config), tmp_path, stdout=said, stderr=StringIO())
    assert "LOSS CRF_NER" in said.getvalue()
    first, last = lines_of(tmp_path / "training.jsonl")
    assert list(last) == KEYS
    assert (first["step"], last["step"], last["epoch"]) == (0, 4, 4)
    assert first["words_per_second"] is None
    assert last["words_per_second"] > 0
    assert last["seconds"] > first["seconds"] > 0
    assert first["learn_rates"]["optimizer"] == 0
    assert last["learn_rates"]["optimizer"] == pytest.approx(0.01 * 6 / 8)
    assert last["losses"].keys() == {"crf_ner"}
    assert last["scores"]["ents_per_type"].keys() == {"PER", "LOC"}
    assert last["score"] == last["scores"]["ents_f"]


def test_the_words_of_a_step_are_divided_by_its_time(log, tmp_path, monkeypatch):
    # Each step takes a second; those with an evaluation, and the one after, take longer.
    times = iter([0, 50, 150, 151, 152, 202])
    monkeypatch.setattr(loggers, "default_timer", lambda: next(times))
    log(json_lines_logger(), range(5))
    assert [line["words_per_second"] for line in lines_of(tmp_path / "training.jsonl")] == [
        None,
        100.0,
    ]


def test_a_training_that_goes_on_keeps_earlier_lines(log, tmp_path):
    path = tmp_path / "training.jsonl"
    log(json_lines_logger(), range(9))
    seconds = lines_of(path)[0]["seconds"]
    with path.open("a", encoding="utf8") as file:
        file.write('{"epoch": 1, "step": 12, "losses": {"crf')
    log(json_lines_logger(), range(1, 9), score=0.75)
    lines = lines_of(path)
    assert [line["step"] for line in lines] == [0, 4, 8]
    assert [line["score"] for line in lines] == [0.5, 0.75, 0.75]
    assert lines[0]["seconds"] == seconds < lines[1]["seconds"]
    log(json_lines_logger(), [0])
    assert [line["step"] for line in lines_of(path)] == [0]


def test_each_line_is_there_at_once(tmp_path):
    path = tmp_path / "logs" / "mine.jsonl"
    log_step, finish = json_lines_logger(str(path))(make_trained(), StringIO(), StringIO())
    log_step(make_info(0, tmp_path))
    assert len(lines_of(path)) == 1
    finish()


def test_without_an_output_there_is_no_log(log, tmp_path):
    log(json_lines_logger(), range(5), output_path=None)
    assert not (tmp_path / "training.jsonl").exists()


def test_numbers_that_json_lacks_are_null(log, tmp_path):
    scores = {"a": math.nan, "b": {"c": math.inf}, "d": None}
    log(json_lines_logger(), [0], other_scores=scores, losses={"crf_ner": math.inf})
    (line,) = lines_of(tmp_path / "training.jsonl")
    assert line["scores"] == {"a": None, "b": {"c": None}, "d": None}
    assert line["losses"] == {"crf_ner": None}


def test_parts_of_the_network_have_learning_rates_of_their_own(log, tmp_path):
    model = make_nlp().config["components"]["crf_ner"]["model"]
    nlp = make_nlp(model={**model, "crf_lr_scale": 10.0})
    log_step, finish = json_lines_logger()(nlp, StringIO(), StringIO())
    log_step(make_info(0, tmp_path))
    finish()
    (line,) = lines_of(tmp_path / "training.jsonl")
    assert line["learn_rates"] == {
        "optimizer": 0.001,
        "crf_ner.tok2vec": 0.001,
        "crf_ner.output_layer": 0.001,
        "crf_ner.crf": 0.01,
    }


def test_a_gpus_memory_is_logged(log, tmp_path, monkeypatch):
    cuda = SimpleNamespace(is_initialized=lambda: True, max_memory_reserved=lambda: 3e6)
    monkeypatch.setattr(loggers.torch, "cuda", cuda)
    log(json_lines_logger(), [0])
    assert lines_of(tmp_path / "training.jsonl")[0]["gpu_memory_mb"] == 3


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="TensorBoard is installed")
def test_without_tensorboard_an_error_says_what_to_install():
    with pytest.raises(ImportError, match="pip install tensorboard"):
        tensorboard_logger()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorBoard's
def test_tensorboard_shows_scalars(log, tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log(tensorboard_logger(), range(9))
    log(tensorboard_logger(), range(1, 9), score=0.75)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    scores = [(event.step, event.value) for event in events.Scalars("score")]
    assert scores == [(0, 0.5), (4, 0.75), (8, 0.75)]
    assert {"losses/crf_ner", "scores/ents_per_type/人/f"} <= set(events.Tags()["scalars"])
