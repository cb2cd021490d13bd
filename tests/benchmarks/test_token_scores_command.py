"""`benchmarks.token_scores` against scikit-learn, as scripts that count tokens use it."""

import itertools

import pytest
from entity_examples import LABELS, make_example
from sklearn.metrics import f1_score
from spacy.tokens import DocBin
from typer.testing import CliRunner
from util import make_examples, make_trained

from benchmarks.token_scores import app, summarize
from spacy_crf_ner.tags import TagSet

DOCUMENTS = [
    (5, [(0, 2, "PER"), (3, 5, "LOC")], [(0, 2, "PER")]),
    (3, [], [(0, 1, "LOC")]),
    (4, [(1, 4, "PER")], [(1, 3, "PER")]),
]


def weighted_f1(documents):
    tag_set = TagSet(LABELS, "BIO")
    gold, found = (
        list(itertools.chain.from_iterable(tag_set.from_spans(d[i], d[0]) for d in documents))
        for i in (1, 2)
    )
    return f1_score(gold, found, average="weighted", zero_division=0)


def test_over_all_tokens_and_over_batches():
    rows = dict(summarize([make_example(*document) for document in DOCUMENTS], 2))
    assert rows["weighted F1"] == pytest.approx(weighted_f1(DOCUMENTS))
    mean = (weighted_f1(DOCUMENTS[:2]) + weighted_f1(DOCUMENTS[2:])) / 2
    assert rows["weighted F1, mean over batches of 2"] == pytest.approx(mean)
    assert mean != pytest.approx(weighted_f1(DOCUMENTS))


def test_the_command(tmp_path):
    nlp = make_trained()
    nlp.to_disk(tmp_path / "model")
    references = [eg.reference for eg in make_examples(nlp)]
    DocBin(docs=references).to_disk(tmp_path / "test.spacy")
    arguments = [str(tmp_path / name) for name in ("model", "test.spacy")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["weighted", "F1", "1.0000"] in rows
