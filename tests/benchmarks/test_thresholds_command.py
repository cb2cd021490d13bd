"""`benchmarks.thresholds`: samples of documents, and the table."""

import random

import numpy as np
import pytest
from spacy.tokens import DocBin
from typer.testing import CliRunner
from util import TRAIN, make_examples, make_trained

from benchmarks.thresholds import app, calibration_error, count, split
from spacy_crf_ner.calibration.gold import read_batches
from spacy_crf_ner.calibration.threshold import Found
from spacy_crf_ner.pipeline.decoding import Entity


def test_documents_are_in_one_of_two_parts():
    nlp = make_trained()
    (batch,) = read_batches(nlp.get_pipe("crf_ner"), [make_examples(nlp)])
    sample, rest = split(batch, 3, random.Random(0))
    assert 3 <= count(sample) <= 4
    assert count(sample) + count(rest) == count(batch) == 8
    for part in (sample, rest):
        assert len(part.legal.emissions) == part.legal.lengths.sum()
        assert part.legal.lengths.tolist() == [len(each) for each in part.possible]


def test_the_error_of_perfect_confidences():
    spans = [Entity(i, i + 1, "A", 0.8) for i in range(1000)]
    found = [Found(spans, [True] * 1000)]
    assert calibration_error(found, "entities", 0.5) == pytest.approx(0.2)
    assert calibration_error(found, "entities", 0.9) == 0.0
    perfect = calibration_error(found, "entities", 0.5, np.random.default_rng(0))
    assert 0 < perfect < 0.05


def test_the_command(tmp_path):
    nlp = make_trained(decoding="entities", threshold=0.45)
    nlp.to_disk(tmp_path / "model")
    docs = [eg.reference for eg in make_examples(nlp, TRAIN * 2)]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    paths = [str(tmp_path / name) for name in ("model", "dev.spacy")]
    options = ["--entities", "4", "--entities", "8", "--runs", "2"]
    result = CliRunner().invoke(app, [*paths, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines() if line.strip()]
    assert [row[0] for row in rows[2:]] == ["4", "8"]
    # All is right at any threshold.
    assert all(row[1:7] == ["100.00"] * 6 for row in rows[2:])
