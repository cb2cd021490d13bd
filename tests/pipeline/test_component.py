"""The pipe `crf_ner` as users of spaCy meet it."""

import logging
import pickle
from importlib.metadata import version

import numpy as np
import pytest
import spacy
from numpy.testing import assert_allclose
from packaging.requirements import Requirement
from spacy import displacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import raise_error
from thinc.api import fix_random_seed
from util import (
    TEXTS,
    TRAIN,
    ents_of,
    fit,
    make_examples,
    make_nlp,
    make_trained,
    numeric_gradient,
    small,
)

from spacy_crf_ner.pipeline.component import crf_pipes
from spacy_crf_ner.pipeline.decoding import Entity
from spacy_crf_ner.pipeline.gold import biluo_tags, gold_tags
from spacy_crf_ner.pipeline.partial import keep_annotated_labels
from spacy_crf_ner.tags import MISSING, SCHEMES


@pytest.fixture(scope="module")
def trained():
    return make_trained()


def assert_as_trained(nlp):
    assert [ents_of(doc) for doc in nlp.pipe(TEXTS)] == [ents for _, ents in TRAIN]


# Training


def test_packages_of_the_pipeline_require_this_one(tmp_path):
    nlp = spacy.blank("zh")
    nlp.meta["requirements"] = ["jieba>=0.42"]
    nlp.add_pipe("crf_ner")
    nlp.add_pipe("crf_ner", name="other")
    nlp.to_disk(tmp_path)
    listed = spacy.util.load_meta(tmp_path / "meta.json")["requirements"]
    assert listed[0] == "jieba>=0.42"
    (own,) = map(Requirement, listed[1:])
    assert own.name == "spacy-crf-ner"
    assert own.specifier.contains(version("spacy-crf-ner"), prereleases=True)


def test_uninitialized_raises_e109():
    nlp = make_nlp()
    with pytest.raises(ValueError, match="E109"):
        nlp("北京")
    with pytest.raises(ValueError, match="E109"):
        list(nlp.pipe(["北京"]))


@pytest.mark.parametrize("tag_scheme", SCHEMES)
@pytest.mark.parametrize("tok2vec", [False, True])
def test_overfits(tag_scheme, tok2vec):
    nlp, losses = fit(make_nlp(tok2vec=tok2vec, tag_scheme=tag_scheme))
    assert losses[-1] < 0.1 < losses[0]
    assert_as_trained(nlp)
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["ents_f"] == scores["ents_macro_f"] == 1.0


@pytest.mark.slow
def test_default_model_overfits():
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    nlp.add_pipe("crf_ner")
    assert_as_trained(fit(nlp)[0])


def test_other_languages():
    train = [("Ann Lee lives in New York .", [(0, 7, "PER"), (17, 25, "LOC")])]
    nlp, _ = fit(make_nlp("en"), train=train)
    assert ents_of(nlp(train[0][0])) == train[0][1]


def test_frozen_tok2vec_stays_as_it_is():
    nlp = make_nlp(tok2vec=True)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    tok2vec = nlp.get_pipe("tok2vec").model
    before = tok2vec.to_bytes()
    nlp.update(examples, sgd=optimizer, exclude=["tok2vec"], annotates=["tok2vec"])
    assert tok2vec.to_bytes() == before
    for _ in range(2):  # spaCy applies the gradients of a shared tok2vec at the next update
        nlp.update(examples, sgd=optimizer)
    assert tok2vec.to_bytes() != before


def test_labels_come_from_the_examples_or_are_given():
    nlp = make_nlp()
    nlp.initialize(lambda: make_examples(nlp))
    pipe = nlp.get_pipe("crf_ner")
    assert pipe.labels == ("LOC", "PER")
    assert pipe.label_data == ["LOC", "PER"]
    nlp = make_nlp()
    nlp.config["initialize"]["components"]["crf_ner"] = {"labels": ["PER", "X-Y", "LOC"]}
    nlp.initialize(lambda: make_examples(nlp))
    assert nlp.get_pipe("crf_ner").labels == ("PER", "X-Y", "LOC")


def test_no_labels_raise_e143():
    nlp = make_nlp()
    with pytest.raises(ValueError, match="E143"):
        nlp.initialize(lambda: make_examples(nlp, [("今天下雨", [])]))


def test_a_corpus_without_documents_is_named():
    nlp = make_nlp()
    nlp.config["initialize"]["components"]["crf_ner"] = {"labels": ["PER"]}
    with pytest.raises(ValueError, match="train corpus is not empty"):
        # Not a list: spaCy itself refuses an empty one.
        nlp.initialize(lambda: iter([]))


def test_a_new_label_is_learnt_by_a_trained_model():
    nlp = make_trained()
    pipe = nlp.get_pipe("crf_ner")
    assert pipe.add_label("ORG") == 1
    assert pipe.add_label("ORG") == 0
    assert_as_trained(nlp)
    train = [*TRAIN, ("谷歌在北京", [(0, 2, "ORG"), (3, 5, "LOC")])]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(30):
        nlp.update(make_examples(nlp, train), sgd=optimizer)
    assert ents_of(nlp("谷歌在北京")) == train[-1][1]
    assert_as_trained(nlp)


def test_a_label_must_be_a_string():
    with pytest.raises(ValueError, match="E187"):
        make_nlp().get_pipe("crf_ner").add_label(3)


def test_a_gold_label_that_is_not_known_is_named(trained):
    examples = make_examples(trained, [("谷歌在北京", [(0, 2, "ORG")])])
    with pytest.raises(ValueError, match="'B-ORG'.*LOC, PER.*add_label"):
        trained.update(examples)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"tag_scheme": "BMES"}, r"tag_scheme.*'BMES' is not .*\['BIO', 'BIOES'\]"),
        ({"overwrite_ents": "perhaps"}, "overwrite_ents"),
        ({"decoding": "greedy"}, r"decoding.*'viterbi'"),
        ({"threshold": 1.5}, "threshold is a probability.*1.5"),
    ],
)
def test_impossible_settings_say_which(config, message):
    with pytest.raises(ValueError, match=message):
        spacy.blank("zh").add_pipe("crf_ner", config=config)


# Gold


def test_fast_gold_is_the_aligned_gold():
    nlp = spacy.blank("zh")
    words = list("王明 去 北京大学")
    cases = [
        Doc(
            nlp.vocab, words=words, ents=["B-PER", "I-PER", *"OOO", "B-LOC", "I-LOC", "I-LOC", "O"]
        ),
        Doc(nlp.vocab, words=words, ents=["", "", "O", *[""] * 6]),
        Doc(nlp.vocab, words=words),
        Doc(nlp.vocab, words=words, ents=["O"] * 9),
        Doc(nlp.vocab, words=words, ents=["B-A", "B-A", "O", "B-B", *[""] * 5]),
        Doc(nlp.vocab),
    ]
    cases[3].set_ents([], blocked=[cases[3][1:3]])
    for doc in cases:
        predicted = Doc(nlp.vocab, words=[token.text for token in doc])
        eg = Example(predicted, doc)
        assert biluo_tags(eg) == eg.get_aligned_ner()


def test_gold_of_other_tokens_is_aligned():
    nlp = make_nlp()
    nlp.get_pipe("crf_ner").add_label("PER")
    reference = Doc(
        nlp.vocab, words=["王明", "在", "家"], spaces=[False] * 3, ents=["B-PER", "O", "O"]
    )
    tag_set = nlp.get_pipe("crf_ner").tag_set
    tags = gold_tags(Example(nlp.make_doc("王明在家"), reference), tag_set)
    assert [tag_set.tags[tag] for tag in tags] == ["B-PER", "E-PER", "O", "O"]


def test_misaligned_entities_are_missing_and_counted(caplog):
    nlp = make_nlp("en")
    doc = nlp.make_doc("Ann lives in NewYork now")
    reference = Doc(
        nlp.vocab,
        words=["Ann", "lives", "in", "New", "York", "now"],
        spaces=[True, True, True, False, True, False],
        ents=["B-PER", "O", "O", "O", "B-LOC", "O"],
    )
    with caplog.at_level(logging.WARNING, logger="spacy"):
        logging.getLogger("spacy").propagate = True
        nlp.initialize(lambda: [Example(doc, reference)])
    assert "1 of 2 gold entities do not begin and end where tokens do" in caplog.text
    assert "'York' (LOC)" in caplog.text
    tags = gold_tags(Example(doc, reference), nlp.get_pipe("crf_ner").tag_set)
    assert (tags == MISSING).tolist() == [False, False, False, True, False]


def test_missing_annotation_is_marginalized():
    """The loss of a partial tag sequence is that of all full tag sequences that agree with it."""
    nlp = make_trained(steps=3)
    pipe = nlp.get_pipe("crf_ner")
    text = "王明"

    def loss(ents):
        reference = Doc(nlp.vocab, words=list(text), spaces=[False] * 2, ents=ents)
        eg = Example(nlp.make_doc(text), reference)
        return pipe.get_loss([eg], pipe.model.predict([eg.predicted]))[0]

    # The second token is O; the first is unknown: O, or an entity of one token.
    full = [loss(ents) for ents in (["O", "O"], ["B-PER", "O"], ["B-LOC", "O"])]
    assert loss(["", "O"]) == pytest.approx(-np.log(np.exp(-np.array(full)).sum()), abs=1e-5)
    assert loss(["", ""]) == pytest.approx(0, abs=1e-5)


def test_spans_known_to_be_no_entities_are_unlearnt():
    """As for spaCy's `ner`: everything else of the annotation is missing."""
    nlp, _ = fit(make_nlp(incorrect_spans_key="incorrect"))
    assert ents_of(nlp(TEXTS[0])) == TRAIN[0][1]
    reference = nlp.make_doc(TEXTS[0])
    reference.spans["incorrect"] = [Span(reference, 0, 2, "PER"), Span(reference, 3, 5)]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(20):
        nlp.update([Example(nlp.make_doc(TEXTS[0]), reference)], sgd=optimizer)
    found = ents_of(nlp(TEXTS[0]))
    assert (0, 2, "PER") not in found
    assert (3, 5, "LOC") not in found
    assert (3, 5, "PER") not in found


def test_gradient_of_the_loss():
    nlp = make_trained(steps=2)
    pipe = nlp.get_pipe("crf_ner")
    reference = Doc(
        nlp.vocab, words=list("王明在"), spaces=[False] * 3, ents=["B-PER", "I-PER", ""]
    )
    examples = [*make_examples(nlp)[:2], Example(nlp.make_doc("王明在"), reference)]
    scores = pipe.model.predict([eg.predicted for eg in examples])
    _, gradient = pipe.get_loss(examples, scores)
    for part in (0, 2, 3, 4):
        numeric = numeric_gradient(pipe, examples, scores, part)
        assert_allclose(gradient[part], numeric, atol=2e-3)


# Prediction


def test_the_same_alone_and_in_any_batch(trained):
    pipe = trained.get_pipe("crf_ner")
    texts = ["", "王", *TEXTS, "韩梅梅" * 40]
    docs = [trained.make_doc(text) for text in texts]
    together = pipe.predict(docs)
    scores = pipe.model.predict(docs)
    starts = np.cumsum([0, *scores.lengths])
    for i, doc in enumerate(docs):
        assert pipe.predict([doc])[0] == together[i]
        if len(doc):
            alone = pipe.model.predict([doc]).emissions
            assert_allclose(scores.emissions[starts[i] : starts[i + 1]], alone, atol=1e-5)


def test_documents_of_0_1_and_100000_tokens(trained):
    docs = list(trained.pipe(["", "京", TEXTS[0] * 14_286]))
    assert [len(doc) for doc in docs] == [0, 1, 100_002]
    assert ents_of(docs[0]) == []
    assert len(docs[2].ents) > 10_000
    assert not list(trained.pipe([]))
    assert [len(doc) for doc in trained.pipe(["", ""])] == [0, 0]


def test_white_space_opens_and_closes_no_entity(trained):
    for text in ("王明 在 北京 工作", " \n王明\n\n在北京   ", "   ", "\n"):
        doc = trained(text)
        for ent in doc.ents:
            assert not ent[0].is_space
            assert not ent[-1].is_space


def test_white_space_is_barred_by_construction():
    """Even a model that would always open an entity there cannot."""
    nlp = make_trained(steps=1)
    pipe = nlp.get_pipe("crf_ner")
    pipe.model.get_ref("output_layer").get_param("b")[:] = [
        {"S": 100.0, "B": 50.0, "E": 50.0}.get(tag[0], 0.0) for tag in pipe.tag_set.tags
    ]
    doc = nlp("王\n明")
    assert [ent.text for ent in doc.ents] == ["王", "明"]


def test_random_scores_always_give_legal_entities():
    for scheme in SCHEMES:
        nlp = make_trained(tag_scheme=scheme, steps=1)
        random = np.random.RandomState(0)
        output_layer = nlp.get_pipe("crf_ner").model.get_ref("output_layer")
        W = random.normal(scale=5, size=output_layer.get_param("W").shape)
        output_layer.set_param("W", W.astype("f"))
        for doc in nlp.pipe([" ".join(TEXTS), *TEXTS]):
            assert all(token.ent_iob in (1, 2, 3) for token in doc)
            assert doc.ents  # setting them raises if they overlap


def test_annotations_from_hand_made_entities():
    nlp = make_nlp()
    doc = nlp.make_doc("王明在家")
    nlp.get_pipe("crf_ner").set_annotations([doc], [[Entity(0, 2, "PER"), Entity(3, 4, "LOC")]])
    assert ents_of(doc) == [(0, 2, "PER"), (3, 4, "LOC")]
    assert doc.ents[0]._.confidence is None
    assert not doc.spans


def test_the_temperature_is_a_positive_number():
    nlp = make_trained(steps=4, spans_key="crf")
    pipe = nlp.get_pipe("crf_ner")
    assert pipe.temperature == 1.0
    (before,) = pipe.predict([nlp.make_doc("王明在京")])
    pipe.temperature = 4.0
    (after,) = pipe.predict([nlp.make_doc("王明在京")])
    assert [ent[:3] for ent in after] == [ent[:3] for ent in before]
    assert all(x.confidence < y.confidence for x, y in zip(after, before, strict=True))
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="temperature must be"):
            pipe.temperature = bad
    assert make_nlp().get_pipe("crf_ner").from_bytes(pipe.to_bytes()).temperature == 4.0


def test_the_crf_pipes_of_a_pipeline():
    nlp = make_nlp()
    nlp.add_pipe("sentencizer")
    second = nlp.add_pipe("crf_ner", name="other", config=small())
    assert crf_pipes(nlp) == {"crf_ner": nlp.get_pipe("crf_ner"), "other": second}
    with nlp.select_pipes(disable="crf_ner"):
        assert list(crf_pipes(nlp)) == ["other"]
    assert crf_pipes(spacy.blank("zh")) == {}


def test_adversarial_epsilon_is_not_negative():
    with pytest.raises(ValueError, match="adversarial_epsilon must not be negative"):
        make_nlp(adversarial_epsilon=-0.1)


def test_decoding_of_entities_is_by_their_probabilities():
    settings = {"decoding": "entities", "threshold": 0.3, "spans_key": "crf"}
    nlp = make_trained(steps=4, **settings)
    pipe = nlp.get_pipe("crf_ner")
    doc = nlp("王明在京")
    (probable,) = pipe.probable_spans([doc], 0.3)
    assert probable
    expected = [(ent.start, ent.end, ent.label) for ent in probable]
    assert ents_of(doc) == expected  # none of them overlap in this text
    confidences = [ent.confidence for ent in probable]
    assert list(doc.spans["crf"].attrs["scores"]) == pytest.approx(confidences)
    assert [ent._.confidence for ent in doc.ents] == pytest.approx(confidences)
    assert_as_trained(make_trained(**settings))


def test_decoding_of_entities_keeps_those_that_are_there():
    nlp = make_trained(decoding="entities", threshold=0.01)
    doc = nlp.make_doc("王明在北京")
    doc.set_ents([Span(doc, 1, 3, label="PER")])
    nlp.get_pipe("crf_ner")(doc)
    assert (1, 3, "PER") in ents_of(doc)
    assert len(doc.ents) > 1


# Confidence


def test_confidences_are_the_probabilities_of_the_entities():
    """Against the sum over all tag sequences of a short text that have just this entity."""
    for scheme in SCHEMES:
        nlp = make_trained(tag_scheme=scheme, spans_key="crf", steps=4)
        pipe = nlp.get_pipe("crf_ner")
        doc = nlp.make_doc("王明在京")
        everything = pipe.alternatives(doc, 1000)
        assert sum(probability for probability, _ in everything) == pytest.approx(1)
        (entities,) = pipe.predict([doc])
        best = [ent._replace(confidence=None) for ent in entities]
        assert everything[0][1] == best
        assert entities
        for entity, confidence in zip(best, [ent.confidence for ent in entities]):
            expected = sum(p for p, others in everything if entity in others)
            assert confidence == pytest.approx(expected, abs=1e-6)


def test_confidences_are_written_where_spacy_users_look():
    nlp = make_trained(spans_key="crf")
    doc = nlp(TEXTS[0])
    assert [ent._.confidence for ent in doc.ents] == pytest.approx([1, 1], abs=0.1)
    scores = doc.spans["crf"].attrs["scores"]
    assert scores.tolist() == pytest.approx([ent._.confidence for ent in doc.ents])
    copy = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert copy.spans["crf"].attrs["scores"].tolist() == scores.tolist()
    assert [ent._.confidence for ent in copy.ents] == [ent._.confidence for ent in doc.ents]
    (copy,) = DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(nlp.vocab)
    assert copy.spans["crf"].attrs["scores"].tolist() == scores.tolist()
    assert not nlp("").spans["crf"]


def test_settings_can_be_changed_when_a_pipeline_is_loaded(trained, tmp_path):
    trained.to_disk(tmp_path)
    settings = {"components": {"crf_ner": {"spans_key": "sure", "threshold": 0.5}}}
    nlp = spacy.load(tmp_path, config=settings)
    assert len(nlp(TEXTS[0]).spans["sure"]) == 2
    assert nlp.get_pipe("crf_ner").threshold == 0.5


def test_entities_below_the_threshold_are_left_out():
    nlp = make_trained(spans_key="crf", steps=3)
    doc = nlp("王明去北京上海广州韩梅梅李雷")
    confidences = [ent._.confidence for ent in doc.ents]
    assert len(confidences) > 1
    middle = sorted(confidences)[len(confidences) // 2]
    nlp.get_pipe("crf_ner").threshold = middle
    found = [ent._.confidence for ent in nlp(doc.text).ents]
    assert found == [c for c in confidences if c >= middle]
    assert len(nlp(doc.text).spans["crf"]) == len(confidences)


def test_alternatives(trained):
    pipe = trained.get_pipe("crf_ner")
    found = pipe.alternatives(trained.make_doc(TEXTS[0]), 3)
    assert len(found) == 3
    probabilities = [probability for probability, _ in found]
    assert probabilities == sorted(probabilities, reverse=True)
    assert [(e.start, e.end, e.label) for e in found[0][1]] == TRAIN[0][1]
    assert pipe.alternatives(trained.make_doc(""), 3) == [(1.0, [])]
    # One token: O, or an entity of either label.
    assert len(pipe.alternatives(trained.make_doc("王"), 9)) == 3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_entities_that_are_there_are_kept(scheme):
    nlp = make_trained(tag_scheme=scheme)
    ruler = nlp.add_pipe("entity_ruler", before="crf_ner")
    # A label of the model, one it does not know, and one that cuts through what it would find.
    ruler.add_patterns(
        [
            {"label": "LOC", "pattern": "工", "id": "work"},
            {"label": "EVENT", "pattern": "工作", "id": "work"},
            {"label": "LOC", "pattern": "京工", "id": "cut"},
        ]
    )
    assert ents_of(nlp("李雷去上海")) == TRAIN[1][1]
    doc = nlp("王明在北京工")
    assert (4, 6, "LOC") in ents_of(doc)
    assert (0, 2, "PER") in ents_of(doc)
    assert [ent.ent_id_ for ent in doc.ents if ent.label_ == "LOC"][-1] == "cut"
    doc = nlp("工作在北京")
    assert ents_of(doc) == [(0, 2, "EVENT"), (3, 5, "LOC")]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_kept_entity_is_not_gone_on_with(scheme):
    nlp = make_trained(tag_scheme=scheme)
    doc = nlp.make_doc("韩梅梅住在广州")
    doc.set_ents([Span(doc, 0, 1, "PER")], default="missing")
    assert (0, 1, "PER") in ents_of(nlp.get_pipe("crf_ner")(doc))
    assert (5, 7, "LOC") in ents_of(doc)


def test_entities_that_are_there_are_overwritten():
    nlp = make_trained(overwrite_ents=True)
    doc = nlp.make_doc(TEXTS[0])
    doc.set_ents([Span(doc, 1, 6, "EVENT")])
    assert ents_of(nlp.get_pipe("crf_ner")(doc)) == TRAIN[0][1]


def test_blocked_tokens_stay_free(trained):
    doc = trained.make_doc(TEXTS[0])
    doc.set_ents([], blocked=[doc[0:2]], default="missing")
    doc = trained.get_pipe("crf_ner")(doc)
    assert ents_of(doc) == TRAIN[0][1][1:]
    assert [token.ent_iob_ for token in doc[:2]] == ["B", "B"]
    assert [token.ent_type for token in doc[:2]] == [0, 0]


# With the rest of spaCy


def test_disk_and_bytes(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    assert_as_trained(spacy.load(tmp_path / "model"))
    assert sorted(p.name for p in (tmp_path / "model" / "crf_ner").iterdir()) == [
        "cfg",
        "model.safetensors",
    ]
    nlp = make_nlp()
    nlp.from_bytes(trained.to_bytes())
    assert_as_trained(nlp)
    assert nlp.get_pipe("crf_ner").labels == trained.get_pipe("crf_ner").labels


def test_two_processes(trained):
    docs = list(trained.pipe(TEXTS * 5, n_process=2, batch_size=4))
    assert [ents_of(doc) for doc in docs] == [ents for _, ents in TRAIN] * 5


def test_select_pipes(trained):
    with trained.select_pipes(disable=["crf_ner"]):
        assert not trained(TEXTS[0]).has_annotation("ENT_IOB")
    assert ents_of(trained(TEXTS[0])) == TRAIN[0][1]


def test_sourced_into_another_pipeline():
    source = make_trained(tok2vec=True)
    nlp = spacy.blank("zh")
    nlp.add_pipe("tok2vec", source=source)
    nlp.add_pipe("crf_ner", name="mine", source=source)
    assert_as_trained(nlp)


def test_listeners_can_be_replaced(tmp_path):
    nlp = make_trained(tok2vec=True)
    nlp.replace_listeners("tok2vec", "crf_ner", ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    assert_as_trained(nlp)
    nlp.to_disk(tmp_path)
    assert_as_trained(spacy.load(tmp_path))


def test_beside_spacys_ner():
    nlp = make_nlp()
    nlp.add_pipe("ner", before="crf_ner")
    nlp.add_pipe("sentencizer", first=True)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    losses = nlp.update(examples)
    assert set(losses) == {"ner", "crf_ner"}
    assert len(list(nlp.pipe(TEXTS))) == len(TEXTS)


def test_docs_and_docbins_keep_the_entities(trained):
    doc = trained(TEXTS[0])
    assert ents_of(Doc(trained.vocab).from_bytes(doc.to_bytes())) == TRAIN[0][1]
    (copy,) = DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(trained.vocab)
    assert ents_of(copy) == TRAIN[0][1]


def test_displacy(trained):
    html = displacy.render(trained(TEXTS[0]), style="ent")
    assert "北京" in html
    assert "LOC" in html


def test_analysis_knows_what_is_assigned(trained):
    assert "doc.ents" in trained.get_pipe_meta("crf_ner").assigns
    assert trained.meta["labels"]["crf_ner"] == ["LOC", "PER"]


def test_averaged_weights_are_used_and_taken_back(trained):
    pipe = trained.get_pipe("crf_ner")
    crf = pipe.model.get_ref("crf")
    zeros = np.zeros_like(crf.get_param("transitions"))
    before = crf.get_param("transitions").copy()
    with pipe.model.use_params({(crf.id, "transitions"): zeros}):
        assert not crf.get_param("transitions").any()
    assert_allclose(crf.get_param("transitions"), before)


# What goes wrong


def test_one_bad_document_costs_no_other(trained, monkeypatch):
    pipe = trained.get_pipe("crf_ner")
    predict, sizes, failed = pipe.predict, [], []

    def refuse(docs):
        sizes.append(len(docs))
        if any(doc.text == "坏" for doc in docs):
            raise OSError("bad")
        return predict(docs)

    monkeypatch.setattr(pipe, "predict", refuse)
    texts = [*TEXTS, "坏", *TEXTS]
    with pytest.raises(OSError, match="bad"):
        list(trained.pipe(texts))
    sizes.clear()
    trained.set_error_handler(lambda name, proc, docs, error: failed.append((docs, error)))
    try:
        docs = list(trained.pipe(texts, batch_size=11))
    finally:
        trained.set_error_handler(raise_error)
    assert [doc.text for doc in docs] == [*TEXTS, *TEXTS]
    assert [ents_of(doc) for doc in docs[:5]] == [ents for _, ents in TRAIN]
    assert sizes == [11, *[1] * 11]
    ((bad, error),) = failed
    assert [doc.text for doc in bad] == ["坏"]
    assert str(error) == "bad"


def test_what_is_not_initialized_or_not_possible(trained):
    nlp = make_nlp()
    pipe = nlp.get_pipe("crf_ner")
    doc = nlp.make_doc("北京")
    for use in (
        lambda: pipe.update([Example(doc, doc.copy())]),
        lambda: pipe.predict([doc]),
        lambda: pipe.alternatives(doc, 1),
        lambda: pipe.probable_spans([doc], 0.5),
    ):
        with pytest.raises(ValueError, match="E109"):
            use()
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        trained.get_pipe("crf_ner").alternatives(doc, 0)
    with pytest.raises(ValueError, match="is no CRF tagger"):
        spacy.blank("zh").add_pipe("crf_ner", config={"model": small()["model"]["tok2vec"]})


def test_another_tag_scheme_than_that_of_the_model_is_told(trained, tmp_path, caplog):
    trained.to_disk(tmp_path)
    caplog.set_level(logging.WARNING, logger="spacy")
    spacy.load(tmp_path)
    assert not caplog.records
    config = {"components": {"crf_ner": {"tag_scheme": "BIO"}}}
    nlp = spacy.load(tmp_path, config=config)
    assert "trained with tag_scheme BIOES. The setting BIO is ignored" in caplog.text
    assert ents_of(nlp(TEXTS[0])) == TRAIN[0][1]


def test_initialized_again_with_one_more_label():
    nlp = make_trained()
    nlp.get_pipe("crf_ner").add_label("ORG")
    text = "王明在清华学习"
    train = [*TRAIN, (text, [(0, 2, "PER"), (3, 5, "ORG")])]
    fit(nlp, train=train)
    assert nlp.get_pipe("crf_ner").labels == ("LOC", "PER", "ORG")
    assert ents_of(nlp(text)) == train[-1][1]


# Confidences


def test_entities_that_were_there_are_not_scored():
    nlp = make_trained(spans_key="crf")
    doc = nlp.make_doc(TEXTS[0])
    doc.set_ents([Span(doc, 0, 2, label="PER")])
    doc = nlp(doc)
    assert ents_of(doc) == TRAIN[0][1]
    kept, found = doc.ents
    assert kept._.confidence is None
    assert 0 < found._.confidence <= 1
    assert np.isnan(doc.spans["crf"].attrs["scores"]).tolist() == [True, False]
    # A second pass changes nothing.
    before = found._.confidence
    assert [ent._.confidence for ent in nlp(doc).ents] == [None, before]


def test_a_confidence_is_that_of_its_label():
    nlp = make_trained(spans_key="crf")
    doc = nlp(TEXTS[0])
    assert doc.ents[0]._.confidence > 0.5
    relabelled = Span(doc, 0, 2, label="OTHER")
    assert relabelled._.confidence is None
    relabelled._.confidence = 0.25
    assert [doc.ents[0]._.confidence > 0.5, relabelled._.confidence] == [True, 0.25]


def test_confidences_stay():
    nlp = make_trained(spans_key="crf")
    docs = list(nlp.pipe(TEXTS[:2]))
    expected = [ent._.confidence for doc in docs for ent in doc.ents]
    assert len(expected) == 4
    stored = DocBin(docs=docs, store_user_data=True).to_bytes()
    for copies in (
        [doc.copy() for doc in docs],
        [Doc(nlp.vocab).from_bytes(doc.to_bytes()) for doc in docs],
        [Doc(nlp.vocab).from_json(doc.to_json(underscore=["confidence"])) for doc in docs],
        list(DocBin().from_bytes(stored).get_docs(nlp.vocab)),
        pickle.loads(pickle.dumps(docs)),
        [Doc.from_docs(docs)],
        list(nlp.pipe(TEXTS[:2], n_process=2)),
    ):
        found = [ent._.confidence for doc in copies for ent in doc.ents]
        assert found == pytest.approx(expected, abs=1e-6)


def test_documents_that_earlier_versions_stored():
    nlp = make_trained(steps=1)
    doc = nlp.make_doc(TEXTS[0])
    doc.user_data["._.", "confidence", 0, 2] = 0.75
    assert Span(doc, 0, 2, label="PER")._.confidence == 0.75


def test_the_name_of_the_extension():
    Span.set_extension("certainty", getter=lambda span: 1.0, force=True)
    with pytest.raises(ValueError, match="'certainty'. Set `extension`"):
        make_nlp(extension="certainty")
    Span.remove_extension("certainty")
    nlp = make_trained(extension="certainty", spans_key="crf")
    assert nlp(TEXTS[0]).ents[0]._.certainty > 0.5
    Span.remove_extension("certainty")


@pytest.mark.parametrize("threshold", [0.0, 0.005, 1.0])
def test_any_threshold_will_do(trained, tmp_path, threshold):
    """`spacy find-threshold` goes from 0 to 1."""
    trained.to_disk(tmp_path)
    settings = {"decoding": "entities", "threshold": threshold}
    nlp = spacy.load(tmp_path, config={"components": {"crf_ner": settings}})
    found = sum(len(doc.ents) for doc in nlp.pipe(TEXTS))
    assert found >= 8 if threshold < 1 else found == 0


# Training on


def test_rehearsing_keeps_what_was_known():
    nlp = make_trained(steps=40)
    before = [ents_of(doc) for doc in nlp.pipe(TEXTS)]
    pipe = nlp.get_pipe("crf_ner")
    # Without a model to rehearse, nothing is.
    examples = make_examples(nlp)
    assert pipe.rehearse(examples) == {"crf_ner": 0.0}
    pipe.add_label("ORG")
    text = "清华很大"
    new = [Example.from_dict(nlp.make_doc(text), {"entities": [(0, 2, "ORG")]})]
    raw = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in TEXTS]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(20):
        nlp.update(new, sgd=optimizer)
        losses = nlp.rehearse(raw, sgd=optimizer)
    assert 0 < losses["crf_ner"] < 1
    assert ents_of(nlp(text)) == [(0, 2, "ORG")]
    assert [ents_of(doc) for doc in nlp.pipe(TEXTS)] == before


@pytest.mark.parametrize("label_first", [True, False])
def test_rehearsal_of_new_documents_goes_with_their_new_labels(label_first):
    nlp = make_trained(steps=40)
    pipe = nlp.get_pipe("crf_ner")
    if label_first:
        pipe.add_label("ORG")
    optimizer = nlp.resume_training()
    pipe.add_label("ORG")
    text = "王明在清华工作"
    gold = nlp.make_doc(text)
    gold.ents = [gold[3:5].char_span(0, 2, label="ORG")]
    keep_annotated_labels(gold, ["ORG"])
    new = [Example(nlp.make_doc(text), gold)]
    optimizer.learn_rate = 0.01
    for _ in range(20):
        nlp.update(new, sgd=optimizer)
        nlp.rehearse(new, sgd=optimizer)
    assert ents_of(nlp(text)) == [(0, 2, "PER"), (3, 5, "ORG")]


def test_rehearsal_is_least_where_the_model_says_the_same():
    nlp = make_trained(steps=5)
    pipe = nlp.get_pipe("crf_ner")
    (features,) = (node for node in pipe.model.walk() if node.name == "token_features")
    features.attrs["feature_dropout"] = 0.0
    nlp.resume_training()
    assert pipe.rehearse(make_examples(nlp))["crf_ner"] > 0
    for node in pipe.model.walk():
        for name in node.grad_names:
            assert_allclose(node.get_grad(name), 0, atol=1e-5)
