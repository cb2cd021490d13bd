"""Benchmarks. Each is a command, such as `python -m benchmarks.crf`."""
