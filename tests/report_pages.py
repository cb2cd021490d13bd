"""A page of `crf report`, which its tests and those in a browser share."""

from util import TRAIN, make_examples, make_trained

from spacy_crf_ner.evaluation.report.page import NOTHING_ELSE, make_report

HOSTILE = "</script><script>alert(1)</script>"
# An emoji has one character in Python and two in JavaScript.
ASTRAL = "😀王明在北京工作"
LABELLED = [
    *TRAIN,
    (f"{HOSTILE}在北京", [(0, len(HOSTILE), "<b>")]),
    (ASTRAL, [(1, 3, "LOC"), (6, 8, "LOC")]),
    ("今天在上海", [(0, 2, "LOC"), (3, 5, "PER")]),
]


def make_page(inputs=NOTHING_ELSE, nlp=None, labelled=LABELLED):
    nlp = nlp or make_trained()
    return make_report(nlp, make_examples(nlp, labelled), inputs, model="m", data="d.spacy")
