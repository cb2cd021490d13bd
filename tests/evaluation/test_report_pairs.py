"""Gold and predicted entities, paired and counted."""

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from util import make_examples, make_prediction, make_trained

from spacy_crf_ner.evaluation.evaluate import evaluate
from spacy_crf_ner.evaluation.report.confusion import confuse, kinds_by_label
from spacy_crf_ner.evaluation.report.errors import describe_errors, select_errors
from spacy_crf_ner.evaluation.report.mentions import read_mentions
from spacy_crf_ner.evaluation.report.pairs import pair_mentions

TEXT = "王明在北京大学工作"
# What is gold, what is predicted, and what that is called.
CASES = [
    ([(0, 2, "PER")], [(0, 2, "PER")], ["correct"]),
    ([(0, 2, "PER")], [(0, 2, "LOC")], ["label"]),
    ([(3, 7, "ORG")], [(3, 5, "ORG")], ["boundary"]),
    ([(3, 7, "ORG")], [(3, 5, "LOC")], ["both"]),
    ([(3, 7, "ORG")], [], ["missed"]),
    ([], [(3, 7, "ORG")], ["spurious"]),
    # Beside one another, but without a shared token.
    ([(0, 2, "PER")], [(2, 3, "PER")], ["missed", "spurious"]),
    # The same label comes before more shared tokens.
    ([(3, 7, "ORG")], [(3, 6, "LOC"), (6, 7, "ORG")], ["boundary", "spurious"]),
    # More shared tokens come before fewer.
    ([(3, 7, "ORG")], [(3, 4, "LOC"), (4, 7, "LOC")], ["both", "spurious"]),
    # One predicted entity over two gold ones.
    ([(3, 5, "LOC"), (5, 7, "ORG")], [(3, 7, "ORG")], ["missed", "boundary"]),
]


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("zh")


def pairs_of(*examples):
    return pair_mentions(read_mentions(examples))


@pytest.mark.parametrize(("gold", "found", "kinds"), CASES)
def test_kinds(nlp, gold, found, kinds):
    pairs = pairs_of(make_prediction(nlp, TEXT, gold, found))
    assert [pair.kind for pair in pairs] == kinds
    # Each entity is in one pair.
    assert sum(pair.gold is not None for pair in pairs) == len(gold)
    assert sum(pair.found is not None for pair in pairs) == len(found)


def test_what_is_not_annotated_does_not_count(nlp):
    plain = make_prediction(nlp, TEXT, [], [(0, 2, "PER")])
    plain.reference = Doc(nlp.vocab, words=list(TEXT), spaces=[False] * len(TEXT))
    half = make_prediction(nlp, TEXT, [], [(0, 2, "PER"), (3, 5, "LOC")])
    half.reference.set_ents([], missing=[half.reference[0:2]], default="outside")
    assert [pair.kind for pair in pairs_of(plain, half)] == ["spurious"]
    assert pairs_of(plain, half)[0].document == 1


def test_predicted_tokens_may_be_others_than_gold_ones(nlp):
    words = Doc(nlp.vocab, words=["王明", "在", "北京大学"], spaces=[False] * 3)
    words.ents = [words.char_span(0, 2, "PER"), words.char_span(3, 7, "ORG")]
    gold = make_prediction(nlp, TEXT[:7], [(0, 2, "PER"), (3, 5, "LOC")], []).reference
    kinds = [pair.kind for pair in pairs_of(Example(words, gold))]
    assert kinds == ["correct", "both"]


def test_probabilities_are_those_of_the_component():
    nlp = make_trained()
    examples = make_examples(nlp, [("王明在北京工作", [(0, 2, "LOC"), (3, 5, "LOC")])])
    evaluate(nlp, examples)
    pipe = nlp.get_pipe("crf_ner")
    (mentions,) = read_mentions(examples, pipe)
    spans = examples[0].predicted.spans["crf_ner"]
    assert [m.probability for m in mentions.found] == pytest.approx(spans.attrs["scores"].tolist())
    wrong, right = mentions.gold
    assert wrong.probability < 0.1 < 0.9 < right.probability
    label, correct = pair_mentions([mentions])
    assert (label.kind, label.certainty) == ("label", mentions.found[0].probability)
    assert correct.kind == "correct"


def test_the_certainty_of_a_missed_entity_is_that_there_is_none():
    nlp = make_trained()
    examples = make_examples(nlp, [("王明在北京工作", [(0, 2, "PER"), (5, 7, "LOC")])])
    evaluate(nlp, examples)
    mentions = read_mentions(examples, nlp.get_pipe("crf_ner"))
    missed = next(p for p in pair_mentions(mentions) if p.kind == "missed")
    assert missed.certainty == 1 - missed.gold.probability > 0.5


def test_a_gold_entity_within_a_token_has_probability_0():
    nlp = make_trained()
    (eg,) = make_examples(nlp, [("王明在北京", [(0, 2, "PER")])])
    eg.predicted = Doc(nlp.vocab, words=["王", "明在", "北京"], spaces=[False] * 3)
    (mentions,) = read_mentions([eg], nlp.get_pipe("crf_ner"))
    assert [m.probability for m in mentions.gold] == [0.0]


def test_confusion(nlp):
    pairs = pairs_of(*(make_prediction(nlp, TEXT, gold, found) for gold, found, _ in CASES[:6]))
    confusion = confuse(pairs)
    assert confusion.labels == ["LOC", "ORG", "PER"]
    # Gold LOC, ORG, PER and none, by predicted LOC, ORG, PER and none.
    assert confusion.counts == [[0, 0, 0, 0], [1, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0]]
    kinds = dict(kinds_by_label(pairs))
    assert list(kinds) == ["ORG", "PER"]
    assert {k: n for k, n in kinds["ORG"].items() if n} == {
        **{"boundary": 1, "both": 1},
        **{"missed": 1, "spurious": 1},
    }


def test_the_most_certain_error_is_first():
    nlp = make_trained()
    train = [
        ("王明在北京工作", [(0, 2, "LOC"), (3, 5, "LOC")]),
        ("京是北京", [(0, 1, "PER"), (2, 4, "LOC")]),
        ("今天下雨", [(0, 2, "LOC")]),
    ]
    examples = make_examples(nlp, train)
    evaluate(nlp, examples)
    errors = select_errors(pair_mentions(read_mentions(examples, nlp.get_pipe("crf_ner"))))
    certainties = [error.certainty for error in errors]
    assert len(errors) == 3
    assert certainties == sorted(certainties, reverse=True)


def test_errors_have_text_around_them(nlp):
    text = "前" * 300 + "王明" + "后" * 300
    eg = make_prediction(nlp, text, [(298, 302, "ORG"), (402, 404, "LOC")], [(300, 302, "PER")])
    mentions = read_mentions([eg])
    first, second = describe_errors(pair_mentions(mentions), mentions, [eg.reference])
    assert first["text"] == text[198:402]
    assert first["cut"] == [True, True]
    assert first["gold"] == [(100, 104, "ORG", None, True)]
    assert first["found"] == [(102, 104, "PER", None, True)]
    assert (first["kind"], first["labels"], first["document"]) == ("both", ["ORG", "PER"], 1)
    # An entity at the edge is cut off, and no error of its own there.
    assert second["kind"] == "missed"
    assert second["text"] == text[302:504]
    assert second["gold"] == [(100, 102, "LOC", None, True)]
    assert second["found"] == []


def test_a_very_long_error_is_cut(nlp):
    eg = make_prediction(nlp, "长" * 5000, [(0, 5000, "ORG")], [])
    mentions = read_mentions([eg])
    (error,) = describe_errors(pair_mentions(mentions), mentions, [eg.reference])
    assert len(error["text"]) == error["gold"][0][1] == 500
    assert error["cut"] == [False, True]
