"""What `python -m spacy crf benchmark` measures."""
