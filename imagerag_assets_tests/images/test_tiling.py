"""Tiles cover the image, stay inside, are unique and overlap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imagerag_assets.images.tiling import Tile, tile_boxes
from imagerag_assets.settings import Tiling

tilings = st.integers(64, 1500).flatmap(
    lambda size: st.builds(
        Tiling, min_side=st.integers(64, 3000), size=st.just(size), overlap=st.integers(0, size // 2)
    )
)
sides = st.integers(1, 9000)


def intervals(boxes: list[Tile], low: str, high: str) -> list[tuple[int, int]]:
    """The distinct ranges along one side, in order."""
    return sorted({(getattr(box, low), getattr(box, high)) for box in boxes})


@given(width=sides, height=sides, tiling=tilings)
def test_the_whole_comes_first_and_every_tile_is_inside_and_unique(width: int, height: int, tiling: Tiling) -> None:
    boxes = tile_boxes(width, height, tiling)
    assert boxes[0] == Tile(0, 0, 0, width, height)
    assert all(box.level == 1 for box in boxes[1:])
    assert all(0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height for box in boxes)
    assert all(box.x1 - box.x0 <= tiling.size and box.y1 - box.y0 <= tiling.size for box in boxes[1:])
    corners = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]
    assert len(set(corners)) == len(corners)


@given(width=sides, height=sides, tiling=tilings)
def test_the_tiles_form_a_grid_that_covers_every_pixel_and_overlaps_as_set(
    width: int, height: int, tiling: Tiling
) -> None:
    grid = tile_boxes(width, height, tiling)[1:]
    if not grid:
        return
    columns, rows = intervals(grid, "x0", "x1"), intervals(grid, "y0", "y1")
    assert len(grid) == len(columns) * len(rows)
    for found, length in ((columns, width), (rows, height)):
        assert found[0][0] == 0
        assert found[-1][1] == length
        for (_, end), (start, _) in pairwise(found):
            assert end - start >= tiling.overlap


@given(width=sides, height=sides, tiling=tilings)
def test_only_images_above_the_threshold_have_tiles(width: int, height: int, tiling: Tiling) -> None:
    boxes = tile_boxes(width, height, tiling)
    if max(width, height) <= tiling.min_side:
        assert len(boxes) == 1
    elif max(width, height) > tiling.size:
        assert len(boxes) > 2


def test_a_small_image_is_covered_pixel_by_pixel() -> None:
    seen = np.zeros((200, 330), dtype=int)
    for box in tile_boxes(330, 200, Tiling(min_side=64, size=128, overlap=32))[1:]:
        seen[box.y0 : box.y1, box.x0 : box.x1] += 1
    assert seen.min() >= 1
    assert seen.max() > 1


def test_the_same_image_always_gets_the_same_tiles() -> None:
    assert tile_boxes(4032, 3024, Tiling()) == tile_boxes(4032, 3024, Tiling())
    assert len(tile_boxes(4032, 3024, Tiling())) == 1 + 5 * 4
