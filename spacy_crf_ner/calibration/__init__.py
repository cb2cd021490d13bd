"""What fits the temperature and the threshold of a `crf_ner` to a labelled corpus."""
