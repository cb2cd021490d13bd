"""What is measured against others; each module is a command, `python -m benchmarks.crf`."""
