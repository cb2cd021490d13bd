"""Likely annotation errors: errors that the test made are found, and right annotation is not."""

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from util import TRAIN, make_examples, make_nlp, make_trained

from spacy_crf_ner.evaluation.audit.audit import leave_out, rank
from spacy_crf_ner.evaluation.audit.folds import split_folds
from spacy_crf_ner.evaluation.audit.mentions import count_mentions, inconsistent_mentions
from spacy_crf_ner.evaluation.audit.suspects import find_suspects
from spacy_crf_ner.pipeline.partial import keep_annotated_labels

TEXT = "王明在北京工作"


@pytest.fixture(scope="module")
def nlp():
    return make_trained(60)


def suspects_of(nlp, ents, *, missing=(), labels=None):
    """The suspects of a document with this annotation, the least probable annotation first."""
    (eg,) = make_examples(nlp, [(TEXT, ents)])
    if missing:
        eg.reference.set_ents(eg.reference.ents, missing=[eg.reference[a:b] for a, b in missing])
    if labels is not None:
        keep_annotated_labels(eg.reference, labels)
    return sorted(find_suspects(nlp, [eg]), key=lambda each: each.probability)


def test_right_annotation_is_probable(nlp):
    suspects = suspects_of(nlp, TRAIN[0][1])
    assert [(s.start, s.end, s.label) for s in sorted(suspects)] == TRAIN[0][1]
    assert min(s.probability for s in suspects) > 0.5


@pytest.mark.parametrize(
    ("ents", "kind", "place", "suggestion"),
    [
        ([(0, 2, "PER"), (3, 5, "PER")], "label", (3, 5, "PER"), (3, 5, "LOC")),
        ([(0, 2, "PER"), (3, 6, "LOC")], "boundary", (3, 6, "LOC"), (3, 5, "LOC")),
        ([(0, 2, "PER"), (3, 5, "LOC"), (6, 7, "LOC")], "spurious", (6, 7, "LOC"), None),
        ([(0, 2, "PER")], "missing", (3, 5, "LOC"), None),
    ],
)
def test_each_kind_of_error_is_the_least_probable_annotation(nlp, ents, kind, place, suggestion):
    worst, *others = suspects_of(nlp, ents)
    assert worst.kind == kind
    assert (worst.start, worst.end, worst.label) == place
    assert (worst.suggestion and worst.suggestion[:3]) == suggestion
    assert worst.probability < 0.4 < min(other.probability for other in others)
    line = worst.to_json()
    assert line["mention"] == TEXT[place[0] : place[1]]
    assert line["suggestion"] == (suggestion and suggestion[2])
    assert worst.reach == ((3, 6) if kind == "boundary" else place[:2])


def test_what_is_not_annotated_is_not_missing(nlp):
    assert [s.label for s in suspects_of(nlp, [(0, 2, "PER")], missing=[(3, 5)])] == ["PER"]
    assert [s.label for s in suspects_of(nlp, [(0, 2, "PER")], labels=["PER"])] == ["PER"]


def test_documents_with_the_same_text_are_in_the_same_fold():
    vocab = spacy.blank("zh").vocab
    docs = [Doc(vocab, words=list(text)) for text in "甲乙 丙丁 甲乙 戊己 庚辛 丙丁 甲乙".split()]
    folds = split_folds(docs, 3, seed=1)
    assert sorted(i for fold in folds for i in fold) == list(range(len(docs)))
    for same in ({0, 2, 6}, {1, 5}):
        assert sum(same <= set(fold) for fold in folds) == 1
    assert folds == split_folds(docs, 3, seed=1)
    with pytest.raises(ValueError, match="there are 4"):
        split_folds(docs, 5, seed=1)
    with pytest.raises(ValueError, match="at least 2 folds"):
        split_folds(docs, 1, seed=1)


def test_suspicious_annotation_becomes_missing(nlp):
    ents = [(0, 2, "PER"), (3, 6, "LOC")]
    worst = suspects_of(nlp, ents)[0]
    (eg,) = make_examples(nlp, [(TEXT, ents)])
    docs = [eg.reference.copy(), eg.reference]
    cleaned = leave_out(docs, [worst._replace(document=1)])
    assert [token.ent_iob_ for token in cleaned[1]] == ["B", "I", "O", "", "", "", "O"]
    assert cleaned[0] is docs[0]
    assert len(eg.reference.ents) == 2


def test_missing_entities_become_missing_annotation(nlp):
    (eg,) = make_examples(nlp, [(TEXT, [(0, 2, "PER")])])
    worst = suspects_of(nlp, [(0, 2, "PER")])[0]
    (cleaned,) = leave_out([eg.reference], [worst])
    assert [token.ent_iob_ for token in cleaned] == ["B", "I", "O", "", "", "O", "O"]


def test_mentions_that_are_not_annotated_the_same_everywhere():
    nlp = make_nlp()
    train = [
        ("北京很大", [(0, 2, "LOC")]),
        ("北京说", [(0, 2, "ORG")]),
        ("他在北京", []),
        ("北京北京", [(0, 2, "LOC"), (2, 4, "LOC")]),
        ("上海", [(0, 2, "LOC")]),
        ("京东", [(0, 1, "LOC")]),
        ("京", []),
    ]
    docs = [eg.reference for eg in make_examples(nlp, train)]
    unknown = nlp.make_doc("北京")  # no annotation at all
    counts = count_mentions([*docs, unknown])
    (mention,) = inconsistent_mentions(counts)
    assert mention == ("北京", {"LOC": 3, "ORG": 1}, 1, 2)
    assert inconsistent_mentions(count_mentions([])) == []
    # Of the four other places, two have the label LOC.
    assert counts.consistency("北京", "LOC") == (2 + 1) / (4 + 2)
    assert counts.consistency("北京", "ORG") == (0 + 1) / (4 + 2)
    assert counts.consistency("北京", None) == (0 + 1) / (4 + 2)
    assert counts.consistency("上海", "LOC") == counts.consistency("天津", None) == 1 / 2


def test_of_two_improbable_entities_the_inconsistent_one_is_first(nlp):
    one, two = (s for s in suspects_of(nlp, TRAIN[0][1]))
    others = [(text, ents) for text, ents in TRAIN if "北京" in text]
    docs = [eg.reference for eg in make_examples(nlp, [*others, *[("北京", [])] * 3])]
    same = [each._replace(probability=0.2) for each in (one, two)]
    first, second = rank(same, count_mentions(docs))
    assert (first.mention, first.consistency) == ("北京", (1 + 1) / (4 + 2))
    assert second.consistency == 1 / 2


def test_entities_that_do_not_align_are_left_out(nlp):
    doc = Doc(nlp.vocab, words=["王明", "在", "北京"], spaces=[False] * 3)
    doc.ents = [Span(doc, 0, 1, label="PER")]
    predicted = Doc(nlp.vocab, words=["王", "明在", "北京"], spaces=[False] * 3)
    assert all(s.kind == "missing" for s in find_suspects(nlp, [Example(predicted, doc)]))
