"""Learning new labels without forgetting the old ones."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from enumeration import enumerate_tag_sequences
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.loop import train
from thinc.api import Adam
from util import LISTENER, TEXTS, TRAIN, ents_of, make_examples, make_nlp, make_trained, small

from spacy_crf_ner.crf import Expectations, cross_entropy
from spacy_crf_ner.distillation.continual import add_predictions, prepare_update
from spacy_crf_ner.distillation.student import distilled_corpus
from spacy_crf_ner.distillation.teacher import annotate_unknown
from spacy_crf_ner.pipeline.constraints import constrain
from spacy_crf_ner.pipeline.gold import gold_tags
from spacy_crf_ner.pipeline.partial import annotated_labels, keep_annotated_labels, possible_tags
from spacy_crf_ner.pipeline.soft_targets import KEY, read_soft_targets
from spacy_crf_ner.tags import SCHEMES, make_tag_set

NEW = [
    ("王明买手机", [(3, 5, "PRODUCT")]),
    ("李雷在上海卖电脑", [(6, 8, "PRODUCT")]),
    ("今天买电脑", [(3, 5, "PRODUCT")]),
    ("手机在北京", [(0, 2, "PRODUCT")]),
]

TAGGER = {
    "@architectures": "spacy.Tagger.v2",
    "tok2vec": small(LISTENER)["model"]["tok2vec"],
}


def make_gold(nlp, text, ents, labels, missing=()):
    """An example that is annotated for some labels."""
    (eg,) = make_examples(nlp, [(text, ents)])
    gold = eg.reference
    gold.set_ents(list(gold.ents), missing=[gold[i : i + 1] for i in missing])
    keep_annotated_labels(gold, labels)
    return eg


def enumerated(teacher, doc, tag_set, possible):
    """The expectations of a teacher of 王明 and so on, over the tag sequences of the names of
    possible tags of each token. To it, new tags are O."""
    pipe = teacher.get_pipe("crf_ner")
    (scores,) = enumerate_tag_sequences(pipe.potentials([doc]))
    ids, mine = pipe.tag_set.ids, tag_set.ids
    paths, values = [], []
    for names in itertools.product(*possible):
        try:
            tag_set.to_spans([mine[name] for name in names])
        except ValueError:
            continue
        paths.append([mine[name] for name in names])
        values.append(scores[tuple(ids.get(name, 0) for name in names)])
    tags, pairs = np.zeros((len(doc), len(tag_set))), np.zeros((len(tag_set),) * 2)
    for path, p in zip(paths, torch.tensor(values).double().softmax(0).tolist()):
        tags[range(len(doc)), path] += p
        np.add.at(pairs, (path[:-1], path[1:]), p)
    return tags, pairs


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("text", "ents", "labels", "missing"),
    [
        ("王明北京", [], ["NEW"], []),
        ("王明在北", [(2, 4, "NEW")], ["NEW"], []),
        # The new annotation contradicts what the teacher is certain of, or says it too.
        ("王明去", [(0, 2, "NEW")], ["NEW"], []),
        ("王明去", [(1, 3, "NEW")], ["NEW", "LOC"], []),
        ("北京", [(0, 2, "LOC")], ["NEW", "LOC"], []),
        # A known label that is annotated as well.
        ("王明北京", [], ["LOC", "NEW"], []),
        ("王明北京", [(3, 4, "NEW")], ["LOC", "NEW"], [0, 2]),
    ],
)
def test_soft_targets_are_what_the_teacher_expects_given_the_gold(
    scheme, text, ents, labels, missing
):
    teacher = make_trained(tag_scheme=scheme, steps=10)
    known = teacher.get_pipe("crf_ner").tag_set
    tag_set = make_tag_set((*known.labels, "NEW"), scheme)
    eg = make_gold(teacher, text, ents, labels, missing)
    gold = ["?" if i in missing else "O" for i in range(len(text))]
    for start, end, label in ents:
        ids = tag_set.from_spans([(0, end - start, label)], end - start)
        gold[start:end] = [tag_set.tags[i] for i in ids]
    of_others = [tag for tag in known.tags if tag[2:] not in labels]
    possible = [{"?": known.tags, "O": of_others}.get(tag, [tag]) for tag in gold]
    if scheme == "BIO":
        # What follows an entity does not continue it.
        for i in range(1, len(gold)):
            if gold[i - 1] not in "?O" and gold[i] in "?O":
                possible[i] = [tag for tag in possible[i] if tag[0] != "I"]
    (taught,) = annotate_unknown(teacher, [eg], tag_set, 0.5)
    targets = read_soft_targets(taught.reference)
    tags, pairs = enumerated(teacher, eg.predicted, tag_set, possible)
    assert targets.weight == 0.5
    assert np.allclose(targets.tags, tags, atol=1e-5)
    assert np.allclose(targets.pairs, pairs, atol=1e-5)
    assert np.allclose(targets.tags.sum(1), 1, atol=1e-6)


def test_the_gold_counts_in_full_whatever_the_weight():
    """The mixed loss is that of the gold plus weight × cross-entropy, given the gold."""
    nlp = make_trained(steps=3)
    pipe = nlp.get_pipe("crf_ner")
    gold = [make_gold(nlp, text, ents, ["PRODUCT"]) for text, ents in NEW]
    tag_set = make_tag_set((*pipe.labels, "PRODUCT"), "BIOES")
    taught = list(annotate_unknown(make_trained(), gold, tag_set, 0.3))
    pipe.add_label("PRODUCT")
    potentials = pipe.potentials([eg.predicted for eg in taught])
    tags = np.concatenate([gold_tags(eg, tag_set) for eg in taught])
    possible = constrain(potentials, tag_set, possible_tags(taught, tags, tag_set))
    targets = [read_soft_targets(eg.reference) for eg in taught]
    expected = Expectations(
        torch.from_numpy(np.concatenate([each.tags for each in targets])),
        torch.from_numpy(np.stack([each.pairs for each in targets])),
    )
    scores = pipe.model.predict([eg.predicted for eg in taught])
    mixed = pipe.get_loss(taught, scores)[0]
    for eg in taught:
        del eg.reference.user_data[KEY]
    alone = pipe.get_loss(taught, scores)[0]
    given = cross_entropy(possible, expected).mean().item()
    assert given > 0.1
    assert mixed == pytest.approx(alone + 0.3 * given, abs=1e-4)


def update(nlp, output, new=NEW, weight=1.0, **options):
    options = {"labels": (), "rehearse": (), **options}
    train, dev = ([eg.reference for eg in make_examples(nlp, new)] for _ in range(2))
    progress = options.pop("progress", lambda examples, _: examples)
    return prepare_update(
        nlp,
        train,
        dev,
        source=Path("corpus/new.spacy"),
        output=output,
        weight=weight,
        progress=progress,
        **options,
    )


def learn(nlp, output, steps=40):
    """Train on the corpus of an update."""
    examples = list(distilled_corpus(output / "train.spacy")(nlp))
    optimizer = Adam(0.01)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)


def test_new_labels_are_learned_and_old_ones_kept(tmp_path):
    nlp = make_trained()
    before = [ents_of(doc) for doc in nlp.pipe(TEXTS)]
    found = update(nlp, tmp_path)
    assert found.nlp is nlp
    assert (found.known, found.new, found.annotated) == (["LOC", "PER"], ["PRODUCT"], ["PRODUCT"])
    assert (found.train, found.rehearsed, found.dev, found.unlabelled) == (4, 0, 4, 0)
    assert nlp.get_pipe("crf_ner").labels == ("LOC", "PER", "PRODUCT")
    learn(nlp, tmp_path)
    assert [ents_of(doc) for doc in nlp.pipe(TEXTS)] == before
    assert ents_of(nlp("李雷在上海卖电脑")) == [(0, 2, "PER"), (3, 5, "LOC"), (6, 8, "PRODUCT")]


def test_without_a_teacher_the_old_labels_are_forgotten(tmp_path):
    nlp = make_trained()
    update(nlp, tmp_path, labels=["LOC", "PER", "PRODUCT"], weight=0.0)
    learn(nlp, tmp_path)
    assert ents_of(nlp("李雷在上海卖电脑")) == [(6, 8, "PRODUCT")]


def test_the_corpora_of_an_update(tmp_path):
    nlp = make_trained()
    old = [eg.reference for eg in make_examples(nlp, TRAIN[:2])]
    unlabelled = nlp.make_doc("李雷买手机")
    found = update(nlp, tmp_path, rehearse=[*old, unlabelled])
    assert (found.train, found.rehearsed, found.unlabelled) == (4, 2, 1)
    references = [eg.reference for eg in distilled_corpus(tmp_path / "train.spacy")(nlp)]
    assert [doc.text for doc in references] == [text for text, _ in NEW + TRAIN[:2]]
    assert [KEY in doc.user_data for doc in references] == [True] * 4 + [False] * 2
    marks = [list(annotated_labels(doc)) for doc in references]
    assert marks == [["PRODUCT"]] * 4 + [["LOC", "PER"]] * 2
    dev = DocBin().from_disk(tmp_path / "dev.spacy").get_docs(nlp.vocab)
    assert [ents_of(doc) for doc in dev][1] == [(0, 2, "PER"), (3, 5, "LOC"), (6, 8, "PRODUCT")]
    config = nlp.config.interpolate()
    assert config["corpora"]["update"]["path"] == str(tmp_path / "train.spacy")
    assert config["corpora"]["train"]["path"] == str(Path("corpus/new.spacy"))


def test_predictions_do_not_touch_the_gold():
    nlp = make_trained()
    (eg,) = make_examples(nlp, [("王明在北京", [(1, 3, "NEW")])])
    assert add_predictions(nlp, [eg], ["NEW"]) == 1
    assert ents_of(eg.reference) == [(1, 3, "NEW"), (3, 5, "LOC")]
    # Nor are labels predicted that are annotated.
    (eg,) = make_examples(nlp, [("王明在北京", [])])
    assert add_predictions(nlp, [eg], ["LOC"]) == 1
    assert ents_of(eg.reference) == [(0, 2, "PER")]
    # They are found on the pipeline's own tokens.
    words = Doc(nlp.vocab, words=["王明", "在", "北京"], spaces=[False] * 3, ents=["O"] * 3)
    assert add_predictions(nlp, [Example(nlp.make_doc("王明在北京"), words)], []) == 2
    assert ents_of(words) == [(0, 2, "PER"), (3, 5, "LOC")]


def test_an_augmenter_makes_new_examples_for_the_teacher(tmp_path):
    nlp = make_trained()
    augmenter = {"@augmenters": "spacy_crf_ner.mention_replacement.v1", "level": 1.0, "seed": 0}
    nlp.config["corpora"]["train"]["augmenter"] = augmenter
    found = update(nlp, tmp_path, NEW * 3)
    examples = list(distilled_corpus(tmp_path / "train.spacy")(nlp))
    assert len(examples) == found.train > 3 * len(NEW)
    assert all(KEY in eg.reference.user_data for eg in examples)


def test_the_schedule_ends_with_the_last_step(tmp_path):
    nlp = make_trained()
    optimizer = nlp.config["training"]["optimizer"]
    nlp.config["training"]["max_steps"], optimizer["learn_rate"] = 50, 0.002
    update(nlp, tmp_path)
    schedule = {"@schedules": "warmup_linear.v1", "warmup_steps": 5, "total_steps": 50}
    assert optimizer["learn_rate"] == {**schedule, "initial_rate": 0.002}
    # One that does already stays.
    own = {**schedule, "warmup_steps": 20, "total_steps": "${training.max_steps}"}
    optimizer["learn_rate"] = {**own, "initial_rate": 0.005}
    update(nlp, tmp_path)
    assert optimizer["learn_rate"] == {**own, "initial_rate": 0.005}


def test_soft_targets_have_been_divided_by_the_temperature(tmp_path):
    nlp = make_trained()
    nlp.get_pipe("crf_ner").temperature = 2.0
    update(nlp, tmp_path)
    assert nlp.get_pipe("crf_ner").temperature == 1.0


@pytest.mark.parametrize("shared", [False, True])
def test_what_other_components_listen_to_stays_the_same(tmp_path, shared):
    nlp = make_nlp(tok2vec=True)
    if shared:
        nlp.add_pipe("tagger", config={"model": TAGGER})
    examples = make_examples(nlp)
    for eg in examples:
        eg.reference[0].tag_ = "X"
    nlp.initialize(lambda: examples)
    update(nlp, tmp_path)
    training = nlp.config["training"]
    assert training["frozen_components"] == (["tok2vec", "tagger"] if shared else [])
    assert training["annotating_components"] == (["tok2vec"] if shared else [])
    models = {name: pipe.model for name, pipe in nlp.pipeline}
    before = {name: model.to_bytes() for name, model in models.items() if name != "crf_ner"}
    crf = models["crf_ner"].get_ref("crf").get_param("transitions").copy()
    nlp.config["training"]["max_steps"] = 2
    train(nlp, stdout=io.StringIO(), stderr=io.StringIO())
    changed = [name for name, data in before.items() if models[name].to_bytes() != data]
    assert changed == ([] if shared else ["tok2vec"])
    assert not np.array_equal(models["crf_ner"].get_ref("crf").get_param("transitions"), crf)


def test_what_cannot_be_is_an_error(tmp_path):
    nlp = make_trained(steps=1)
    with pytest.raises(ValueError, match="pipeline must have one crf_ner.* has 0: it is empty"):
        update(spacy.blank("zh"), tmp_path)
    with pytest.raises(ValueError, match="No new training document has annotation"):
        prepare_update(
            nlp, [], [], source=tmp_path, output=tmp_path, weight=1.0, progress=lambda x, _: x
        )
    message = "new data has entities with the labels PRODUCT. --labels has only OTHER"
    with pytest.raises(ValueError, match=message):
        update(nlp, tmp_path, labels=["OTHER"])
    new = [eg.reference for eg in make_examples(nlp, NEW)]
    message = (
        "data to rehearse has entities with the labels PRODUCT. The pipeline has only LOC, PER"
    )
    with pytest.raises(ValueError, match=message):
        update(nlp, tmp_path, rehearse=new)
    assert not list(tmp_path.iterdir())
    assert nlp.get_pipe("crf_ner").labels == ("LOC", "PER")
