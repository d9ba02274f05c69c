"""Answers: a question and the best images for it → a text that cites them. Which images are best is `retrieval`'s.

`extractive` needs no language model. `ask` is the way in.
"""

from imagerag_assets.answers.answer import Answer, Citation
from imagerag_assets.answers.ask import ask, ask_stream

__all__ = ["Answer", "Citation", "ask", "ask_stream"]
