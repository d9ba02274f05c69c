"""Names for pixels: content hash, perceptual hashes, thumbnail."""

from __future__ import annotations

import hashlib
import io

import imagehash
import numpy as np
from PIL import Image

HASH_VERSION = 1
THUMBNAIL_SIDE = 256


def content_hash(data: bytes) -> str:
    """sha256 of the bytes: the name of a content everywhere."""
    return hashlib.sha256(data).hexdigest()


def perceptual_hashes(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """(pHash, dHash), each 64 booleans. Near pictures differ in few of them."""
    # Both hashes start with a reduction to 32×32 or less: reducing once to 256 first costs no bit that matters.
    small = image.copy()
    small.thumbnail((256, 256), Image.Resampling.BOX)
    return imagehash.phash(small).hash.ravel(), imagehash.dhash(small).hash.ravel()


def colour_layout(image: Image.Image) -> bytes:
    """32 bytes: the mean chroma (Cb, Cr) of every cell of a 4 × 4 grid. Brightness has no part in it."""
    cells = image.convert("RGB").resize((4, 4), Image.Resampling.BOX).convert("YCbCr")
    return np.asarray(cells)[:, :, 1:].tobytes()


def thumbnail(image: Image.Image) -> bytes:
    """A WebP picture whose long side is at most 256 pixels."""
    small = image.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=75, method=2)
    return buffer.getvalue()
