"""PDF: every page drawn as an image by PDFium."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode.image import DecodedImage
from imagerag_assets.settings import Limits

_POINTS_PER_INCH = 72
_SHOWN = {"Title": "ImageDescription", "Author": "Artist", "Creator": "Software", "CreationDate": "DateTime"}
# PDFium may be called by one thread at a time.
_ONE_AT_A_TIME = threading.Lock()


def page_count(data: bytes) -> int:
    """How many pages. Raises `ItemError`, or what PDFium raises."""
    with _opened(data) as document:
        return len(document)


def decode_page(data: bytes, limits: Limits, page: int) -> DecodedImage:
    """Draw a page at limits.pdf_dpi, or at less where that would pass limits.max_pixels."""
    with _opened(data) as document:
        document.init_forms()
        drawn = document[page - 1]
        width, height = drawn.get_size()
        if not (width > 0 and height > 0 and math.isfinite(width * height)):
            raise ItemError("decode_error", f"Page {page} is {width} × {height} points large.")
        dpi = _resolution(width, height, limits)
        bitmap = drawn.render(scale=dpi / _POINTS_PER_INCH, rev_byteorder=True)
        # A copy: the bitmap's memory goes with the document.
        image = bitmap.to_pil().convert("RGB").copy()
        return DecodedImage(image, "PDF", "RGB", _facts(document), 1, dpi)


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    import pypdfium2

    with _ONE_AT_A_TIME:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                raise ItemError("unsupported", "The PDF asks for a password. Save it without one.") from None
            raise
        try:
            yield document
        finally:
            document.close()


def _resolution(width: float, height: float, limits: Limits) -> float:
    """Dots per inch for a page of `width` × `height` points. PDFium rounds both sides up, hence the 1."""
    area = (width * height) / _POINTS_PER_INCH**2
    rounding = (width + height) / _POINTS_PER_INCH
    # (dpi·w + 1)·(dpi·h + 1) ≤ max_pixels, solved for dpi.
    most = (-rounding + math.sqrt(rounding**2 + 4 * area * max(limits.max_pixels - 1, 1))) / (2 * area)
    return min(float(limits.pdf_dpi), most)


def _facts(document: Any) -> dict[str, str]:
    """The document's properties under the names that EXIF has for them."""
    found = document.get_metadata_dict(skip_empty=True)
    texts = {name: str(found[key]).replace("\x00", "").strip()[:500] for key, name in _SHOWN.items() if key in found}
    return {name: text.encode("utf-8", "replace").decode() for name, text in texts.items() if text}
