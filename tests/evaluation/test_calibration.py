"""Reliability of confidences whose truth is known."""

import pytest

from spacy_crf_ner.evaluation.calibration import expected_calibration_error, reliability


def test_bins_and_error():
    bins = reliability([0.05, 0.95, 0.95, 0.95, 1.0], [False, True, True, False, True])
    assert [b.count for b in bins] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 4]
    assert bins[9].confidence == pytest.approx(0.9625)
    assert bins[9].accuracy == 0.75
    assert bins[1].confidence is None
    expected = (1 * 0.05 + 4 * 0.2125) / 5
    assert expected_calibration_error(bins) == pytest.approx(expected)
    assert expected_calibration_error(reliability([], [])) is None
