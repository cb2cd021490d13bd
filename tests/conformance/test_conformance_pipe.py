"""What spaCy documents of pipes in a pipeline: `crf_ner` does it as `ner` does."""

import pickle

import spacy
from conformance_pipelines import (
    CRF_KINDS,
    GOLD,
    TEXTS,
    TRAIN,
    fit,
    found,
    is_trained,
    kinds,
    learn_rate,
    update,
)
from spacy import displacy
from spacy.tokens import Doc, Span
from spacy.util import load_model_from_config
from thinc.api import Adam, Config
from util import ents_of, make_examples

TEXT, ENTS = TRAIN[0]


# Components of a pipeline


def source_all(target, source, **names):
    """Copy all components into another pipeline, some of them under other names."""
    for pipe in source.pipe_names:
        target.add_pipe(pipe, name=names.get(pipe, pipe), source=source)
    return target


def test_sourced_into_another_pipeline(nlp, tmp_path):
    target = source_all(spacy.blank("zh"), nlp)
    assert is_trained(target)
    target.to_disk(tmp_path)
    assert is_trained(spacy.load(tmp_path))


def test_sourced_under_another_name(nlp, name, tmp_path):
    target = source_all(spacy.blank("zh"), nlp, **{name: "mine"})
    assert target.pipe_names[-1] == "mine"
    assert target.pipe_labels["mine"] == ["LOC", "PER"]
    assert is_trained(target)
    target.to_disk(tmp_path)
    assert is_trained(spacy.load(tmp_path))


def test_sourced_by_a_config(nlp, path):
    config = Config({"nlp": {"lang": "zh", "pipeline": list(nlp.pipe_names)}})
    config["components"] = {pipe: {"source": str(path)} for pipe in nlp.pipe_names}
    assert is_trained(load_model_from_config(config, auto_fill=True))


def test_renamed(nlp, name, tmp_path):
    nlp.rename_pipe(name, "names")
    assert nlp.pipe_names[-1] == "names"
    assert is_trained(nlp)
    nlp.to_disk(tmp_path)
    assert is_trained(spacy.load(tmp_path))


def test_two_under_other_names(make, name):
    """Each learns, and the second one adds to what the first one found."""
    nlp = make()
    nlp.rename_pipe(name, "first")
    nlp.add_pipe(name, name="second", config={"model": nlp.get_pipe_config("first")["model"]})
    examples = make_examples(nlp, TRAIN)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = learn_rate(nlp)
    losses = update(nlp, examples, optimizer)
    assert {"first", "second"} <= set(losses)
    for other in ("first", "second"):
        with nlp.select_pipes(disable=[other]):
            assert is_trained(nlp)
    assert is_trained(nlp)


def test_removed_and_added_again(nlp, name, path):
    nlp.remove_pipe(name)
    assert not nlp(TEXT).ents
    nlp.add_pipe(name, source=spacy.load(path), last=True)
    assert is_trained(nlp)


def test_select_pipes(nlp, name):
    with nlp.select_pipes(disable=[name]):
        assert not nlp(TEXT).has_annotation("ENT_IOB")
    with nlp.select_pipes(enable=nlp.pipe_names):
        assert is_trained(nlp)
    assert is_trained(nlp)


def test_disabled_when_loaded(path, name):
    nlp = spacy.load(path, disable=[name])
    assert name in nlp.disabled
    assert not nlp(TEXT).ents
    nlp.enable_pipe(name)
    assert is_trained(nlp)


def test_excluded_when_loaded(path, name):
    nlp = spacy.load(path, exclude=[name])
    assert name not in nlp.component_names
    assert not nlp(TEXT).ents


def test_the_analysis_of_pipes(nlp, name):
    analysis = nlp.analyze_pipes()
    assert not any(analysis["problems"].values())
    summary = analysis["summary"][name]
    assert {"doc.ents", "token.ent_iob", "token.ent_type"} <= set(summary["assigns"])
    assert {"ents_f", "ents_p", "ents_r", "ents_per_type"} <= set(summary["scores"])
    assert not summary["retokenizes"]


def test_labels(nlp, name):
    assert sorted(nlp.get_pipe(name).labels) == ["LOC", "PER"]
    assert sorted(nlp.pipe_labels[name]) == ["LOC", "PER"]
    assert sorted(nlp.meta["labels"][name]) == ["LOC", "PER"]


def test_scores(nlp, name):
    examples = make_examples(nlp, TRAIN)
    scores = nlp.evaluate(examples)
    assert scores["ents_p"] == scores["ents_r"] == scores["ents_f"] == 1.0
    assert scores["ents_per_type"]["PER"] == {"p": 1.0, "r": 1.0, "f": 1.0}
    assert nlp.evaluate(examples, per_component=True)[name]["ents_f"] == 1.0


# Storing


def test_disk(nlp, make, tmp_path):
    nlp.to_disk(tmp_path)
    assert is_trained(make().from_disk(tmp_path))


def test_bytes(nlp, make):
    assert is_trained(make().from_bytes(nlp.to_bytes()))


def test_bytes_without_the_vocab(nlp, make):
    assert is_trained(make().from_bytes(nlp.to_bytes(exclude=["vocab"]), exclude=["vocab"]))


def test_disk_without_the_vocab(nlp, make, tmp_path):
    nlp.to_disk(tmp_path, exclude=["vocab"])
    assert not (tmp_path / "vocab").exists()
    assert is_trained(make().from_disk(tmp_path, exclude=["vocab"]))


def test_a_component_alone_is_stored(nlp, make, tmp_path):
    other = make()
    for pipe in nlp.pipe_names:
        nlp.get_pipe(pipe).to_disk(tmp_path / pipe, exclude=["vocab"])
        other.get_pipe(pipe).from_disk(tmp_path / pipe, exclude=["vocab"])
    assert is_trained(other)


def test_the_bytes_of_a_component_leave_out_what_they_are_to(nlp, name):
    pipe = nlp.get_pipe(name)
    with_vocab = pipe.to_bytes()
    without = pipe.to_bytes(exclude=["vocab"])
    assert len(pipe.to_bytes(exclude=["vocab", "model"])) < len(without) < len(with_vocab)


def test_pickled(nlp):
    assert is_trained(pickle.loads(pickle.dumps(nlp)))


def test_the_config_makes_the_same_pipeline(nlp):
    other = load_model_from_config(Config().from_str(nlp.config.to_str()))
    assert other.config.interpolate() == nlp.config.interpolate()
    assert is_trained(other.from_bytes(nlp.to_bytes()))


def test_settings_are_changed_when_loaded(path, kind, name, nlp):
    setting = {"update_with_oracle_cut_size": 50} if kind == "ner" else {"threshold": 0.5}
    other = spacy.load(path, config={"components": {name: setting}})
    assert setting.items() <= other.get_pipe_config(name).items()
    assert not setting.items() <= nlp.get_pipe_config(name).items()
    assert is_trained(other)


# Texts and documents


def test_texts_of_a_stream_keep_their_context(nlp):
    pairs = list(nlp.pipe(zip(TEXTS, range(5)), as_tuples=True))
    assert [i for _, i in pairs] == [0, 1, 2, 3, 4]
    assert [ents_of(doc) for doc, _ in pairs] == GOLD


def test_two_processes(nlp):
    docs = list(nlp.pipe(TEXTS * 2, n_process=2, batch_size=3))
    assert [ents_of(doc) for doc in docs] == GOLD * 2


def test_any_size_of_batch(nlp):
    for size in (1, 2, 100):
        assert [ents_of(doc) for doc in nlp.pipe(TEXTS, batch_size=size)] == GOLD


def test_documents_instead_of_texts(nlp):
    docs = [nlp.make_doc(text) for text in TEXTS]
    assert [ents_of(doc) for doc in nlp.pipe(docs)] == GOLD
    assert ents_of(nlp(nlp.make_doc(TEXT))) == ENTS


@kinds(*CRF_KINDS)  # `ner` raises E084: it leaves the labels' strings to its own vocab.
def test_documents_of_another_vocab(nlp):
    other = spacy.blank("zh")
    assert [ents_of(nlp(other.make_doc(text))) for text in TEXTS] == GOLD


def test_memory_zone(nlp):
    """What is read inside is forgotten, and what comes later is not disturbed."""
    for _ in range(2):
        with nlp.memory_zone():
            docs = list(nlp.pipe([*TEXTS, "王龘在北京工作"]))
            assert [ents_of(doc) for doc in docs[:5]] == GOLD
            assert "龘" in nlp.vocab.strings
            del docs
        assert "龘" not in nlp.vocab.strings
    assert is_trained(nlp)


def test_empty_documents(nlp):
    assert nlp("").ents == ()
    docs = list(nlp.pipe(["", TEXT, "", " ", "\n"]))
    assert [ents_of(doc) for doc in docs] == [[], ENTS, [], [], []]
    assert [len(doc) for doc in nlp.pipe(["", ""])] == [0, 0]
    assert list(nlp.pipe([])) == []


def test_entities_that_are_there_stay(nlp):
    doc = nlp.make_doc(TEXT)
    doc.set_ents([Span(doc, 5, 7, "EVENT", span_id="work")])
    doc = nlp(doc)
    assert ents_of(doc) == [*ENTS, (5, 7, "EVENT")]
    assert doc.ents[-1].id_ == "work"


def test_blocked_tokens_stay_free(nlp):
    doc = nlp.make_doc(TEXT)
    doc.set_ents([], blocked=[doc[0:2]], default="missing")
    assert ents_of(nlp(doc)) == ENTS[1:]


def add_ruler(nlp, **settings) -> None:
    overwrite = settings.pop("overwrite_ents", False)
    ruler = nlp.add_pipe("entity_ruler", config={"overwrite_ents": overwrite}, **settings)
    for label, pattern in (("EVENT", "工作"), ("CITY", "北京")):
        ruler.add_patterns([{"label": label, "pattern": pattern}])


def test_an_entity_ruler_before_it(nlp, name):
    add_ruler(nlp, before=name)
    assert ents_of(nlp(TEXT)) == [(0, 2, "PER"), (3, 5, "CITY"), (5, 7, "EVENT")]


def test_an_entity_ruler_after_it(nlp, name):
    add_ruler(nlp, after=name)
    assert ents_of(nlp(TEXT)) == [*ENTS, (5, 7, "EVENT")]


def test_an_entity_ruler_after_it_that_overwrites(nlp, name):
    add_ruler(nlp, after=name, overwrite_ents=True)
    assert ents_of(nlp(TEXT)) == [(0, 2, "PER"), (3, 5, "CITY"), (5, 7, "EVENT")]


def test_entities_are_merged_by_the_next_component(nlp):
    nlp.add_pipe("merge_entities")
    assert [token.text for token in nlp(TEXT)] == ["王明", "在", "北京", "工", "作"]


def test_annotations_are_complete(nlp):
    doc = nlp(TEXT)
    assert doc.has_annotation("ENT_IOB", require_complete=True)
    assert [token.ent_iob_ for token in doc] == list("BIOBIOO")
    assert [token.ent_type_ for token in doc][:4] == ["PER", "PER", "", "LOC"]


def test_documents_are_pickled(nlp):
    assert found(pickle.loads(pickle.dumps(list(nlp.pipe(TEXTS))))) == GOLD


def test_documents_as_bytes_of_another_vocab(nlp):
    data = nlp(TEXT).to_bytes()
    assert ents_of(Doc(spacy.blank("zh").vocab).from_bytes(data)) == ENTS


def test_displacy(nlp):
    doc = nlp(TEXT)
    html = displacy.render(doc, style="ent")
    assert html.count("<mark") == len(ENTS)
    parsed = displacy.parse_ents(doc)["ents"]
    assert [(ent["start"], ent["end"], ent["label"]) for ent in parsed] == ENTS
    only = displacy.render(doc, style="ent", options={"ents": ["PER"]})
    assert only.count("<mark") == 1


# Weights


def test_weights_are_replaced_and_taken_back(nlp, name):
    model = nlp.get_pipe(name).model
    zeros = {
        (node.id, param): node.get_param(param) * 0
        for node in model.walk()
        for param in node.param_names
        if node.has_param(param)
    }
    with nlp.use_params(zeros):
        assert not is_trained(nlp)
    assert is_trained(nlp)


def test_averaged_weights(nlp, name):
    optimizer = nlp.resume_training(sgd=Adam(0.001, use_averages=True))
    examples = make_examples(nlp, [("好大是大学", [(0, 2, "LOC")])])
    update(nlp, examples, optimizer, steps=5)
    learnt = nlp.get_pipe(name).model.to_bytes()
    with nlp.use_params(optimizer.averages):
        assert nlp.get_pipe(name).model.to_bytes() != learnt
        assert is_trained(nlp)
    assert nlp.get_pipe(name).model.to_bytes() == learnt


def test_trained_pipelines_are_the_same_each_time(make):
    first, second = (fit(make(), steps=5) for _ in range(2))
    texts = [*TEXTS, "上海工作大"]
    assert found(first.pipe(texts)) == found(second.pipe(texts))
    assert first.to_bytes() == second.to_bytes()
