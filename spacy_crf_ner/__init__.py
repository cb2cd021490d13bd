"""spacy-crf-ner: a linear-chain CRF named entity recognizer for spaCy pipelines."""
