"""New spaCy projects: what suits a corpus, and the files."""
