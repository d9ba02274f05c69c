"""Tiles cover the image at every level, stay inside, are unique, overlap, and are as fine as the encoder needs."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerag_assets.images.tiling import Tile, tile_boxes
from imagerag_assets.settings import Tiling

tilings = st.builds(
    Tiling,
    detail=st.integers(16, 300),
    overlap=st.floats(0, 0.5),
    max_tiles=st.one_of(st.integers(1, 20), st.integers(20, 300)),
)
# Sides of all magnitudes: one pixel, thinner than an overlap, a plan of a hundred megapixels.
sides = st.one_of(st.integers(1, 40), st.integers(1, 3000), st.integers(1, 20_000))
encoders = st.sampled_from([96, 192, 224, 384, 512])


def levels(boxes: list[Tile]) -> list[list[Tile]]:
    """The levels below the whole, in order."""
    return [list(group) for _, group in groupby(boxes[1:], key=lambda box: box.level)]


def spans(boxes: list[Tile], low: str, high: str) -> list[tuple[int, int]]:
    """The distinct ranges along one side, in order."""
    return sorted({(getattr(box, low), getattr(box, high)) for box in boxes})


@given(width=sides, height=sides, encoder=encoders, tiling=tilings)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_the_whole_comes_first_and_every_box_is_inside_unique_and_paid_for(
    width: int, height: int, encoder: int, tiling: Tiling
) -> None:
    boxes = tile_boxes(width, height, encoder, tiling)
    assert boxes[0] == Tile(0, 0, 0, width, height)
    assert all(0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height for box in boxes)
    corners = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]
    assert len(set(corners)) == len(corners)
    assert len(boxes) <= tiling.max_tiles
    numbers = [box.level for box in boxes]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(max(numbers) + 1))


@given(width=sides, height=sides, encoder=encoders, tiling=tilings)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_level_is_a_grid_that_covers_every_pixel_and_overlaps_as_set(
    width: int, height: int, encoder: int, tiling: Tiling
) -> None:
    for level in levels(tile_boxes(width, height, encoder, tiling)):
        columns, rows = spans(level, "x0", "x1"), spans(level, "y0", "y1")
        assert len(level) == len(columns) * len(rows) > 1
        for found, length in ((columns, width), (rows, height)):
            assert found[0][0] == 0
            assert found[-1][1] == length
            assert len({end - start for start, end in found}) == 1, "tiles of one level are equally large"
            for (start, end), (next_start, _) in pairwise(found):
                # A tile's side is 0.5 to 1.15 of what it aims at; the share counts of the aim, up to a pixel.
                assert end - next_start >= int(tiling.overlap * (end - start) / 1.15) - 1


@given(width=sides, height=sides, encoder=encoders, tiling=tilings)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_detail_is_seen_at_the_finest_level_unless_that_costs_too_much(
    width: int, height: int, encoder: int, tiling: Tiling
) -> None:
    boxes = tile_boxes(width, height, encoder, Tiling(detail=tiling.detail, overlap=tiling.overlap, max_tiles=10_000))
    if len(boxes) > 9_000:
        return
    finest = levels(boxes)[-1] if len(boxes) > 1 else boxes
    largest = max(max(box.x1 - box.x0, box.y1 - box.y0) for box in finest)
    # 16 pixels of the encoder's input; an image up to half as long again as a tile is left whole.
    assert largest <= 1.5 * max(encoder * tiling.detail / 16, 1) + 1


@given(short=st.integers(1, 3000), ratio=st.floats(2.6, 40), encoder=encoders)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_receipt_or_a_panorama_is_cut_along_its_long_side_only(short: int, ratio: float, encoder: int) -> None:
    long = int(short * ratio) + 1
    if long < 2 * max(short, encoder) or short > encoder * Tiling().detail / 16:
        return
    boxes = tile_boxes(short, long, encoder, Tiling(max_tiles=10_000))
    (first, *_) = levels(boxes)
    assert all((box.x0, box.x1) == (0, short) for box in first)
    longest = max(box.y1 - box.y0 for box in first)
    assert longest <= 1.15 * max(short, encoder) + 1
    turned = tile_boxes(long, short, encoder, Tiling(max_tiles=10_000))
    assert {(box.y0, box.x0, box.y1, box.x1) for box in turned} == {(b.x0, b.y0, b.x1, b.y1) for b in boxes}


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (1080, 1350), (1400, 1050), (600, 1240), (1500, 1000)])
def test_an_ordinary_photo_is_one_tile(size: tuple[int, int]) -> None:
    assert len(tile_boxes(*size, 192, Tiling())) == 1
    assert len(tile_boxes(*size, 224, Tiling())) == 1


@pytest.mark.parametrize(("encoder", "count"), [(192, 13), (224, 13), (384, 5)])
def test_a_photo_of_twelve_megapixels_takes_as_many_as_the_encoder_needs(encoder: int, count: int) -> None:
    assert len(tile_boxes(4032, 3024, encoder, Tiling())) == count


def test_a_very_large_image_has_levels_between_the_whole_and_the_finest() -> None:
    boxes = tile_boxes(16_000, 12_000, 192, Tiling(max_tiles=1000))
    assert [len(level) for level in levels(boxes)] == [4 * 3, 16 * 12]
    assert len(tile_boxes(16_000, 12_000, 192, Tiling())) <= 40


def test_a_small_image_is_covered_pixel_by_pixel() -> None:
    for size in ((330, 200), (129, 128), (500, 90)):
        boxes = tile_boxes(*size, 64, Tiling(detail=32, overlap=0.25))
        assert len(boxes) > 1 or max(size) < 200
        for level in levels(boxes):
            seen = np.zeros((size[1], size[0]), dtype=int)
            for box in level:
                seen[box.y0 : box.y1, box.x0 : box.x1] += 1
            assert seen.min() == 1
            assert seen.max() > 1


def test_exact_multiples_need_no_sliver() -> None:
    tiling = Tiling(detail=16, overlap=0.0)
    boxes = tile_boxes(400, 300, 100, tiling)
    assert [len(level) for level in levels(boxes)] == [4 * 3]
    assert all((box.x1 - box.x0, box.y1 - box.y0) == (100, 100) for box in boxes[1:])


def test_the_same_image_always_gets_the_same_tiles() -> None:
    assert tile_boxes(4032, 3024, 192, Tiling()) == tile_boxes(4032, 3024, 192, Tiling())
