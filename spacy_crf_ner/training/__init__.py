"""Functions for training configs: augmenters, schedules, callbacks, lexicons, vectors."""
