"""Distillation: a student learns to match its teachers' distributions over tag sequences."""
