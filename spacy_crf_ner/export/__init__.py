"""Export of a pipeline to ONNX, and the tagger that runs it without torch and spaCy."""
