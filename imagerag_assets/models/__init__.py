"""Models and engines behind small functions: the dual encoder, the text encoder, the describer, OCR."""
