"""Pixels as the encoders get them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PIL import Image

from imagerag_assets.images.decode import decode
from imagerag_assets.settings import Limits


def decode_tiles(
    data: bytes, limits: Limits, page: int, boxes: Sequence[Sequence[int]], side: int
) -> Iterator[Image.Image]:
    """The pixels of `boxes` (tile_no, x0, y0, x1, y1) of a file's page, from one decode of it and one at a time.

    When only the whole image is asked for, a JPEG is decoded at an eighth, a quarter or half its size where its short
    side stays `side` or more. Raises `ItemError` like `decode`.
    """
    if len(boxes) == 1:
        yield decode(data, limits, page, side).image
        return
    image = decode(data, limits, page).image
    for _, x0, y0, x1, y1 in boxes:
        yield image.crop((x0, y0, x1, y1))


def shrink(image: Image.Image, side: int) -> Image.Image:
    """Reduce `image` in place to at most `side` pixels on its long side, and return it."""
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image
