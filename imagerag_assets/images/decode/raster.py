"""The formats that Pillow decodes, one image a file: of an animation the first frame."""

from __future__ import annotations

import io
import struct
import warnings
from functools import lru_cache

from PIL import ExifTags, GifImagePlugin, Image

from imagerag_assets.images.decode.colour import to_srgb
from imagerag_assets.images.decode.image import (
    BROKEN_EXIF,
    DecodedImage,
    exif_facts,
    require_frames,
    require_pixels,
)
from imagerag_assets.settings import Limits

# For bytes without a telling start. Not among them: EPS (Ghostscript runs the file), WMF (Windows draws it), and the
# formats of which Pillow reads only a header.
_LESS_COMMON = (
    "PPM", "ICO", "CUR", "TGA", "PCX", "DCX", "SGI", "SUN", "XBM", "XPM", "MSP", "IM", "FITS", "FLI", "BLP", "FTEX",
    "GBR", "PIXAR", "SPIDER", "XVTHUMB", "PCD", "DIB",
)  # fmt: skip
# Formats of animations and bursts that tell in their header how long they are. Others have layers, sizes or pages.
_TELL_FRAMES = {"PNG", "WEBP", "AVIF", "HEIF", "MPO", "FLI"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, limits: Limits, name: str, side: int | None = None) -> DecodedImage:
    """Decode with Pillow's plugin `name`, or with whichever of the less common formats it is. Raises nearly anything.

    With `side`, a JPEG whose short side is at least twice that comes out reduced by 2, 4 or 8, never below `side`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_image(data, limits, name) as opened:
            require_pixels(*opened.size, limits)
            if side is not None:
                # JPEG's own reduction: a few of the coefficients instead of all of them. Others ignore it.
                opened.draft(None, _reduced(opened.size, side))
            return load(opened, limits)


def open_image(data: bytes, limits: Limits, name: str) -> Image.Image:
    """The header's facts; no pixel is decoded yet."""
    _load_plugins()
    # Pillow's own limit would refuse what the settings allow; for a picture inside a file (ICO) it is the only one.
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    if not name:
        return Image.open(io.BytesIO(data), formats=_LESS_COMMON)
    # Not through Image.open, which tells of a broken file only that it is no image.
    opened: Image.Image = Image.OPEN[name][0](io.BytesIO(data), "")
    return opened


def load(opened: Image.Image, limits: Limits) -> DecodedImage:
    """Decode the pixels of what was opened: in sRGB, upright."""
    frames = require_frames(_count_frames(opened, limits), limits)
    # First of all: a PNG's EXIF is read by loading the pixels, and the second load after a failed one is silent.
    opened.load()
    profile = opened.info.get("icc_profile")
    seen = to_srgb(_upright(opened), profile)
    return DecodedImage(seen, opened.format or "?", opened.mode, exif_facts(opened), frames)


@lru_cache(maxsize=1)
def _load_plugins() -> None:
    Image.init()


def _reduced(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The smallest size that JPEG reduces to with a short side of `side` or more, without a rest.

    A rest would fill a part of a last pixel, and all others would lie a little beside where they were.
    """
    width, height = size
    by = next((by for by in (8, 4, 2) if min(size) >= by * side and width % by == height % by == 0), 1)
    return width // by, height // by


def _count_frames(opened: Image.Image, limits: Limits) -> int:
    """How many frames an animation has. A GIF tells only to those who walk it: not further than the limit allows."""
    if opened.format in _TELL_FRAMES:
        return int(getattr(opened, "n_frames", 1))
    if not isinstance(opened, GifImagePlugin.GifImageFile):
        return 1
    count = 1
    try:
        # As Pillow's own n_frames does, without decoding a frame, but with an end.
        while count <= limits.max_frames:
            opened._seek(count, False)
            count += 1
    except (EOFError, SyntaxError, ValueError, IndexError, struct.error):
        pass
    opened.seek(0)
    return count


def _upright(opened: Image.Image) -> Image.Image:
    """Turn as EXIF says. ImageOps.exif_transpose also writes the EXIF anew, and fails where any tag of it is broken.

    TIFF's and HEIC's own orientation was applied by their decoders, which then take it out of the EXIF; AVIF's decoder
    hands its own on as EXIF.
    """
    try:
        turn = _TURNS.get(opened.getexif().get(ExifTags.Base.Orientation, 1))
    except BROKEN_EXIF:
        turn = None
    return opened.copy() if turn is None else opened.transpose(turn)
