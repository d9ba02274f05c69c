"""Pixels for the encoders: decoded small where that loses nothing, and in full where tiles are cut out."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imagerag_assets.images.crops import crop_tiles, decode_tiles, shrink
from imagerag_assets.images.decode import decode
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


def seen(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((MODEL, MODEL), Image.Resampling.BICUBIC), dtype=float)


@pytest.mark.parametrize("size", [(4000, 3000), (2000, 1500), (1480, 1110), (3000, 400)])
@pytest.mark.parametrize("make", [grain, rings])
def test_a_whole_jpeg_is_decoded_small_and_the_model_sees_no_difference(make: object, size: tuple[int, int]) -> None:
    assert callable(make)
    data = encoded(make(size), "JPEG", quality=88)
    full = shrink(decode(data, LIMITS).image, 2 * MODEL)
    (small,) = decode_tiles(data, LIMITS, 1, WHOLE, 2 * MODEL)
    assert small.size == full.size
    assert np.abs(seen(small) - seen(full)).mean() <= 1.0


def test_a_reduced_decode_never_falls_below_the_side_that_was_asked_for() -> None:
    data = encoded(draw(1, (4000, 3000)), "JPEG")
    assert decode(data, LIMITS, side=448).image.size == (500, 375)
    assert decode(data, LIMITS, side=500).image.size == (500, 375)
    assert decode(data, LIMITS, side=501).image.size == (1000, 750)
    assert decode(data, LIMITS, side=4000).image.size == (4000, 3000)


def test_a_reduced_decode_stands_upright_too() -> None:
    data = encoded(turned(draw(1, (1600, 800)), 6), "JPEG", exif=exif_with_orientation(6))
    assert decode(data, LIMITS, side=200).image.size == (200, 100)


def test_other_formats_are_decoded_in_full() -> None:
    assert decode(encoded(draw(1, (1600, 800)), "PNG"), LIMITS, side=100).image.size == (1600, 800)


def test_tiles_are_cut_from_the_full_pixels() -> None:
    picture = draw(1, (1600, 800))
    data = encoded(picture, "JPEG", quality=95)
    boxes = [(0, 0, 0, 1600, 800), (1, 0, 0, 800, 800), (2, 800, 0, 1600, 800)]
    crops = decode_tiles(data, LIMITS, 1, boxes, 1000)
    expected = crop_tiles(Image.open(io.BytesIO(data)).convert("RGB"), boxes, 1000)
    assert [crop.size for crop in crops] == [(1000, 500), (800, 800), (800, 800)]
    assert all(one.tobytes() == other.tobytes() for one, other in zip(crops, expected, strict=True))
