"""Names for pixels: equal bytes are one content, near pictures have near hashes, thumbnails are small."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from imagerag_assets.images.hashing import content_hash, perceptual_hashes, thumbnail
from imagerag_assets_tests.pictures import draw


def distances(one: Image.Image, other: Image.Image) -> tuple[int, int]:
    """Differing bits of pHash and dHash."""
    pairs = zip(perceptual_hashes(one), perceptual_hashes(other), strict=True)
    return tuple(int(np.count_nonzero(a != b)) for a, b in pairs)  # type: ignore[return-value]


def test_a_content_is_named_by_the_sha256_of_its_bytes() -> None:
    assert content_hash(b"abc") == hashlib.sha256(b"abc").hexdigest()
    assert content_hash(b"abc") != content_hash(b"abd")


def test_both_hashes_are_64_bits() -> None:
    phash, dhash = perceptual_hashes(draw(1))
    assert phash.shape == dhash.shape == (64,)
    assert phash.dtype == dhash.dtype == bool


@pytest.mark.parametrize("number", range(4))
def test_a_copy_of_other_size_or_compression_is_near_and_another_picture_is_far(number: int) -> None:
    picture = draw(number, (800, 480))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    copies = (picture.resize((400, 240), Image.Resampling.LANCZOS), Image.open(buffer).convert("RGB"))
    for copy in copies:
        phash, dhash = distances(picture, copy)
        assert phash <= 4
        assert dhash <= 4
    phash, dhash = distances(picture, draw(number + 100, (800, 480)))
    assert phash > 8
    assert dhash > 10


@pytest.mark.parametrize("size", [(4000, 10), (1, 1), (3, 2000), (300, 300)])
def test_pictures_of_any_shape_have_hashes_and_a_small_thumbnail(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, "red")
    perceptual_hashes(picture)
    with Image.open(io.BytesIO(thumbnail(picture))) as small:
        assert small.format == "WEBP"
        assert max(small.size) <= 256
    assert picture.size == size
