"""Thinc layers: documents to token vectors, token vectors to the scores of a CRF."""
