"""Evaluation of pipelines: scores, calibration, and summaries of several trainings."""
