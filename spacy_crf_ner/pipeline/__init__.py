"""The component `crf_ner`: documents to tensors, and tensors to entities."""
