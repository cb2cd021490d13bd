"""Learning from what a teacher expects, as the component does it."""

import numpy as np
import pytest
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Adam
from util import TEXTS, make_examples, make_nlp, make_trained, numeric_gradient

from spacy_crf_ner.crf import cross_entropy, expectations
from spacy_crf_ner.distillation.teacher import annotate
from spacy_crf_ner.pipeline.constraints import constrain
from spacy_crf_ner.pipeline.soft_targets import (
    KEY,
    SoftTargets,
    keep_soft_targets,
    read_soft_targets,
    tag_order,
)
from spacy_crf_ner.tags import SCHEMES, TagSet

LABELS = ["LOC", "PER"]

# A teacher that listens is also that of the tests of `crf distill`.
LISTENER = pytest.param(True, id="listener", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=[pytest.param(False, id="alone"), LISTENER])
def teacher(request):
    return make_trained(tok2vec=request.param)


def unlabelled(nlp, texts=TEXTS):
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]


def make_student(labels=LABELS, **config):
    nlp = make_nlp(**config)
    for label in labels:
        nlp.get_pipe("crf_ner").add_label(label)
    nlp.initialize(lambda: unlabelled(nlp))
    return nlp, nlp.get_pipe("crf_ner")


def taught(nlp, teachers, examples, weight=0.5):
    return list(annotate(teachers, examples, nlp.get_pipe("crf_ner").tag_set, weight))


def losses_of(pipe, examples):
    return [pipe.get_loss([eg], pipe.model.predict([eg.predicted]))[0] for eg in examples]


def entropies(teacher, texts=TEXTS):
    pipe = teacher.get_pipe("crf_ner")
    with teacher.select_pipes(disable="crf_ner"):
        docs = list(teacher.pipe(texts))
    legal = constrain(pipe.potentials(docs), pipe.tag_set)
    return cross_entropy(legal, expectations(legal)).tolist()


@pytest.mark.parametrize("labels", [LABELS, LABELS[::-1]])
@pytest.mark.parametrize("epsilon", [0.0, pytest.param(0.1, marks=pytest.mark.slow)])
def test_a_student_without_gold_learns_the_teachers_tag_sequences(teacher, labels, epsilon):
    nlp, pipe = make_student(labels, adversarial_epsilon=epsilon)
    examples = taught(nlp, [teacher], unlabelled(nlp))
    before = losses_of(pipe, examples)
    optimizer = Adam(0.01)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    for text in TEXTS:
        found, expected = (
            [(ent.text, ent.label_) for ent in one(text).ents] for one in (nlp, teacher)
        )
        assert found == expected
    # What is left is what the teacher itself is not sure of.
    for first, last, least in zip(before, losses_of(pipe, examples), entropies(teacher)):
        assert least - 1e-3 < last < least + 0.1 * (first - least)


def test_what_teachers_and_gold_annotation_count(teacher):
    nlp, pipe = make_student()
    nlp.update(make_examples(nlp), sgd=Adam(0.01))
    gold, plain = make_examples(nlp), losses_of(pipe, make_examples(nlp))
    alone = losses_of(pipe, taught(nlp, [teacher], unlabelled(nlp), weight=0.1))
    for weight in (0.0, 0.3, 1.0):
        examples = taught(nlp, [teacher], make_examples(nlp), weight)
        expected = [(1 - weight) * a + weight * b for a, b in zip(plain, alone)]
        assert losses_of(pipe, examples) == pytest.approx(expected, abs=1e-5)
    # In one batch with an example that no teacher has seen.
    mixed = [examples[0], gold[1], examples[2]]
    loss, _ = pipe.get_loss(mixed, pipe.model.predict([eg.predicted for eg in mixed]))
    assert loss == pytest.approx((alone[0] + plain[1] + alone[2]) / 3, abs=1e-5)


def test_the_gradient_of_the_loss(teacher):
    nlp, pipe = make_student()
    examples = taught(nlp, [teacher], make_examples(nlp)[:2])
    scores = pipe.model.predict([eg.predicted for eg in examples])
    _, gradient = pipe.get_loss(examples, scores)
    for part in (2, 3, 4):
        numeric = numeric_gradient(pipe, examples, scores, part)
        assert np.allclose(gradient[part], numeric, atol=2e-3)


def test_several_teachers_are_averaged(teacher):
    other = make_trained(steps=3)
    nlp, pipe = make_student(LABELS[::-1])

    def targets_of(teachers):
        return [read_soft_targets(eg.reference) for eg in taught(nlp, teachers, unlabelled(nlp))]

    for mean, *each in zip(*map(targets_of, ([teacher, other], [teacher], [other]))):
        assert mean.tag_set == pipe.tag_set
        assert np.allclose(mean.tags, sum(one.tags for one in each) / 2, atol=1e-6)
        assert np.allclose(mean.pairs, sum(one.pairs for one in each) / 2, atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_docbins_keep_soft_targets(scheme):
    nlp = make_nlp()
    generator = np.random.default_rng(0)
    tag_set = TagSet(("B-A", "C"), scheme)
    C = len(tag_set)
    pairs = generator.random((C, C)) * tag_set.legal_transitions
    targets = SoftTargets(0.25, tag_set, generator.random((3, C)), pairs)
    doc = nlp.make_doc("王明在")
    keep_soft_targets(doc, targets)
    docbin = DocBin(store_user_data=True, docs=[doc])
    (copy,) = DocBin().from_bytes(docbin.to_bytes()).get_docs(nlp.vocab)
    found = read_soft_targets(copy)
    assert found[:2] == targets[:2]
    assert np.allclose(found.tags, targets.tags, atol=1e-6)
    assert np.allclose(found.pairs, targets.pairs, atol=1e-6)
    assert found.tags.dtype == found.pairs.dtype == np.float32


def test_a_teacher_sees_the_students_tokens(teacher):
    nlp, _ = make_student()
    doc = Doc(nlp.vocab, words=["王明", "在", "北京"], spaces=[False, True, False])
    (eg,) = taught(nlp, [teacher], [Example(doc, nlp.make_doc("王明在 北京"))])
    assert read_soft_targets(eg.reference).tags.sum(1) == pytest.approx([1, 1, 1], abs=1e-6)


def test_empty_documents(teacher):
    nlp, _ = make_student()
    for texts in (["", ""], ["", "王明", ""]):
        examples = taught(nlp, [teacher], unlabelled(nlp, texts))
        assert nlp.update(examples, sgd=Adam(0.01))["crf_ner"] >= 0
        assert [len(read_soft_targets(eg.reference).tags) for eg in examples] == [*map(len, texts)]


def test_the_order_of_tags():
    teacher, student = TagSet(("A", "B"), "BIO"), TagSet(("B", "A"), "BIO")
    assert tag_order(teacher, student) == [0, 3, 4, 1, 2]
    assert tag_order(teacher, teacher) == [0, 1, 2, 3, 4]


def test_what_does_not_fit_is_an_error(teacher):
    nlp, _ = make_student()
    examples = taught(nlp, [teacher], unlabelled(nlp))
    with pytest.raises(ValueError, match="are LOC, PER; the student's are LOC, ORG, PER"):
        losses_of(make_student([*LABELS, "ORG"])[1], examples)
    with pytest.raises(ValueError, match="scheme is BIOES, the student's is BIO"):
        losses_of(make_student(tag_scheme="BIO")[1], examples)
    examples[0].reference.user_data[KEY] = examples[1].reference.user_data[KEY]
    with pytest.raises(ValueError, match="for 5 tokens, but the document has 7: .王明在"):
        losses_of(nlp.get_pipe("crf_ner"), examples)
    with pytest.raises(ValueError, match="scheme is BIOES, the student's is BIO"):
        list(annotate([teacher], unlabelled(nlp), TagSet(tuple(LABELS), "BIO"), 0.5))
