"""An image as it is sent to a model: its size, its bytes, and their true MIME type."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

_FEW_COLOURS = 2048
"""Screens, plans and drawings have fewer in a small sample of their pixels; photographs have more."""

_LARGEST_PNG = 3_700_000
"""Bytes. Anthropic takes at most 5 MB of an image in base64, and a scan in shades of grey counts as drawn."""


@dataclass(frozen=True)
class SentPicture:
    """Encoded anew from the pixels, so that nothing of the file but its picture (no EXIF) leaves the machine."""

    data: bytes
    mime: str
    width: int
    height: int

    @property
    def url(self) -> str:
        return f"data:{self.mime};base64,{base64.b64encode(self.data).decode()}"


def fit(size: tuple[int, int], longest_side: int) -> tuple[int, int]:
    """The size in pixels, shrunk to `longest_side` but never enlarged."""
    scale = min(1.0, longest_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def shrink(image: Image.Image, longest_side: int) -> Image.Image:
    """The image with its longest side at most `longest_side` pixels."""
    size = fit(image.size, longest_side)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def prepare(image: Image.Image, longest_side: int) -> SentPicture:
    """An RGB image as PNG where it is drawn and as JPEG where it is photographed, sharp enough to read text in."""
    drawn = image.resize((256, 256), Image.Resampling.NEAREST).getcolors(_FEW_COLOURS) is not None
    sent = shrink(image, longest_side)
    if drawn and len(data := _encoded(sent, "PNG", optimize=False)) <= _LARGEST_PNG:
        return SentPicture(data, "image/png", *sent.size)
    return SentPicture(_encoded(sent, "JPEG", quality=90, subsampling=0), "image/jpeg", *sent.size)


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
