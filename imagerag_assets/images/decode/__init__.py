"""Bytes → one upright RGB image per page, or an `ItemError` with a stable reason (docs/quarantine.md).

Only here are decoders called, in this process and without a guard: what a hostile file does to a decoder is kept from
the run by `imagerag_assets.images.workers`. What the bytes are is told from the bytes and never from a file's name.
"""

from __future__ import annotations

from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode import heif, pdf, raster, tiff
from imagerag_assets.images.decode.colour import to_rgb
from imagerag_assets.images.decode.image import DecodedImage, refused_because, require_size
from imagerag_assets.images.decode.kinds import Kind, kind_of
from imagerag_assets.settings import Limits

__all__ = ["DECODE_VERSION", "DecodedImage", "decode", "page_count", "require_size", "to_rgb"]

# Part of the fingerprint of everything made from pixels: raise it when decoding changes what is seen.
DECODE_VERSION = 2


def decode(data: bytes, limits: Limits, page: int = 1, side: int | None = None) -> DecodedImage:
    """Decode one page (counted from 1) of the file.

    With `side` the image may come out reduced, where the format can (JPEG): its short side is then still `side` pixels
    or more. Raises `ItemError` with a reason of docs/quarantine.md.
    """
    kind = _admit(data, limits)
    try:
        if kind.family == "pdf":
            return pdf.decode_page(data, limits, page)
        if kind.family == "tiff":
            return tiff.decode_page(data, limits, page)
        if kind.family == "heif":
            return heif.decode(data, limits)
        return raster.decode(data, limits, kind.format, side)
    # Broken files make decoders raise nearly anything: struct.error (JPEG's EXIF), RuntimeError (AVIF),
    # NotImplementedError (DDS). None of it may end a run over a folder.
    except Exception as error:  # noqa: BLE001
        raise refused_because(error, kind, data, limits) from None


def page_count(data: bytes, limits: Limits) -> int:
    """How many images the file gives. Only TIFF and PDF have pages; an animation gives its first frame.

    Raises `ItemError` like `decode`; `too_large` for more pages than limits.max_pages.
    """
    kind = _admit(data, limits)
    if kind.family not in ("pdf", "tiff"):
        return 1
    try:
        count = pdf.page_count(data) if kind.family == "pdf" else tiff.page_count(data, limits)
    except Exception as error:  # noqa: BLE001
        raise refused_because(error, kind, data, limits) from None
    if count > limits.max_pages:
        raise ItemError("too_large", f"More than {limits.max_pages:,} pages, which is limits.max_pages.")
    return count


def _admit(data: bytes, limits: Limits) -> Kind:
    """What the bytes are. Raises `ItemError` for what is no image, or too much of one."""
    if not data:
        raise ItemError("empty", "The file has no bytes.")
    require_size(len(data), limits)
    kind = kind_of(data)
    if kind.family == "refused":
        raise ItemError(kind.reason, kind.message)
    return kind
