"""Very large pictures, read through overlapping windows without cutting a line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from PIL import Image

from imagerag_assets.models.ocr.text import Word, lines_of, renumbered

WHOLE = 2000
"""Longest side in pixels of a picture that is read in one piece."""
SIDE = 1600
OVERLAP = 320
"""Pixels that two windows share: a word shorter than this is whole in one of them."""
_SAME = 0.3
"""Two words that share so much of the smaller one are one word, seen twice."""
_NEAR = 0.5
"""A word that ends nearer to a window's side than this share of its height may go on beyond it."""


def windows(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Boxes of at most SIDE that cover the picture, neighbours sharing at least OVERLAP pixels."""
    return [(x, y, x + across, y + down) for y, down in _spans(height) for x, across in _spans(width)]


def _spans(length: int) -> list[tuple[int, int]]:
    if length <= SIDE:
        return [(0, length)]
    count = -(-(length - OVERLAP) // (SIDE - OVERLAP))
    return [(round(k * (length - SIDE) / (count - 1)), SIDE) for k in range(count)]


def read_in_windows(picture: Image.Image, read: Callable[[Image.Image], list[Word]]) -> list[Word]:
    """The picture's words, whatever its size; a large one is read as a whole, too, shrunk, for its large letters."""
    if max(picture.size) <= WHOLE:
        return read(picture)
    words: list[Word] = []
    for box in windows(*picture.size):
        seen = [word.moved(box[0], box[1]) for word in read(picture.crop(box))]
        words = _joined(words, [word for word in seen if not _is_cut(word, box, picture.size)])
    shrunk = picture.copy()
    shrunk.thumbnail((WHOLE, WHOLE), Image.Resampling.LANCZOS)
    scale = picture.width / shrunk.width if picture.width >= picture.height else picture.height / shrunk.height
    words = _joined(words, [_enlarged(word, scale, picture.size) for word in read(shrunk)])
    return renumbered(_ordered(lines_of(words)))


def _is_cut(word: Word, box: tuple[int, int, int, int], size: tuple[int, int]) -> bool:
    """Whether the word may go on beyond a side that the window has and the picture has not."""
    near = max(4.0, _NEAR * min(word.x1 - word.x0, word.y1 - word.y0))
    return (
        (box[0] > 0 and word.x0 - box[0] < near) or (box[1] > 0 and word.y0 - box[1] < near)
        or (box[2] < size[0] and box[2] - word.x1 < near) or (box[3] < size[1] and box[3] - word.y1 < near)
    )  # fmt: skip


def _joined(known: list[Word], seen: list[Word]) -> list[Word]:
    """Both; what both saw once, and the lines that share such a word as one."""
    if not known:
        return seen
    first_new = max(word.line for word in known) + 1
    seen = [Word(w.text, w.x0, w.y0, w.x1, w.y1, w.confidence, w.line + first_new) for w in seen]
    one_line: dict[int, int] = {}
    fresh: list[Word] = []
    for word in seen:
        twin = next((other for other in known if word.share_inside(other) > _SAME), None)
        if twin is None:
            fresh.append(word)
        else:
            one_line.setdefault(word.line, twin.line)
    return [*known, *(_on_line(word, one_line.get(word.line, word.line)) for word in fresh)]


def _on_line(word: Word, line: int) -> Word:
    return Word(word.text, word.x0, word.y0, word.x1, word.y1, word.confidence, line)


def _enlarged(word: Word, scale: float, size: tuple[int, int]) -> Word:
    return Word(
        word.text, round(word.x0 * scale), round(word.y0 * scale), min(round(word.x1 * scale), size[0]),
        min(round(word.y1 * scale), size[1]), word.confidence, word.line,
    )  # fmt: skip


def _ordered(lines: list[list[Word]]) -> list[list[Word]]:
    """Lines from the top down, those of about one height from left to right, and so the words of each."""
    lines = [sorted(line, key=lambda word: word.x0) for line in lines]
    lines.sort(key=lambda line: _middle(line[0]))
    rows: list[list[list[Word]]] = [lines[:1]] if lines else []
    for above, line in pairwise(lines):
        same_row = _middle(line[0]) - _middle(above[0]) < 0.5 * (line[0].y1 - line[0].y0)
        if same_row:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line[0].x0)]


def _middle(word: Word) -> float:
    return (word.y0 + word.y1) / 2
