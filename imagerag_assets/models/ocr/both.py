"""Two engines' words as one: line by line the surer engine, spelled by Tesseract where the letters agree.

What only Tesseract has found is added where it is sure.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from imagerag_assets.models.ocr.text import Word, lines_of, renumbered

ALONE = 0.8
"""Confidence from which Tesseract is believed a word that RapidOCR did not see."""


def join(by_rapidocr: list[Word], by_tesseract: list[Word]) -> list[Word]:
    """RapidOCR's lines, each with Tesseract's reading of the same place where that is surer, then the rest."""
    left = list(by_tesseract)
    lines: list[list[Word]] = []
    for line in lines_of(by_rapidocr):
        same = [word for word in left if any(word.share_inside(other) > 0.5 for other in line)]
        left = [word for word in left if word not in same]
        lines.append(_better(line, same))
    alone = [[word for word in line if word.confidence >= ALONE and word.letters >= 3] for line in lines_of(left)]
    return renumbered([*lines, *filter(None, alone)])


def _better(line: list[Word], other: list[Word]) -> list[Word]:
    if _letters(line) == _letters(other):
        return _respelled(line, other)
    as_many = sum(word.letters for word in other) >= sum(word.letters for word in line)
    return other if as_many and _confidence(other) > _confidence(line) else line


def _respelled(line: list[Word], other: list[Word]) -> list[Word]:
    """Tesseract's words, which are better divided (RapidOCR glues and splits small ones), unless it lost accents."""
    if _accents(other) < _accents(line):
        return line
    sure = max(_confidence(line), _confidence(other))
    return [replace(word, confidence=max(word.confidence, round(sure, 3))) for word in other]


def _accents(words: list[Word]) -> int:
    return sum(not char.isascii() and char.isalpha() for word in words for char in word.text)


def _plain(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text).casefold() if char.isalnum())


def _letters(words: list[Word]) -> str:
    return _plain("".join(word.text for word in words))


def _confidence(words: list[Word]) -> float:
    return sum(word.confidence for word in words) / max(len(words), 1)
