"""Thinc layers: from documents to token vectors, and from those to the scores of a CRF."""
