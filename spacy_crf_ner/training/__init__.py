"""What a config names for training: augmenters, schedules, callbacks, lexicons, vectors."""
