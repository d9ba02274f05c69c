"""HEIC and HEIF, as phones write them, through libheif. Pillow learns nothing of it outside this file."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image

from imagerag_assets.images.decode import raster
from imagerag_assets.images.decode.image import DecodedImage, require_pixels
from imagerag_assets.settings import Limits


def decode(data: bytes, limits: Limits) -> DecodedImage:
    """The primary image of the file; a burst's other images are counted as frames. Raises nearly anything."""
    from pi_heif import HeifImageFile

    opener: Callable[[io.BytesIO], Image.Image] = HeifImageFile
    with opener(io.BytesIO(data)) as opened:
        require_pixels(*opened.size, limits)
        return raster.load(opened, limits)
