"""Answers, their citations, and what a picture may not make of them."""
