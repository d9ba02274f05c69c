"""Which way the text of a picture runs: tried only where what was read upright gives cause for doubt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from imagerag_assets.models.ocr.text import Word

ENOUGH_LETTERS = {"rapidocr": 6, "both": 6, "tesseract": 0}
"""Fewer letters are no ground to turn a picture on: texture gives that many. Tesseract often sees none in lines that
stand on end, so with it a picture without text is read four times."""
SURE = {"rapidocr": 0.85, "both": 0.85, "tesseract": 0.7}
"""Mean confidence of text that is read the right way round is above this."""
MUCH_BETTER = 1.2
"""A turned picture must be read better than the upright one by this factor."""

_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class Turned:
    """What was read after turning by `degrees` counter-clockwise, in coordinates of the picture as it was given."""

    degrees: int
    words: list[Word]


def read_turned(picture: Image.Image, read: Callable[[Image.Image], list[Word]], engine: str) -> Turned:
    """Read as it stands, and turned where that is better: a receipt photographed on its side reads the same."""
    upright = read(picture)
    best = Turned(0, upright)
    score = MUCH_BETTER * _score(upright)
    for degrees in _doubts(upright, engine):
        words = read(picture.transpose(_TURNS[degrees]))
        if _score(words) > score:
            best, score = Turned(degrees, [_turned_back(word, degrees, picture.size) for word in words]), _score(words)
            if not _doubts(words, engine):
                break
    return best


def _doubts(words: Sequence[Word], engine: str) -> tuple[int, ...]:
    """The turns that are worth a try."""
    letters = sum(word.letters for word in words)
    if letters < ENOUGH_LETTERS[engine]:
        return ()
    if sum(word.letters for word in words if word.is_tall) > letters / 2:
        return (90, 270)
    mean = sum(word.letters * word.confidence for word in words) / max(letters, 1)
    return () if mean >= SURE[engine] else (90, 270, 180)


def _score(words: Sequence[Word]) -> float:
    """Letters read with confidence. Words that stand on end are not read the right way round."""
    return sum(word.letters * word.confidence**2 for word in words if not word.is_tall)


def _turned_back(word: Word, degrees: int, size: tuple[int, int]) -> Word:
    """The word's box in a picture of `size`, from the box after that picture was turned counter-clockwise."""
    width, height = size
    x0, y0, x1, y1 = {
        90: (width - word.y1, word.x0, width - word.y0, word.x1),
        180: (width - word.x1, height - word.y1, width - word.x0, height - word.y0),
        270: (word.y0, height - word.x1, word.y1, height - word.x0),
    }[degrees]
    return replace(word, x0=x0, y0=y0, x1=x1, y1=y1)
