"""Pixels as the encoders get them."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image


def crop_tiles(image: Image.Image, boxes: Sequence[Sequence[int]], side: int) -> list[Image.Image]:
    """The pixels of `boxes` (tile_no, x0, y0, x1, y1), none larger than `side`: what waits for a model is small."""
    return [shrink(image.crop((x0, y0, x1, y1)), side) for _, x0, y0, x1, y1 in boxes]


def shrink(image: Image.Image, side: int) -> Image.Image:
    """Reduce `image` in place to at most `side` pixels on its long side, and return it.

    Indexed tiles and queries by image both come through here, so that both are seen the same way.
    """
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image
