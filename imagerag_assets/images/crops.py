"""Pixels as the encoders get them."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from imagerag_assets.images.decode import decode
from imagerag_assets.settings import Limits


def decode_tiles(
    data: bytes, limits: Limits, page: int, boxes: Sequence[Sequence[int]], side: int
) -> list[Image.Image]:
    """The pixels of `boxes` (tile_no, x0, y0, x1, y1) of a file's page, from one decode of it.

    `side` is twice what the model sees. When only the whole image is asked for, a JPEG is decoded at an eighth, a
    quarter or half its size, never below twice `side`: what the model then sees differs by less than 1 of 255 steps.
    Raises `ItemError` like `decode`.
    """
    if len(boxes) == 1:
        return [shrink(decode(data, limits, page, 2 * side).image, side)]
    return crop_tiles(decode(data, limits, page).image, boxes, side)


def crop_tiles(image: Image.Image, boxes: Sequence[Sequence[int]], side: int) -> list[Image.Image]:
    """The pixels of `boxes` (tile_no, x0, y0, x1, y1), none larger than `side`: what waits for a model is small."""
    return [shrink(image.crop((x0, y0, x1, y1)), side) for _, x0, y0, x1, y1 in boxes]


def shrink(image: Image.Image, side: int) -> Image.Image:
    """Reduce `image` in place to at most `side` pixels on its long side, and return it.

    Indexed tiles and queries by image both come through here, so that both are seen the same way.
    """
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image
