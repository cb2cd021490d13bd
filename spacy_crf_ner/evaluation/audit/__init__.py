"""Likely annotation errors."""
