"""Documents that are annotated for some labels only."""

import math

import numpy as np
import pytest
from enumeration import make_potentials, masks_of, probabilities
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import Adam
from util import TEXTS, TRAIN, ents_of, make_examples, make_nlp

from spacy_crf_ner.pipeline.gold import gold_tags
from spacy_crf_ner.pipeline.loss import negative_log_likelihood
from spacy_crf_ner.pipeline.partial import annotated_labels, keep_annotated_labels, possible_tags
from spacy_crf_ner.tags import TagSet
from spacy_crf_ner.training.augment import make_mention_replacement

AB = TagSet(("A", "B"))


@pytest.fixture(scope="module")
def vocab():
    return make_nlp().vocab


def make_gold(vocab, ents, labels=None, missing=()):
    """Three tokens, annotated for some labels."""
    gold = Doc(vocab, words=list("王明在"), spaces=[False] * 3)
    spans = [Span(gold, *ent) for ent in ents]
    gold.set_ents(spans, missing=[gold[i : i + 1] for i in missing])
    if labels is not None:
        keep_annotated_labels(gold, labels)
    return Example(Doc(vocab, words=list("王明在"), spaces=[False] * 3), gold)


def possible_in(tag_set, *examples):
    """The possible tags of each token, as one string."""
    gold = np.concatenate([gold_tags(eg, tag_set) for eg in examples])
    rows = possible_tags(examples, gold, tag_set)
    return [" ".join(tag for tag, may in zip(tag_set.tags, row) if may) for row in rows]


def test_o_may_be_any_tag_of_the_other_labels(vocab):
    everything, of_b = " ".join(AB.tags), "O B-B I-B E-B S-B"
    for labels in (None, ["A", "B"], ["B", "C", "A"]):
        assert possible_in(AB, make_gold(vocab, [], labels)) == ["O"] * 3
    assert possible_in(AB, make_gold(vocab, [], ["A"])) == [of_b] * 3
    assert possible_in(AB, make_gold(vocab, [], [])) == [everything] * 3
    assert possible_in(AB, make_gold(vocab, [(1, 2, "A")], ["A"])) == [of_b, "S-A", "O B-B S-B"]
    # An entity is known even if its label is not among those annotated.
    assert possible_in(AB, make_gold(vocab, [(1, 3, "B")], ["A"])) == [of_b, "B-B", "E-B"]
    assert possible_in(AB, make_gold(vocab, [], ["A"], missing=[1])) == [of_b, everything, of_b]


def test_each_document_of_a_batch_has_labels_of_its_own(vocab):
    batch = [make_gold(vocab, [], labels) for labels in (["B"], None, ["A"])]
    expected = [tags for eg in batch for tags in possible_in(AB, eg)]
    assert len(set(expected)) == 3
    assert possible_in(AB, *batch) == expected


def test_what_follows_an_entity_does_not_continue_it(vocab):
    bio = TagSet(("A", "B"), "BIO")
    assert possible_in(bio, make_gold(vocab, [(0, 1, "A")], missing=[1])) == [
        "B-A",
        "O B-A B-B",
        "O",
    ]
    assert possible_in(bio, make_gold(vocab, [(0, 1, "A")], ["A"])) == ["B-A", "O B-B", "O B-B I-B"]


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@pytest.mark.parametrize(
    ("ents", "missing"), [([], []), ([(0, 2, "A")], []), ([(1, 2, "A")], [0]), ([], [2])]
)
def test_the_loss_is_that_of_all_sets_of_entities_that_agree(vocab, scheme, ents, missing):
    tag_set = TagSet(("A", "B"), scheme)
    eg = make_gold(vocab, ents, ["A"], missing)
    potentials = make_potentials(len(tag_set), [3])
    (of_path,) = probabilities(potentials, masks_of(tag_set))

    def agrees(spans):
        of_a = {span for span in spans if span[2] == "A"}
        extra = of_a - set(ents)
        return of_a >= set(ents) and all(
            i in missing for start, end, _ in extra for i in range(start, end)
        )

    agreeing = sum(p for path, p in of_path.items() if agrees(tag_set.to_spans(path)))
    possible = possible_tags([eg], gold_tags(eg, tag_set), tag_set)
    loss = negative_log_likelihood(potentials, possible, tag_set)
    assert loss.item() == pytest.approx(-math.log(agreeing), abs=1e-9)


def test_docbins_keep_the_labels(vocab):
    docs = [make_gold(vocab, [], labels).reference for labels in (["B", "A"], [], None)]
    docbin = DocBin(store_user_data=True, docs=docs)
    copies = DocBin().from_bytes(docbin.to_bytes()).get_docs(vocab)
    found = [annotated_labels(doc) for doc in copies]
    assert [labels if labels is None else list(labels) for labels in found] == [
        ["A", "B"],
        [],
        None,
    ]


def corpora_of_one_label_each(nlp, *, marked):
    """The same texts twice: with the persons only, and with the places only."""
    for label in ("PER", "LOC"):
        train = [(text, [ent for ent in ents if ent[2] == label]) for text, ents in TRAIN]
        for eg in make_examples(nlp, train):
            if marked:
                keep_annotated_labels(eg.reference, [label])
            yield eg


@pytest.mark.parametrize("marked", [True, False])
def test_corpora_with_different_labels_can_be_merged(marked):
    nlp = make_nlp()
    examples = list(corpora_of_one_label_each(nlp, marked=marked))
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    found = [ents_of(doc) for doc in nlp.pipe(TEXTS)]
    assert (found == [ents for _, ents in TRAIN]) == marked


def test_augmenters_leave_such_documents_alone():
    nlp = make_nlp()
    augment = make_mention_replacement(level=1.0)

    def n_made(examples):
        return sum(len(list(augment(nlp, eg))) for eg in examples) - len(examples)

    assert n_made(make_examples(nlp) * 3) > 0
    assert n_made(list(corpora_of_one_label_each(nlp, marked=True)) * 3) == 0
