"""Pixels for the encoders: decoded small where that loses nothing, and in full where tiles are cut out."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessorPil

from imagerag_assets.images.crops import decode_tiles
from imagerag_assets.images.decode import decode
from imagerag_assets.models.preparation import least_side, preparation_like
from imagerag_assets.settings import Limits
from imagerag_assets_tests.images.zoo import encoded, exif_with_orientation, turned
from imagerag_assets_tests.pictures import draw

LIMITS = Limits()
MODEL = 224
WHOLE = [(0, 0, 0, 1, 1)]


def grain(size: tuple[int, int]) -> Image.Image:
    """A scene with a camera's noise all over."""
    noise = np.random.default_rng(7).normal(0, 12, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(draw(3, size)) + noise, 0, 255).astype(np.uint8))


def rings(size: tuple[int, int]) -> Image.Image:
    """A zone plate: every frequency there is, where careless reduction makes moiré."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    return Image.fromarray((127 + 127 * np.sin((x * x + y * y) / 3000.0)).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize("size", [(2000, 1500), (1600, 1200), (1000, 3000), (2240, 560)])
@pytest.mark.parametrize(("make", "most"), [(grain, 0.75), (rings, 2.0)])
def test_a_whole_jpeg_is_decoded_small_and_the_model_sees_no_difference(
    make: Callable[[tuple[int, int]], Image.Image], most: float, size: tuple[int, int]
) -> None:
    prepare = preparation_like(CLIPImageProcessorPil())
    assert prepare is not None
    data = encoded(make(size), "JPEG", quality=88)
    (small,) = decode_tiles(data, LIMITS, 1, WHOLE, least_side(MODEL))
    stock = CLIPImageProcessorPil()(Image.open(io.BytesIO(data)), do_rescale=False, do_normalize=False)
    seen = np.asarray(stock["pixel_values"][0], dtype=float).transpose(1, 2, 0)
    assert np.abs(prepare(small) - seen).mean() <= most


def test_a_reduced_decode_never_falls_below_the_side_that_was_asked_for() -> None:
    data = encoded(draw(1, (4000, 3000)), "JPEG")
    assert decode(data, LIMITS, side=375).image.size == (500, 375)
    assert decode(data, LIMITS, side=376).image.size == (1000, 750)
    assert decode(data, LIMITS, side=3000).image.size == (4000, 3000)


def test_a_jpeg_is_not_reduced_by_what_does_not_divide_it() -> None:
    """Half of a last pixel would move all others: 1.0 to 1.7 of 255 steps in the mean, with a short side of 899."""
    assert decode(encoded(draw(1, (2000, 1502)), "JPEG"), LIMITS, side=100).image.size == (1000, 751)
    assert decode(encoded(draw(1, (2001, 1500)), "JPEG"), LIMITS, side=100).image.size == (2001, 1500)


def test_a_reduced_decode_stands_upright_too() -> None:
    data = encoded(turned(draw(1, (1600, 800)), 6), "JPEG", exif=exif_with_orientation(6))
    assert decode(data, LIMITS, side=100).image.size == (200, 100)


def test_other_formats_are_decoded_in_full() -> None:
    assert decode(encoded(draw(1, (1600, 800)), "PNG"), LIMITS, side=100).image.size == (1600, 800)


def test_tiles_are_cut_from_the_full_pixels() -> None:
    picture = draw(1, (1600, 800))
    data = encoded(picture, "JPEG", quality=95)
    boxes = [(0, 0, 0, 1600, 800), (1, 0, 0, 800, 800), (2, 800, 0, 1600, 800)]
    crops = list(decode_tiles(data, LIMITS, 1, boxes, 400))
    opened = Image.open(io.BytesIO(data)).convert("RGB")
    expected = [opened.crop((x0, y0, x1, y1)) for _, x0, y0, x1, y1 in boxes]
    assert all(one.tobytes() == other.tobytes() for one, other in zip(crops, expected, strict=True))
