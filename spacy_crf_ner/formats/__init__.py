"""Corpus formats: files are read into records, made into docs, and written as .spacy files."""
