"""Bytes → one upright RGB picture, or a reason why not. Nothing that a file holds may raise anything else."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode import decode
from imagerag_assets.images.hashing import perceptual_hashes, thumbnail
from imagerag_assets.settings import Limits
from imagerag_assets_tests.pictures import draw

LIMITS = Limits()
RED, BLUE = (230, 30, 20), (20, 40, 220)


def two_halves(width: int = 40, height: int = 20) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


def encoded(picture: Image.Image, fmt: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, fmt, **options)
    return buffer.getvalue()


def exif_with_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker\x00"
    return exif.tobytes()


def png_of_zeros(width: int, height: int) -> bytes:
    """A valid PNG of one colour, row by row: its pixels are never in memory here."""
    stream = zlib.compressobj(9)
    row = b"\0" * (1 + width)
    body = b"".join(stream.compress(row) for _ in range(height)) + stream.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", body), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(ItemError) as caught:
        decode(data, limits)
    assert str(caught.value)
    return caught.value.reason


def near(pixel: Any, colour: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool(np.abs(np.subtract(pixel, colour)).max() <= tolerance)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_every_common_format_comes_out_as_rgb(fmt: str) -> None:
    found = decode(encoded(two_halves(), fmt), LIMITS)
    assert found.format == fmt
    assert (found.image.mode, found.image.size) == ("RGB", (40, 20))
    assert near(found.image.getpixel((5, 10)), RED)
    assert near(found.image.getpixel((35, 10)), BLUE)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB with a transparent colour"])
def test_what_is_transparent_is_seen_as_white(mode: str) -> None:
    layer = Image.new("RGBA", (10, 10), (0, 0, 0, 255))
    layer.paste((0, 0, 0, 0), (5, 0, 10, 10))
    options: dict[str, Any] = {}
    if mode == "P":
        layer, options = Image.new("P", (10, 10), 0), {"transparency": 1}
        layer.putpalette([0, 0, 0, 0, 255, 0])
        layer.paste(1, (5, 0, 10, 10))
    elif mode.startswith("RGB "):
        layer, options = Image.new("RGB", (10, 10)), {"transparency": (0, 255, 0)}
        layer.paste((0, 255, 0), (5, 0, 10, 10))
    else:
        layer = layer.convert(mode)
    found = decode(encoded(layer, "PNG", **options), LIMITS).image
    assert found.getpixel((2, 5)) == (0, 0, 0)
    assert found.getpixel((7, 5)) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_and_not_cut_off() -> None:
    values = np.linspace(0, 65535, 64 * 8).reshape(8, 64).astype(np.uint16)
    found = decode(encoded(Image.fromarray(values), "PNG"), LIMITS)
    pixels = np.asarray(found.image)[..., 0]
    assert found.mode == "I;16"
    np.testing.assert_allclose(pixels, values / 65535 * 255, atol=1)


def test_cmyk_keeps_its_colours() -> None:
    found = decode(encoded(two_halves().convert("CMYK"), "JPEG", quality=95), LIMITS)
    assert found.mode == "CMYK"
    assert near(found.image.getpixel((5, 10)), RED)


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (2, (-1, 0)), (3, (-1, -1)), (4, (0, -1)), (5, (0, 0)), (6, (-1, 0)), (7, (-1, -1)), (8, (0, -1))],
)
def test_pictures_stand_upright_as_exif_says(orientation: int, corner: tuple[int, int]) -> None:
    picture = Image.new("RGB", (40, 20), BLUE)
    picture.paste(RED, (0, 0, 8, 8))
    found = decode(encoded(picture, "JPEG", exif=exif_with_orientation(orientation), quality=95), LIMITS)
    width, height = found.image.size
    assert (width, height) == ((40, 20) if orientation < 5 else (20, 40))
    where = (3 if corner[0] == 0 else width - 4, 3 if corner[1] == 0 else height - 4)
    assert near(found.image.getpixel(where), RED, 40)
    assert found.exif == {"Make": "Maker"}


def test_a_broken_tag_costs_neither_the_picture_nor_its_orientation() -> None:
    # XResolution as text: Pillow reads it, and cannot write it back.
    tags = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHI4s", 0x011A, 2, 1, b"7\0\0\0")
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + tags + b"\0" * 4
    assert decode(encoded(two_halves(), "JPEG", exif=exif), LIMITS).image.size == (20, 40)
    assert decode(encoded(two_halves(), "JPEG", exif=b"Exif\0\0garbage"), LIMITS).image.size == (40, 20)


def test_only_the_first_frame_of_an_animation_is_seen() -> None:
    frames = [Image.new("RGB", (10, 10), RED), Image.new("RGB", (10, 10), BLUE)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert near(decode(data, LIMITS).image.getpixel((5, 5)), RED)


def test_what_is_no_picture_is_named_by_its_reason() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8))
    picture = encoded(noise, "PNG")
    assert reason(b"") == "empty"
    assert reason(b"#!/bin/sh\necho no picture\n") == "not_an_image"
    assert reason(b"\xff\xd8\xff\xe0 not a picture") in {"not_an_image", "truncated"}
    assert reason(picture[: len(picture) // 2]) == "truncated"
    assert reason(encoded(noise, "JPEG")[:4000]) == "truncated"
    assert reason(encoded(noise, "JPEG2000")[:20_000]) == "truncated"


def test_a_decompression_bomb_is_refused_before_a_pixel_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(_image: Image.Image) -> None:
        raise AssertionError("pixels were decoded")

    bomb = png_of_zeros(15_000, 15_000)
    assert len(bomb) < 300_000
    with monkeypatch.context() as patch:
        patch.setattr(ImageFile.ImageFile, "load", decoded)
        assert reason(bomb) == "too_large"
    assert reason(png_of_zeros(101, 100), Limits(max_pixels=10_000)) == "too_large"
    assert decode(png_of_zeros(100, 100), Limits(max_pixels=10_000)).image.size == (100, 100)


def test_the_settings_limit_counts_and_not_pillows_own() -> None:
    # 189 million pixels of which none is there: more than Pillow's default, less than ours.
    header = png_of_zeros(1, 1).replace(struct.pack(">II", 1, 1), struct.pack(">II", 14_000, 13_500), 1)
    header = header[:29] + struct.pack(">I", zlib.crc32(header[12:29])) + header[33:]
    assert reason(header) in {"truncated", "decode_error"}
    assert reason(header, Limits(max_pixels=180_000_000)) == "too_large"
    assert reason(header, Limits(max_pixels=1_000)) == "too_large"


def test_a_bomb_inside_an_icon_is_refused_too() -> None:
    inner = png_of_zeros(3_000, 3_000)
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner
    # Pillow opens the inner picture by itself: only its own check comes before the pixels.
    with pytest.raises(ItemError, match=r"decompression bomb.*limits\.max_pixels is 1,000,000") as caught:
        decode(icon, Limits(max_pixels=1_000_000))
    assert caught.value.reason == "too_large"


def test_a_file_of_too_many_bytes_is_refused() -> None:
    data = encoded(two_halves(), "BMP")
    assert reason(data, Limits(max_bytes=len(data) - 1)) == "too_large"
    decode(data, Limits(max_bytes=len(data)))


_SEEDS = [
    encoded(two_halves(), fmt, **options)
    for fmt, options in (
        ("JPEG", {"exif": exif_with_orientation(6)}), ("PNG", {}), ("WEBP", {}), ("GIF", {}), ("TIFF", {}),
        ("AVIF", {}), ("DDS", {}), ("ICO", {}), ("BMP", {}),
    )
]  # fmt: skip


@given(
    seed=st.sampled_from(_SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    end=st.integers(0, 2000),
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=300, deadline=None, derandomize=True)
def test_whatever_a_file_holds_it_is_a_picture_or_an_item_error(
    seed: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    data = bytearray(seed)
    for place, value in changes:
        data[place % len(data)] = value
    try:
        found = decode(bytes(data[: end or None]), Limits(max_pixels=1_000_000))
    except ItemError:
        return
    assert found.image.mode == "RGB"
    perceptual_hashes(found.image)
    assert thumbnail(found.image)


def test_errors_that_decoders_should_not_raise_are_reasons_too() -> None:
    unknown_pixel_format = bytearray(encoded(two_halves(), "DDS"))
    unknown_pixel_format[80:84] = b"\0" * 4
    assert reason(bytes(unknown_pixel_format)) == "unsupported"
    without_pixels = encoded(two_halves(), "AVIF").replace(b"iloc", b"free", 1)
    assert reason(without_pixels) in {"decode_error", "not_an_image"}


def test_a_png_whose_pixels_are_damaged_in_the_middle_is_not_half_an_image() -> None:
    buffer = io.BytesIO()
    draw(3, (320, 240)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(255 - byte for byte in data[middle : middle + 64])
    with pytest.raises(ItemError) as refused:
        decode(bytes(data), Limits())
    assert refused.value.reason == "decode_error"
