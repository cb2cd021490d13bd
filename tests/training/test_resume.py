"""A training that goes on from a checkpoint ends as if nothing had happened."""

import json
import random
import shutil
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
import spacy
import torch
from spacy import registry
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from thinc.api import Adam, Model, PyTorchWrapper, Shim
from typer.testing import CliRunner
from util import make_examples, make_nlp

from spacy_crf_ner.cli import app
from spacy_crf_ner.training import train as train_module
from spacy_crf_ner.training.calibrate import calibrate_on_dev
from spacy_crf_ner.training.checkpoint import (
    NAME,
    Checkpoint,
    ResumeError,
    read_checkpoint,
    settings_of,
)
from spacy_crf_ner.training.distributed import Ranks
from spacy_crf_ner.training.loggers import json_lines_logger
from spacy_crf_ner.training.state import State, random_state, set_random_state
from spacy_crf_ner.training.train import train

MADE_ANEW = ("seconds", "words_per_second", "memory_mb")


def embedded():
    """A `crf_ner` with a layer that remembers the tokens it has seen."""
    embed = {
        "@architectures": "spacy_crf_ner.VectorsEmbed.v1",
        "width": 16,
        "rows": 15,
        "token_dropout": 0.2,
    }
    nlp = make_nlp(adversarial_epsilon=0.5, decoding="entities", threshold=0.45)
    model = nlp.config["components"]["crf_ner"]["model"]
    model["tok2vec"]["embed"] = {
        "@layers": "concatenate.v1",
        "*": {"features": {**model["tok2vec"]["embed"], "feature_dropout": 0.2}, "vectors": embed},
    }
    return nlp.config


def listening():
    return make_nlp(tok2vec=True).config


def spacys_own():
    nlp = spacy.blank("zh")
    nlp.add_pipe("ner")
    nlp.add_pipe("tagger")
    return nlp.config


PIPELINES = {"embedded": embedded, "listening": listening, "spaCy's own": spacys_own}


def make_config(folder, name="embedded"):
    """A config with everything that draws random numbers, and a corpus of five sentences."""
    corpus = folder / "train.spacy"
    docs = [eg.reference for eg in make_examples(spacy.blank("zh"))]
    for doc in docs:
        for token in doc:
            token.tag_ = "A" if token.i % 2 else "B"
    DocBin(docs=docs).to_disk(corpus)
    config = PIPELINES[name]().copy()
    config["paths"].update(train=str(corpus), dev=str(corpus))
    config["corpora"]["train"]["augmenter"] = {
        "@augmenters": "spacy_crf_ner.mention_replacement.v1",
        "level": 1.0,
    }
    config["training"].update(max_steps=9, eval_frequency=2, seed=5, dropout=0.3)
    config["training"]["batcher"] = {"@batchers": "spacy.batch_by_sequence.v1", "size": 3}
    registry.loggers("test_resume.json_lines.v1", func=json_lines_logger)
    config["training"]["logger"] = {"@loggers": "test_resume.json_lines.v1"}
    # What is fitted at one evaluation decides on the scores of the next one.
    registry.callbacks("test_resume.calibrate.v1", func=calibrate_on_dev)
    config["training"]["before_to_disk"] = {"@callbacks": "test_resume.calibrate.v1"}
    config["training"]["optimizer"]["use_averages"] = True
    config["training"]["optimizer"]["learn_rate"] = {
        "@schedules": "warmup_linear.v1",
        "warmup_steps": 3,
        "total_steps": 12,
        "initial_rate": 0.01,
    }
    return config


def run(config, output, checkpoint=None):
    output.mkdir(exist_ok=True)
    said = StringIO()
    nlp = init_nlp(config)
    train(nlp, output, ranks=Ranks(), checkpoint=checkpoint, stdout=said, stderr=StringIO())
    return said.getvalue()


def resume(config, output):
    return run(config, output, read_checkpoint(output))


def kill_after(monkeypatch, output, step):
    """Copy the output folder as a kill right before and right after a checkpoint leaves it."""
    save = train_module.Progress.save

    def copy(progress, folder, info):
        if info["step"] == step:
            shutil.copytree(folder, output / "before")
        save(progress, folder, info)
        if info["step"] == step:
            shutil.copytree(folder, output / "after")

    monkeypatch.setattr(train_module.Progress, "save", copy)


def files_in(folder):
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "training.jsonl"
    }
    # The order of the labels' scores is that of a set, and so another one in each process.
    metas = {name: json.loads(data) for name, data in files.items() if name.endswith("meta.json")}
    return {**files, **metas}


def log_in(folder):
    lines = map(json.loads, (folder / "training.jsonl").read_text(encoding="utf8").splitlines())
    return [
        {
            **{key: value for key, value in line.items() if key not in MADE_ANEW},
            "scores": {key: value for key, value in line["scores"].items() if key != "speed"},
        }
        for line in lines
    ]


@pytest.mark.parametrize(
    "name",
    ["embedded", *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(PIPELINES)[1:])],
)
def test_a_resumed_training_ends_in_the_same_files(name, tmp_path, monkeypatch):
    config = make_config(tmp_path, name)
    kill_after(monkeypatch, tmp_path, 4)
    run(config, tmp_path / "whole")
    monkeypatch.undo()
    expected = files_in(tmp_path / "whole")
    assert {path.split("/")[0] for path in expected} == {"model-best", "model-last"}
    for moment in ("before", "after"):
        output = tmp_path / moment
        assert read_checkpoint(output).state["step"] == (2 if moment == "before" else 4)
        resume(config, output)
        assert files_in(output) == expected
        assert log_in(output) == log_in(tmp_path / "whole")
        assert [line["step"] for line in log_in(output)] == [0, 2, 4, 6, 8]


@pytest.mark.slow
@pytest.mark.parametrize(("max_epochs", "patience"), [(-1, 0), (2, 0), (0, 3)])
def test_the_end_is_the_same_too(max_epochs, patience, tmp_path, monkeypatch):
    config = make_config(tmp_path)
    changed = {"max_epochs": max_epochs, "patience": patience, "max_steps": 12, "seed": None}
    config["training"].update(changed)
    kill_after(monkeypatch, tmp_path, 2)
    run(config, tmp_path / "whole")
    monkeypatch.undo()
    resume(config, tmp_path / "after")
    assert files_in(tmp_path / "after") == files_in(tmp_path / "whole")
    assert log_in(tmp_path / "after") == log_in(tmp_path / "whole")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The config and the output folder of a training that was killed. Do not change them."""
    folder = tmp_path_factory.mktemp("killed")
    config = make_config(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        kill_after(monkeypatch, folder, 0)
        config["training"]["max_steps"] = 1
        run(config, folder / "whole")
    config.to_disk(folder / "config.cfg")
    return config, folder / "after"


def test_other_settings_are_an_error_that_names_them(killed):
    config, output = killed
    config = config.copy()
    config["training"]["dropout"] = 0.2
    del config["corpora"]["train"]["augmenter"]
    with pytest.raises(ResumeError) as caught:
        resume(config, output)
    assert "\ntraining.dropout: 0.3 before, 0.2 now" in str(caught.value)
    assert "\ncorpora.train.augmenter.level: 1.0 before, None now" in str(caught.value)
    assert "training.seed" not in str(caught.value)


def test_another_corpus_is_another_setting(tmp_path):
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "train.spacy"
    config = {"paths": {"train": str(path.parent), "vectors": None, "encoder": "bert"}, "a": {}}
    path.write_bytes(b"one")
    settings = settings_of(config)
    assert settings == settings_of(config)
    assert settings["paths.encoder"] == "bert"
    path.write_bytes(b"two")
    checkpoint = Checkpoint(tmp_path / NAME, {"settings": settings})
    with pytest.raises(ResumeError, match=rf"\nchecksum of {path} \(paths.train\): \d+ before"):
        checkpoint.require_same(settings_of(config))


def test_batches_that_cannot_be_drawn_again_are_an_error(killed):
    config, output = killed
    checkpoint = read_checkpoint(output)
    last = files_in(output)
    other = checkpoint._replace(state={**checkpoint.state, "words": 1})
    with pytest.raises(ResumeError, match="the batches before it cannot be drawn again"):
        run(config, output, other)
    # The pipeline, which has not learned yet, was not saved.
    assert files_in(output) == last


def test_other_labels_are_an_error(killed):
    config, output = killed
    checkpoint = read_checkpoint(output)
    other = checkpoint._replace(state={**checkpoint.state, "labels": [["PER", "LOC"]]})
    with pytest.raises(ResumeError, match="the components have other layers or labels"):
        run(config, output, other)


def command(killed, output, *options):
    config = killed[1].parent / "config.cfg"
    return CliRunner().invoke(app, ["train", str(config), "-o", str(output), *options])


def test_the_command_resumes(killed, tmp_path):
    output = tmp_path / "output"
    shutil.copytree(killed[1], output)
    result = command(killed, output, "--resume")
    assert result.exit_code == 0, result.output
    assert "Going on after step 0" in result.output
    whole = killed[1].parent / "whole"
    assert files_in(output) == files_in(whole)
    result = command(killed, output, "--resume")
    assert result.exit_code == 1
    assert "there is nothing to resume. A training removes it when it is complete" in result.output
    assert files_in(output) == files_in(whole)


def test_what_cannot_be_resumed_is_an_error_of_one_line(killed, tmp_path):
    output = tmp_path / "output"
    result = command(killed, output, "--resume")
    assert result.exit_code == 1
    assert "there is no such file" in result.output
    output.mkdir()
    (output / NAME).write_bytes(b"{}")
    result = command(killed, output, "--resume")
    assert result.exit_code == 1
    assert f"{output / NAME}: the file is damaged" in result.output
    result = command(killed, killed[1], "--resume", "--training.dropout", "0.1")
    assert result.exit_code == 1
    assert "training.dropout: 0.3 before, 0.1 now" in result.output
    result = CliRunner().invoke(app, ["train", str(killed[1].parent / "config.cfg"), "--resume"])
    assert result.exit_code == 1
    assert "--resume needs --output" in result.output


def test_a_new_training_removes_the_checkpoint_of_an_earlier_one(killed, tmp_path, monkeypatch):
    output = tmp_path / "output"
    shutil.copytree(killed[1], output)
    (output / f".{NAME}.1234.tmp").touch()
    monkeypatch.setattr(train_module, "_describe", lambda *_: exit())
    with pytest.raises(SystemExit):
        run(killed[0], output)
    assert not list(output.glob(f"*{NAME}*"))


def test_a_layer_of_another_kind_means_that_there_is_no_checkpoint(killed, tmp_path, monkeypatch):
    monkeypatch.setattr(train_module, "State", raise_value_error)
    said = run(killed[0], tmp_path / "output")
    assert "There are no checkpoints of this training: because" in said
    assert (tmp_path / "output" / "model-best").is_dir()


def raise_value_error(*_):
    raise ValueError("because")


# The parts.


def make_pipe(*layers):
    """A component of torch layers and one of Thinc's."""
    torch.manual_seed(0)
    own = Model(
        "own", lambda *_: None, params={"W": np.ones((2, 3), dtype="f")}, attrs={"seen": {}}
    )
    own.initialize()
    wrapped = [PyTorchWrapper(layer) for layer in layers]
    model = Model("all", lambda *_: None, layers=[*wrapped, own])
    return SimpleNamespace(model=model, labels=("A",), _steps=0)


def update(pipe, optimizer):
    own = pipe.model.layers[-1]
    own.set_grad("W", np.full((2, 3), 0.5, dtype="f"))
    own.attrs["seen"]["a"] = 1
    for node in pipe.model.layers[:-1]:
        for parameter in node.shims[0]._model.parameters():
            parameter.grad = torch.full_like(parameter, 0.25)
    pipe.model.finish_update(optimizer)
    pipe._steps += 1


def test_the_state_is_put_back():
    first, second = (make_pipe(torch.nn.BatchNorm1d(3)) for _ in range(2))
    norm, other = (pipe.model.layers[0].shims[0]._model for pipe in (first, second))
    optimizers = [Adam(0.1), Adam(0.1)]
    norm(torch.arange(6.0).view(2, 3))
    for _ in range(2):
        update(first, optimizers[0])
    state = State([first], optimizers[0])
    numbers = json.loads(json.dumps(state.numbers()))
    State([second], optimizers[1]).restore(state.arrays(), numbers)
    assert other.num_batches_tracked.item() == 1
    assert torch.equal(other.running_mean, norm.running_mean)
    assert second.model.layers[-1].attrs["seen"] == {"a": 1}
    assert second._steps == 2
    for pipe, optimizer in zip((first, second), optimizers):
        # There is a gradient, so that the optimizer goes on without a new one.
        pipe.model.finish_update(optimizer)
    assert np.array_equal(*(p.model.layers[-1].get_param("W") for p in (first, second)))
    assert torch.equal(norm.weight, other.weight)
    averages = [list(optimizer.averages.values()) for optimizer in optimizers]
    assert all(np.array_equal(*pair) for pair in zip(*averages, strict=True))
    assert len(averages[0]) == 3


def test_a_parameter_without_a_gradient_stays_without():
    first, second = make_pipe(torch.nn.Linear(1, 1)), make_pipe(torch.nn.Linear(1, 1))
    state = State([first], Adam(0.1))
    State([second], Adam(0.1)).restore(state.arrays(), state.numbers())
    assert second.model.layers[0].shims[0]._model.weight.grad is None
    assert not second.model.layers[-1].has_grad("W")


def test_what_is_unknown_is_an_error():
    pipe = make_pipe()
    with pytest.raises(ValueError, match="the optimizer .function. is not Thinc's"):
        State([pipe], update)
    pipe.model.shims.append(Shim(None))
    with pytest.raises(ValueError, match="the layer 'all' .Shim. is not Thinc's or torch's"):
        State([pipe], Adam(0.1))


def test_random_numbers_go_on():
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    draws = [random.gauss(0, 1), np.random.normal()]  # both keep a second number
    state = json.loads(json.dumps(random_state()))
    draws = [[random.gauss(0, 1), np.random.normal(), torch.rand(()).item()]]
    set_random_state(state)
    draws.append([random.gauss(0, 1), np.random.normal(), torch.rand(()).item()])
    assert draws[0] == draws[1]
