"""Corpus formats: read into records, made into docs, written as spaCy's binary format."""
