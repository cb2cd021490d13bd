"""Annotation of large inputs: cut into parts, by one process or by many, and resumed after a
failure."""
