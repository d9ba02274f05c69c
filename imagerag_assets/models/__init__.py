"""Models and engines behind small functions: the encoders, the describers, OCR; what their calls cost."""
