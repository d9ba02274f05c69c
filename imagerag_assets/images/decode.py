"""Bytes → one upright RGB image, or an `ItemError` with a stable reason. Only here are Pillow's decoders called."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from imagerag_assets.errors import ItemError
from imagerag_assets.settings import Limits

# Part of the fingerprint of everything made from pixels: raise it when decoding changes what is seen.
DECODE_VERSION = 1

_EXIF_SHOWN = (
    "Make",
    "Model",
    "DateTimeOriginal",
    "DateTime",
    "Software",
    "ImageDescription",
    "Artist",
    "Copyright",
)
_BROKEN_EXIF = (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class DecodedImage:
    """`image` is RGB, upright, on white where it was transparent; `mode` and `format` are the file's own."""

    image: Image.Image
    format: str
    mode: str
    exif: dict[str, str]


def decode(data: bytes, limits: Limits) -> DecodedImage:
    """Decode one image.

    Raises `ItemError` with reason `empty`, `too_large`, `not_an_image`, `truncated` or `decode_error`.
    """
    if not data:
        raise ItemError("empty", "The file has no bytes.")
    require_size(len(data), limits)
    try:
        with warnings.catch_warnings():
            # The limit below is ours and is an error, not a warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # Pillow's own would refuse what the settings allow; for a picture inside a file (ICO) it is the only one.
            Image.MAX_IMAGE_PIXELS = limits.max_pixels
            with Image.open(io.BytesIO(data)) as opened:
                return _load(opened, limits)
    except ItemError:
        raise
    except Image.DecompressionBombError as error:
        raise ItemError("too_large", f"{error} limits.max_pixels is {limits.max_pixels:,}.") from None
    except UnidentifiedImageError:
        raise ItemError("not_an_image", "The bytes are of no image format that can be read.") from None
    # Broken files make decoders raise nearly anything: struct.error (JPEG's EXIF), RuntimeError (AVIF),
    # NotImplementedError (DDS). None of it may end a run over a folder.
    except Exception as error:  # noqa: BLE001
        # Pillow has no class for a file that ends early; its messages are all there is to tell by.
        cut_off = any(word in str(error).lower() for word in ("truncated", "unexpected end", "eof", "incomplete"))
        reason = "truncated" if cut_off or isinstance(error, EOFError) else "decode_error"
        raise ItemError(reason, f"{type(error).__name__}: {error}") from None


def require_size(size_bytes: int, limits: Limits) -> None:
    """Refuse a file of so many bytes, best before it is read. Raises `ItemError` with reason `too_large`."""
    if size_bytes > limits.max_bytes:
        raise ItemError("too_large", f"{size_bytes:,} bytes; limits.max_bytes is {limits.max_bytes:,}.")


def _load(opened: Image.Image, limits: Limits) -> DecodedImage:
    width, height = opened.size
    if width * height > limits.max_pixels:
        raise ItemError(
            "too_large",
            f"{width}×{height} pixels; limits.max_pixels is {limits.max_pixels:,}. Nothing was decoded.",
        )
    # First of all: a PNG's EXIF is read by loading the pixels, and the second load after a failed one is silent.
    opened.load()
    return DecodedImage(to_rgb(_upright(opened)), opened.format or "?", opened.mode, _exif(opened))


def _upright(opened: Image.Image) -> Image.Image:
    """Turn as EXIF says. ImageOps.exif_transpose also writes the EXIF anew, and fails where any tag of it is broken."""
    try:
        turn = _TURNS.get(opened.getexif().get(ExifTags.Base.Orientation, 1))
    except _BROKEN_EXIF:
        turn = None
    return opened.copy() if turn is None else opened.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB, with transparency on white and 16-bit grey scaled to 8."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith(("I;16", "I", "F")):
        grey = np.asarray(image, dtype=np.float32)
        # A 32-bit container mostly holds 16-bit samples; anything else is stretched to what it uses.
        top = 65535.0 if grey.min() >= 0 and 255 < grey.max() <= 65535 else max(float(grey.max()), 1.0)
        return Image.fromarray((np.clip(grey / top, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _exif(opened: Image.Image) -> dict[str, str]:
    """The few facts that people ask for, as text without NUL (which Postgres cannot hold)."""
    try:
        found = opened.getexif()
        values: dict[int, Any] = {**found, **found.get_ifd(ExifTags.IFD.Exif)}
    except _BROKEN_EXIF:
        # Broken EXIF in a good picture is common and costs only the facts.
        return {}
    named = {ExifTags.TAGS.get(tag, ""): value for tag, value in values.items()}
    shown = {name: str(named[name]).replace("\x00", "").strip()[:500] for name in _EXIF_SHOWN if name in named}
    return {name: value for name, value in shown.items() if value}
