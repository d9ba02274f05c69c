"""What decoding gives, and why it gives nothing: the parts that all format families share."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError

from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode.kinds import Kind, ends_early, name_unknown
from imagerag_assets.settings import Limits

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
BROKEN_EXIF = (OSError, SyntaxError, ValueError, KeyError, TypeError, AttributeError, struct.error)


@dataclass(frozen=True)
class DecodedImage:
    """`image` is RGB in sRGB, upright, on white where it was transparent; `mode` and `format` are the file's own.

    `frames` is more than 1 for an animation or a burst, of which `image` is the first or the primary one. `dpi` is the
    resolution that a PDF's page was drawn at, None for everything else.
    """

    image: Image.Image
    format: str
    mode: str
    exif: dict[str, str]
    frames: int = 1
    dpi: float | None = None


def require_size(size_bytes: int, limits: Limits) -> None:
    """Refuse a file of so many bytes, best before it is read. Raises `ItemError` with reason `too_large`."""
    if size_bytes > limits.max_bytes:
        raise ItemError("too_large", f"{size_bytes:,} bytes; limits.max_bytes is {limits.max_bytes:,}.")


def require_pixels(width: int, height: int, limits: Limits) -> None:
    """Refuse so many pixels before one of them is decoded. Raises `ItemError` with reason `too_large`."""
    if width * height > limits.max_pixels:
        raise ItemError(
            "too_large",
            f"{width}×{height} pixels; limits.max_pixels is {limits.max_pixels:,}. Nothing was decoded.",
        )


def require_frames(frames: int, limits: Limits) -> int:
    """The number itself. Raises `ItemError` with reason `too_large`."""
    if frames > limits.max_frames:
        raise ItemError("too_large", f"More than {limits.max_frames:,} frames, which is limits.max_frames.")
    return frames


def refused_because(error: Exception, kind: Kind, data: bytes, limits: Limits) -> ItemError:
    """The reason of docs/quarantine.md that fits what a decoder raised."""
    if isinstance(error, ItemError):
        return error
    if isinstance(error, Image.DecompressionBombError):
        return ItemError("too_large", f"{error} limits.max_pixels is {limits.max_pixels:,}.")
    if isinstance(error, MemoryError):
        return ItemError("too_large", "Decoding needs more memory than limits.max_pixels and max_bytes provide for.")
    if isinstance(error, UnidentifiedImageError):
        return ItemError("not_an_image", name_unknown(data))
    text = str(error).lower()
    if "max_text" in text:
        return ItemError("too_large", f"Its text chunks unpack to too much: {error}.")
    # Pillow has no classes for these; its messages and the file's own end are all there is to tell by.
    cut_off = any(word in text for word in ("truncated", "unexpected end", "eof", "incomplete"))
    message = f"{kind.format or 'image'}: {type(error).__name__}: {error}"
    if cut_off or isinstance(error, EOFError) or ends_early(kind, data):
        return ItemError("truncated", message)
    if isinstance(error, NotImplementedError) or any(word in text for word in ("unsupported", "unknown pixel mode")):
        return ItemError("unsupported", message)
    return ItemError("decode_error", message)


def exif_facts(opened: Image.Image) -> dict[str, str]:
    """The few facts that people ask for, as text without NUL (which Postgres cannot hold)."""
    try:
        found = opened.getexif()
        values: dict[int, Any] = {**found, **found.get_ifd(ExifTags.IFD.Exif)}
    except BROKEN_EXIF:
        # Broken EXIF in a good picture is common and costs only the facts.
        return {}
    named = {ExifTags.TAGS.get(tag, ""): value for tag, value in values.items()}
    shown = {name: _text(named[name]) for name in _EXIF_SHOWN if name in named}
    return {name: value for name, value in shown.items() if value}


def _text(value: Any) -> str:
    # A lone surrogate is no more welcome in Postgres than NUL.
    clean = str(value).encode("utf-8", "replace").decode().replace("\x00", "")
    return clean.strip()[:500]
