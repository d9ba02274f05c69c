"""Names for pixels: content hash, perceptual hashes and how they turn with a picture, thumbnail."""

from __future__ import annotations

import hashlib
import io
import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_VERSION = 1
THUMBNAIL_SIDE = 256


def content_hash(data: bytes) -> str:
    """sha256 of the bytes: the name of a content everywhere."""
    return hashlib.sha256(data).hexdigest()


def perceptual_hashes(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """(pHash, dHash), each 64 booleans. Near pictures differ in few of them."""
    import imagehash

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


class Orientation(NamedTuple):
    """A way to lay a picture down: transposed first, then mirrored top to bottom, then left to right."""

    transposed: bool
    upside_down: bool
    mirrored: bool

    @property
    def is_rotation(self) -> bool:
        """Whether turning alone leads to it: an even number of mirrorings."""
        return sum(self) % 2 == 0


ORIENTATIONS = tuple(Orientation(*map(bool, flags)) for flags in itertools.product((0, 1), repeat=3))
"""All eight, upright first."""


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """`pixels` (height × width × anything) in that orientation of `ORIENTATIONS`."""
    how = ORIENTATIONS[orientation]
    if how.transposed:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if how.upside_down else 1, :: -1 if how.mirrored else 1]


def turned_phashes(phashes: NDArray[np.uint64], orientation: int) -> NDArray[np.uint64]:
    """The pHashes that the pictures have in that orientation of `ORIENTATIONS`, without looking at a pixel.

    A pHash's 64 bits are the signs (about a median near zero) of the 8 × 8 lowest coefficients of a cosine transform.
    Mirroring negates every other coefficient along its axis and transposing transposes them, so bits flip or move.
    Being a permutation and a mask it keeps Hamming distances: turning one picture or the other back is the same. A
    coefficient between the median and zero may get the wrong bit: two bits in the mean, against the picture's own.
    """
    how = ORIENTATIONS[orientation]
    bits = np.unpackbits(phashes.astype(">u8").view(np.uint8)).reshape(-1, 8, 8)
    if how.transposed:
        bits = bits.transpose(0, 2, 1)
    odd = np.arange(8, dtype=np.uint8) % 2
    mask = (odd[:, None] * how.upside_down) ^ (odd[None, :] * how.mirrored)
    return np.packbits((bits ^ mask.astype(np.uint8)).reshape(-1, 64)).view(">u8").astype(np.uint64)
