"""A page about a pipeline on a labelled corpus: scores, errors, calibration and the corpus."""
