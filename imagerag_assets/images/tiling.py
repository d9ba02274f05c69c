"""Boxes over an image: level 0 is the whole, level 1 a grid of overlapping tiles where the image is large."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from imagerag_assets.settings import Tiling

TILING_VERSION = 1


@dataclass(frozen=True)
class Tile:
    """Pixels [x0, x1) × [y0, y1) of the upright image."""

    level: int
    x0: int
    y0: int
    x1: int
    y1: int


def tile_boxes(width: int, height: int, tiling: Tiling) -> list[Tile]:
    """The tiles of an image, the whole first. Together, level 1's cover every pixel; no two are equal."""
    whole = Tile(0, 0, 0, width, height)
    if max(width, height) <= tiling.min_side:
        return [whole]
    grid = [
        Tile(1, x, y, min(x + tiling.size, width), min(y + tiling.size, height))
        for y in _starts(height, tiling)
        for x in _starts(width, tiling)
    ]
    return [whole, *grid] if len(grid) > 1 else [whole]


def _starts(length: int, tiling: Tiling) -> list[int]:
    """Evenly spread starts of tiles along one side, overlapping by `tiling.overlap` or more."""
    if length <= tiling.size:
        return [0]
    count = ceil((length - tiling.overlap) / (tiling.size - tiling.overlap))
    return [round(index * (length - tiling.size) / (count - 1)) for index in range(count)]
