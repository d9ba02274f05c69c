"""Names for pixels: equal bytes are one content, near pictures have near hashes, thumbnails are small."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from imagerag_assets.images.hashing import (
    ORIENTATIONS,
    content_hash,
    perceptual_hashes,
    thumbnail,
    turned,
    turned_phashes,
)
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


def packed(image: Image.Image) -> np.ndarray:
    return np.packbits(perceptual_hashes(image)[0]).view(">u8").astype(np.uint64)


@pytest.mark.parametrize("orientation", range(8))
def test_the_hash_of_a_turned_or_mirrored_picture_follows_from_its_own(orientation: int) -> None:
    for number in range(6):
        picture = draw(number, (640, 480))
        laid_down = Image.fromarray(np.ascontiguousarray(turned(np.asarray(picture), orientation)))
        difference = int((turned_phashes(packed(picture), orientation) ^ packed(laid_down))[0]).bit_count()
        assert difference <= (0 if orientation == 0 else 8)


def test_the_eight_orientations_are_all_different_and_half_of_them_are_rotations() -> None:
    corner = np.arange(6).reshape(2, 3)
    assert len({turned(corner, number).tobytes() + bytes(turned(corner, number).shape) for number in range(8)}) == 8
    rotations = {np.rot90(corner, quarter).tobytes() for quarter in range(4)}
    assert {turned(corner, number).tobytes() for number, how in enumerate(ORIENTATIONS) if how.is_rotation} == rotations


def test_turning_keeps_the_distance_of_two_hashes() -> None:
    rng = np.random.default_rng(0)
    some, others = rng.integers(0, 2**64, size=(2, 100), dtype=np.uint64)
    for orientation in range(8):
        turned_both = turned_phashes(some, orientation) ^ turned_phashes(others, orientation)
        assert (np.bitwise_count(turned_both) == np.bitwise_count(some ^ others)).all()
