"""Settings of a training config on the command line."""

# As in spaCy's train command, which also takes options such as --training.max_steps 100.
CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}
