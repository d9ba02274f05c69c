"""The answer without a language model: the best images, with what is said of them and read in them."""

from __future__ import annotations

from collections.abc import Sequence

from imagerag_assets.retrieval.search import Result

NO_MODEL = "No language model is configured (models.answerer), so these are the best images and what is known of them."
_SAID_CHARACTERS = 400
_READ_CHARACTERS = 200


def extract(results: Sequence[Result]) -> str:
    """One paragraph per image, each with its citation."""
    return "\n\n".join([NO_MODEL, *(_paragraph(number, one) for number, one in enumerate(results, start=1))])


def _paragraph(number: int, one: Result) -> str:
    said = _short(one.description, _SAID_CHARACTERS) or "Nothing is said of this image."
    read = _short(one.ocr, _READ_CHARACTERS)
    return f"[{number}] {one.collection}/{one.uri}: {said}" + (f"\nText in it: {read}" if read else "")


def _short(text: str, most: int) -> str:
    """The text on one line. Numbers in brackets would look like citations."""
    line = " ".join(text.replace("[", "(").replace("]", ")").split())
    return line if len(line) <= most else f"{line[:most].rstrip()}…"
