"""How good a pipeline is: scores, calibration, and what several runs come to."""
