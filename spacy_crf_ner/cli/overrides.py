"""Settings of a training config on the command line."""

# Of spaCy's train command, which takes --training.max_steps 100 and the like as well.
CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}
