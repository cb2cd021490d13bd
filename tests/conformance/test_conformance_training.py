"""What spaCy documents of training a pipe: `crf_ner` does it as `ner` does."""

from typing import ClassVar

import pytest
import spacy
import srsly
from conformance_pipelines import (
    CRF_KINDS,
    GOLD,
    TEXTS,
    TRAIN,
    first_is_quick,
    fit,
    found,
    is_trained,
    kinds,
    learn_rate,
    update,
)
from spacy.language import Language
from spacy.training import Example
from util import ents_of, make_examples

pytestmark = pytest.mark.slow

# With a label that the trained pipelines do not know.
NEW_TEXT, NEW_ENTS = "好的大学有工作", [(0, 4, "ORG")]
NEW = [(NEW_TEXT, NEW_ENTS)]
NEW_PLACE = [("好大是大学", [(0, 2, "LOC")])]


# Initializing


def test_labels_from_a_file(nlp, name, make, tmp_path):
    """Those in the file count, whatever the examples have."""
    srsly.write_json(tmp_path / "labels.json", nlp.get_pipe(name).label_data)
    reader = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "labels.json")}
    other = make()
    other.config["initialize"]["components"][name] = {"labels": reader}
    examples = make_examples(other, [("好的", [])])
    other.initialize(lambda: examples)
    assert other.get_pipe(name).labels == nlp.get_pipe(name).labels


def test_labels_from_the_examples(make, name):
    nlp = make()
    assert not nlp.pipe_labels.get(name)
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    assert sorted(nlp.pipe_labels[name]) == ["LOC", "PER"]


def test_initialized_again(nlp, name):
    """What was learnt is gone, and is learnt anew."""
    examples = make_examples(nlp, TRAIN)
    nlp.initialize(lambda: examples)
    assert sorted(nlp.pipe_labels[name]) == ["LOC", "PER"]
    assert not is_trained(nlp)
    assert is_trained(fit(nlp))


def test_initialized_again_after_add_label(nlp, name):
    nlp.get_pipe(name).add_label("ORG")
    fit(nlp)
    assert sorted(nlp.pipe_labels[name]) == ["LOC", "ORG", "PER"]
    assert is_trained(nlp)


def test_initialized_again_with_new_labels_in_the_examples(nlp, name):
    fit(nlp, [*TRAIN, *NEW])
    assert sorted(nlp.pipe_labels[name]) == ["LOC", "ORG", "PER"]
    assert is_trained(nlp)
    assert ents_of(nlp(NEW_TEXT)) == NEW_ENTS


def test_a_label_added_before_initialize(make, name):
    nlp = make()
    assert nlp.get_pipe(name).add_label("ORG") == 1
    assert nlp.get_pipe(name).add_label("ORG") == 0
    fit(nlp)
    assert sorted(nlp.pipe_labels[name]) == ["LOC", "ORG", "PER"]
    assert is_trained(nlp)


# `ner` fails as well, but by whatever KeyError comes first.
@kinds(*CRF_KINDS)
def test_update_before_initialize(make, name):
    nlp = make()
    examples = make_examples(nlp, TRAIN)
    # What is listened to has its own error for this.
    others = [pipe for pipe in nlp.pipe_names if pipe != name]
    with pytest.raises(ValueError, match="E109"):
        nlp.update(examples, exclude=others)


@kinds(*CRF_KINDS)  # `ner`: see above
def test_running_before_initialize(make, name):
    nlp = make()
    doc = nlp.make_doc(TEXTS[0])
    with pytest.raises(ValueError, match="E109"):
        nlp.get_pipe(name)(doc)


# Updating


def test_a_loaded_pipeline_learns_more(nlp, name):
    optimizer = nlp.resume_training()
    optimizer.learn_rate = learn_rate(nlp)
    train = [*TRAIN, ("王好有工作", [(0, 2, "PER")])]
    examples = make_examples(nlp, train)
    before = nlp.update(examples, sgd=optimizer)[name]
    assert update(nlp, examples, optimizer)[name] < before
    assert is_trained(nlp)
    assert ents_of(nlp(train[-1][0])) == train[-1][1]


def test_an_optimizer_is_created(nlp, name):
    optimizer = nlp.create_optimizer()
    before = nlp.get_pipe(name).model.to_bytes()
    for _ in range(2):  # a shared tok2vec's gradients are applied at the next update
        nlp.update(make_examples(nlp, NEW_PLACE), sgd=optimizer)
    assert nlp.get_pipe(name).model.to_bytes() != before
    assert nlp.get_pipe(name).create_optimizer().learn_rate == optimizer.learn_rate


def test_update_without_an_optimizer(nlp, name):
    before = nlp.get_pipe(name).model.to_bytes()
    losses = nlp.update(make_examples(nlp, NEW_PLACE))
    assert losses[name] > 0
    assert nlp.get_pipe(name).model.to_bytes() != before


def test_gradients_add_up_until_they_are_applied(nlp, name):
    model = nlp.get_pipe(name).model

    def gradients():
        return [
            node.get_grad(param).copy()
            for node in model.walk()
            for param in node.param_names
            if node.has_grad(param)
        ]

    before = model.to_bytes()
    nlp.update(make_examples(nlp, NEW_PLACE), sgd=False)
    assert any(gradient.any() for gradient in gradients())
    assert model.to_bytes() == before
    nlp.get_pipe(name).finish_update(nlp.create_optimizer())
    assert model.to_bytes() != before
    assert not any(gradient.any() for gradient in gradients())


def test_losses_are_added_to(nlp, name):
    losses = nlp.update(make_examples(nlp, NEW_PLACE), losses={name: 100.0})
    assert losses[name] > 100


def test_dropout_and_documents_without_tokens(nlp, name):
    examples = make_examples(nlp, [*TRAIN, ("", []), (" ", [])])
    assert nlp.update(examples, drop=0.5)[name] >= 0
    assert nlp.update(examples[-2:-1])[name] == 0
    assert nlp.update([]) == {}


def test_a_new_label_is_learnt_and_the_others_are_kept(nlp, name):
    assert nlp.get_pipe(name).add_label("ORG") == 1
    assert is_trained(nlp)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = learn_rate(nlp)
    update(nlp, make_examples(nlp, [*TRAIN, *NEW]), optimizer)
    assert ents_of(nlp(NEW_TEXT)) == NEW_ENTS
    assert is_trained(nlp)


def test_a_new_label_survives_storing(nlp, name, tmp_path):
    nlp.get_pipe(name).add_label("ORG")
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert sorted(loaded.pipe_labels[name]) == ["LOC", "ORG", "PER"]
    assert is_trained(loaded)


# Rehearsal

RAW = [text for text in TEXTS if text != "工作是好的"]
# No entity of an old label is in what is new.
ONLY_NEW = [(NEW_TEXT, NEW_ENTS), ("有大学的雨", [(1, 3, "ORG")])]


def rehearse(nlp, name, steps=40, label_first=True):
    if label_first:
        nlp.get_pipe(name).add_label("ORG")
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    nlp.get_pipe(name).add_label("ORG")
    new = make_examples(nlp, ONLY_NEW)
    raw = [Example.from_dict(nlp.make_doc(text), {}) for text in RAW]
    for _ in range(steps):
        nlp.update(new, sgd=optimizer)
        losses = nlp.rehearse(raw, sgd=optimizer)
    return losses


@kinds("bilstm", "cnn", "ner")
@pytest.mark.parametrize("label_first", first_is_quick([True, False]))
def test_rehearsal_keeps_what_was_known(label_first, nlp, name):
    losses = rehearse(nlp, name, label_first=label_first)
    assert name in losses
    assert found(nlp.pipe(text for text, _ in ONLY_NEW)) == [ents for _, ents in ONLY_NEW]
    assert found(nlp.pipe(RAW)) == [ents for ents in GOLD if ents]


@kinds("tok2vec", "transformer")
def test_what_listens_cannot_be_rehearsed(nlp, name):
    """As it is: nlp.rehearse runs nothing that could be listened to. A listening `ner` raises the
    same."""
    with pytest.raises(ValueError, match="E953|E203"):
        rehearse(nlp, name, steps=2)


def test_without_rehearsal_it_is_forgotten(nlp, name):
    """So that the test above shows something."""
    nlp.get_pipe(name).add_label("ORG")
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    update(nlp, make_examples(nlp, ONLY_NEW), optimizer, steps=40)
    assert found(nlp.pipe(RAW)) != [ents for ents in GOLD if ents]


def test_rehearsal_of_a_pipeline_that_was_not_resumed(nlp, name):
    """Nothing happens."""
    before = nlp.get_pipe(name).model.to_bytes()
    raw = [Example.from_dict(nlp.make_doc(text), {}) for text in RAW]
    assert not nlp.rehearse(raw).get(name)
    assert nlp.get_pipe(name).model.to_bytes() == before


# Errors


def break_on(nlp, name, character, monkeypatch):
    """Let the network raise if a document of the batch has the character."""
    model = nlp.get_pipe(name).model
    forward = model._func

    def broken(model, docs, is_train):
        if any(character in doc.text for doc in docs):
            raise RuntimeError("broken")
        return forward(model, docs, is_train)

    monkeypatch.setattr(model, "_func", broken)


# `ner` has no place for a handler: set_error_handler raises an AttributeError.
@kinds(*CRF_KINDS)
def test_an_error_handler_loses_one_document_of_a_batch(nlp, name, monkeypatch):
    break_on(nlp, name, "雨有", monkeypatch)
    lost = []
    nlp.set_error_handler(lambda name, proc, docs, error: lost.append((name, docs, error)))
    docs = list(nlp.pipe([*TEXTS, "雨有雨", *TEXTS], batch_size=11))
    assert found(docs) == GOLD * 2
    ((pipe, docs, error),) = lost
    assert (pipe, [doc.text for doc in docs], str(error)) == (name, ["雨有雨"], "broken")


@kinds(*CRF_KINDS)
def test_an_error_handler_of_a_single_document(nlp, name, monkeypatch):
    break_on(nlp, name, "雨有", monkeypatch)
    lost = []
    nlp.get_pipe(name).set_error_handler(lambda name, proc, docs, error: lost.extend(docs))
    nlp.get_pipe(name)(nlp.make_doc("雨有雨"))
    assert [doc.text for doc in lost] == ["雨有雨"]
    assert is_trained(nlp)


def test_without_an_error_handler_it_is_raised(nlp, name, monkeypatch):
    break_on(nlp, name, "雨有", monkeypatch)
    with pytest.raises(RuntimeError, match="broken"):
        list(nlp.pipe([*TEXTS, "雨有雨"]))


# `spacy train`


@Language.factory("conformance_spy")
class Spy:
    """A component that notes which entities documents have when it is updated."""

    seen: ClassVar[list] = []

    def __init__(self, nlp, name):
        pass

    def __call__(self, doc):
        return doc

    def update(self, examples, **settings):
        self.seen.extend(ents_of(eg.predicted) for eg in examples)


@pytest.fixture
def train(corpus, tmp_path):
    """Runs `spacy train` on a pipeline's config, with settings that are its own."""

    def run(nlp, components=(), **settings):
        config = nlp.config.copy()
        config["components"].update(components)
        config["paths"].update(train=str(corpus), dev=str(corpus))
        config["training"].update(max_steps=2, eval_frequency=1, **settings)
        config["training"]["logger"] = {
            "@loggers": "spacy.ConsoleLogger.v3",
            "console_output": False,
        }
        config.to_disk(tmp_path / "train.cfg")
        spacy.cli.train.train(tmp_path / "train.cfg", tmp_path / "out")
        return spacy.load(tmp_path / "out" / "model-last")

    return run


def test_trained_by_the_cli(make, name, train):
    nlp = train(make())
    assert sorted(nlp.pipe_labels[name]) == ["LOC", "PER"]
    assert nlp.meta["performance"]["ents_f"] >= 0
    assert f"{name}_loss" in nlp.meta["performance"]


def test_frozen_and_annotating(nlp, path, train):
    """It stays as it is, and what comes after it is updated with its entities."""
    Spy.seen.clear()
    pipes = list(nlp.pipe_names)
    nlp.add_pipe("conformance_spy")
    sources = {pipe: {"source": str(path)} for pipe in pipes}
    trained = train(nlp, sources, frozen_components=pipes, annotating_components=pipes)
    before = spacy.load(path)
    for pipe in pipes:
        model = trained.get_pipe(pipe).model
        assert model.to_bytes() == before.get_pipe(pipe).model.to_bytes()
    assert is_trained(trained)
    assert Spy.seen
    assert all(ents in GOLD for ents in Spy.seen)
    assert any(Spy.seen)


def test_before_update(make, train):
    steps = []

    @spacy.registry.callbacks("conformance_before_update.v1")
    def make_callback():
        def before_update(nlp, state):
            steps.append((nlp.pipe_names[-1], state["step"]))

        return before_update

    nlp = make()
    train(nlp, before_update={"@callbacks": "conformance_before_update.v1"})
    assert steps[:2] == [(nlp.pipe_names[-1], 0), (nlp.pipe_names[-1], 1)]


# Listeners


@kinds("transformer")
def test_an_encoder_is_not_copied_into_what_listens_to_it(nlp, kind):
    """It could then only be stored as a pickle. The pipeline stays as it was."""
    with pytest.raises(ValueError, match="Let them share the component 'transformer'"):
        nlp.replace_listeners(kind, "crf_ner", ["model.tok2vec"])
    assert is_trained(nlp)


@kinds("tok2vec")
def test_a_listener_is_replaced(nlp, kind, tmp_path):
    nlp.replace_listeners(kind, "crf_ner", ["model.tok2vec"])
    nlp.remove_pipe(kind)
    assert is_trained(nlp)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert is_trained(loaded)
    assert found(loaded.pipe(["王大在北"])) == found(nlp.pipe(["王大在北"]))
