"""A pretrained encoder for spaCy's `transformer` component, in windows over its wordpieces."""
