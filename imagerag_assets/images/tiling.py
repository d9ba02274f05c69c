"""Boxes over an image: level 0 is the whole, further levels are grids of overlapping tiles, the coarsest first."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

from imagerag_assets.settings import Tiling

TILING_VERSION = 2
_SEEN_PIXELS = 16
"""A detail counts as seen when it is this large in the encoder's input: a patch of a vision transformer (ViT-*/16)."""
_STEP = 4.5
"""From one level to the next a tile's side shrinks by this at most, so that things of all sizes are seen whole."""
_LONG = 2.5
"""Long side per short side from which an image is cut along its long side: encoders squash or crop it to a square."""
_ALONE, _STRETCH = 1.5, 1.15
"""An image at most so many times a tile's side has none; a tile may be so much longer when that saves others."""
_COARSER = 1.1


@dataclass(frozen=True)
class Tile:
    """Pixels [x0, x1) × [y0, y1) of the upright image."""

    level: int
    x0: int
    y0: int
    x1: int
    y1: int


def tile_boxes(width: int, height: int, encoder_side: int, tiling: Tiling) -> list[Tile]:
    """The tiles of an image for an encoder that sees squares of `encoder_side` pixels, the whole first.

    The finest level's tiles are as large as lets a detail of `tiling.detail` pixels be seen; where that takes more than
    `tiling.max_tiles`, they are larger. Every level covers every pixel; no two boxes are equal.
    """
    short, long = sorted((width, height))
    finest = encoder_side * tiling.detail / _SEEN_PIXELS
    # An elongated image is cut into squares of its short side, but into none smaller than what the encoder sees.
    largest = float(max(short, encoder_side) if long > _LONG * short else long)
    while True:
        tiles = _tiles(width, height, finest, largest, tiling.overlap)
        if len(tiles) <= tiling.max_tiles:
            return tiles
        finest, largest = finest * _COARSER, largest * _COARSER


def _tiles(width: int, height: int, finest: float, largest: float, overlap: float) -> list[Tile]:
    tiles = [Tile(0, 0, 0, width, height)]
    last: list[tuple[int, int, int, int]] = []
    for level_side in _level_sides(max(width, height), finest):
        side = min(level_side, largest)
        if max(width, height) <= _ALONE * side:
            continue
        columns, rows = (_spans(length, side, overlap) for length in (width, height))
        boxes = [(x0, y0, x1, y1) for y0, y1 in rows for x0, x1 in columns]
        if len(boxes) > 1 and boxes != last:
            level = tiles[-1].level + 1
            tiles += [Tile(level, *box) for box in boxes]
            last = boxes
    return tiles


def _level_sides(longest: int, finest: float) -> list[float]:
    """The tiles' sides from the first level below the whole to the finest, in equal ratios of at most `_STEP`."""
    ratio = max(longest / finest, 1.0)
    levels = max(1, ceil(log(ratio, _STEP)))
    return [finest * ratio ** (1 - level / levels) for level in range(1, levels + 1)]


def _spans(length: int, side: float, overlap: float) -> list[tuple[int, int]]:
    """The fewest equal spans of about `side` that cover the length; each repeats `overlap` of a side of the next."""
    shared = overlap * side
    # From length = count · span − (count − 1) · shared, with the longest span that is allowed.
    count = max(1, ceil((length - shared) / (_STRETCH * side - shared)))
    if count == 1:
        return [(0, length)]
    span = ceil((length + (count - 1) * shared) / count)
    starts = [round(number * (length - span) / (count - 1)) for number in range(count)]
    return [(start, start + span) for start in starts]
