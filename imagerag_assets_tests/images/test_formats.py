"""Every format that people drop, in its variants: the right pixels, or the right reason."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from PIL import GifImagePlugin, Image

from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode import decode, page_count
from imagerag_assets.settings import Limits
from imagerag_assets_tests.images import zoo
from imagerag_assets_tests.pictures import draw

LIMITS = Limits()


def reason(data: bytes, limits: Limits = LIMITS, page: int = 1) -> str:
    with pytest.raises(ItemError) as caught:
        decode(data, limits, page)
    assert str(caught.value)
    return caught.value.reason


def differs(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


@pytest.mark.parametrize(("name", "data"), [pytest.param(name, data, id=name) for name, data in zoo.good_files()])
def test_every_page_of_a_good_file_comes_out_as_rgb(name: str, data: bytes) -> None:
    for page in range(1, page_count(data, LIMITS) + 1):
        assert decode(data, LIMITS, page).image.mode == "RGB"


@pytest.mark.parametrize(("name", "data", "reasons"), [pytest.param(*row, id=row[0]) for row in zoo.bad_files()])
def test_every_bad_file_is_refused_for_a_reason_that_fits(name: str, data: bytes, reasons: frozenset[str]) -> None:
    assert reason(data) in reasons


@pytest.mark.parametrize(("name", "data"), [pytest.param(name, data, id=name) for name, data in zoo.cut_files()])
def test_a_file_that_ends_early_is_truncated_and_not_half_an_image(name: str, data: bytes) -> None:
    assert reason(data) == "truncated"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_orientation_is_applied_once_in_every_format(name: str, orientation: int) -> None:
    upright = zoo.corner_picture()
    stored, exif = zoo.turned(upright, orientation), zoo.exif_with_orientation(orientation)
    data = zoo.heif(stored, exif=exif, quality=-1) if name == "HEIF" else zoo.encoded(stored, name, exif=exif)
    found = decode(data, LIMITS).image
    assert found.size == upright.size
    assert differs(found, upright) < 12


@pytest.mark.parametrize(
    ("data", "name", "frames"),
    [
        (zoo.encoded(draw(1), "GIF", save_all=True, append_images=[draw(2), draw(3)]), "GIF", 3),
        (zoo.encoded(draw(1), "PNG", save_all=True, append_images=[draw(2), draw(3)]), "PNG", 3),
        (zoo.encoded(draw(1), "WEBP", save_all=True, append_images=[draw(2)]), "WEBP", 2),
        (zoo.encoded(draw(1), "AVIF", save_all=True, append_images=[draw(2)]), "AVIF", 2),
        (zoo.encoded(draw(1), "MPO", save_all=True, append_images=[draw(2)]), "MPO", 2),
        (zoo.heif(draw(1), [draw(2)]), "HEIF", 2),
        (zoo.encoded(draw(1), "JPEG"), "JPEG", 1),
    ],
    ids=["gif", "apng", "webp", "avif", "mpo", "heic", "jpeg"],
)
def test_of_several_frames_the_first_is_seen_and_their_number_is_told(data: bytes, name: str, frames: int) -> None:
    found = decode(data, LIMITS)
    assert (found.format, found.frames, page_count(data, LIMITS)) == (name, frames, 1)
    assert differs(found.image, draw(1)) < differs(found.image, draw(2)) / 3


def test_a_gif_of_endless_frames_is_not_walked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[int] = []
    real = GifImagePlugin.GifImageFile._seek

    def walking(self: GifImagePlugin.GifImageFile, frame: int, update_image: bool = True) -> None:
        walked.append(frame)
        real(self, frame, update_image)

    monkeypatch.setattr(GifImagePlugin.GifImageFile, "_seek", walking)
    assert reason(zoo.endless_gif(1_000_000), Limits(max_frames=1000)) == "too_large"
    assert max(walked) == 1000
    assert decode(zoo.endless_gif(1000), Limits(max_frames=1000)).frames == 1000


def test_the_name_does_not_matter_for_the_format() -> None:
    assert decode(zoo.heif(draw(1)), LIMITS).format == "HEIF"
    assert decode(zoo.pdf(1), LIMITS).format == "PDF"


def test_a_wide_gamut_photo_is_seen_in_its_own_colours() -> None:
    picture = Image.new("RGB", (40, 20), (200, 60, 40))
    plain = decode(zoo.encoded(picture, "PNG"), LIMITS).image.getpixel((5, 5))
    wide = decode(zoo.encoded(picture, "PNG", icc_profile=zoo.wide_gamut_profile()), LIMITS).image.getpixel((5, 5))
    assert plain == (200, 60, 40)
    # Display P3's (200, 60, 40) by its published matrix in sRGB: redder than the same numbers mean there.
    assert np.abs(np.array(wide, dtype=float) - _p3_to_srgb((200, 60, 40))).max() <= 3


def _p3_to_srgb(colour: tuple[int, int, int]) -> np.ndarray:
    """By the matrix between both spaces' linear light (both have white D65); the test profile's gamma is 2.2."""
    matrix = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
    linear = np.clip(matrix @ (np.array(colour) / 255) ** 2.2, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(encoded * 255))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L"])
def test_a_profile_leaves_transparency_as_it_is(mode: str) -> None:
    layer = Image.new("RGBA", (10, 10), (200, 60, 40, 255))
    layer.paste((0, 0, 0, 0), (5, 0, 10, 10))
    options: dict[str, Any] = {"icc_profile": zoo.wide_gamut_profile()}
    found = decode(zoo.encoded(layer.convert(mode), "PNG", **options), LIMITS).image
    assert found.getpixel((7, 5)) == ((255, 255, 255) if mode != "L" else (0, 0, 0))
    assert found.getpixel((2, 5)) != (255, 255, 255)


@pytest.mark.parametrize("profile", [b"no profile", zoo.wide_gamut_profile()[:200], zoo.srgb_profile()])
def test_a_broken_profile_is_ignored_and_srgbs_own_changes_nothing(profile: bytes) -> None:
    picture = draw(4)
    found = decode(zoo.encoded(picture, "PNG", icc_profile=profile), LIMITS).image
    assert differs(found, picture) == 0


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (0, 1)], ids=["rgb", "grey"])
def test_sixteen_bits_a_sample_are_scaled(colour: int, channels: int) -> None:
    row = np.asarray(decode(zoo.png_sixteen_bit(colour, channels), LIMITS).image)[0]
    expected = np.linspace(0, 255, zoo.SIZE[0])[:, None]
    np.testing.assert_allclose(row, np.broadcast_to(expected, row.shape), atol=1.5)


def test_floats_are_stretched_to_what_they_use() -> None:
    heights = np.linspace(-400, 2600, 64 * 8).reshape(8, 64).astype(np.float32)
    heights[0, 0] = np.nan
    found = np.asarray(decode(zoo.encoded(Image.fromarray(heights), "TIFF"), LIMITS).image)[..., 0]
    np.testing.assert_allclose(found[1:], (heights[1:] + 400) / 3000 * 255, atol=1.5)


def test_adobes_inverted_cmyk_keeps_its_colours() -> None:
    data = zoo.encoded(zoo.corner_picture().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data[:200]
    assert differs(decode(data, LIMITS).image, zoo.corner_picture()) < 6


def test_a_fax_of_one_bit_is_black_on_white() -> None:
    page = Image.new("1", (200, 100), 1)
    page.paste(0, (0, 0, 100, 100))
    found = decode(zoo.encoded(page, "TIFF", compression="group4"), LIMITS).image
    assert (found.getpixel((20, 50)), found.getpixel((150, 50))) == ((0, 0, 0), (255, 255, 255))


def test_every_page_of_a_tiff_is_an_image() -> None:
    data = zoo.tiff_of(4)
    assert page_count(data, LIMITS) == 4
    for page in range(1, 5):
        assert differs(decode(data, LIMITS, page).image, draw(899 + page, zoo.SIZE)) == 0
    assert reason(data, page=5) == "decode_error"


def test_a_broken_page_of_a_tiff_leaves_the_others() -> None:
    data = zoo.tiff_of(4)
    second = zoo.tiff_directories(data)[1]
    broken = zoo.without_tag(data, second, 262)
    broken = zoo.without_tag(broken, second, 256)
    assert page_count(broken, LIMITS) == 4
    assert reason(broken, page=2) == "decode_error"
    for page in (1, 3, 4):
        assert differs(decode(broken, LIMITS, page).image, draw(899 + page, zoo.SIZE)) == 0


def test_what_a_tiff_that_ends_early_still_holds_is_kept_and_the_rest_is_told() -> None:
    data = zoo.tiff_of(4)
    cut = data[: zoo.tiff_directories(data)[2] + 5]
    assert page_count(cut, LIMITS) == 3
    decode(cut, LIMITS, 2)
    assert reason(cut, page=3) == "truncated"


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_pixels_beyond_the_end_of_a_tiff_are_truncated(compression: str) -> None:
    # Facts before pixels, as in files of other writers: the cut leaves the facts whole.
    data = bytearray(zoo.encoded(draw(1, zoo.SIZE), "TIFF", compression=compression))
    (directory,) = zoo.tiff_directories(bytes(data))
    (place, start), (_, size) = (zoo.tiff_value(bytes(data), directory, tag) for tag in (273, 279))
    struct.pack_into("<I", data, place, len(data))
    half = bytes(data[start : start + size // 2])
    assert reason(bytes(data) + half) == "truncated"


def test_a_tiff_that_counts_more_bytes_than_it_holds_is_an_image_all_the_same() -> None:
    data = bytearray(zoo.encoded(draw(1, zoo.SIZE), "TIFF"))
    place, size = zoo.tiff_value(bytes(data), zoo.tiff_directories(bytes(data))[0], 279)
    struct.pack_into("<I", data, place, size + 10_000)
    assert differs(decode(bytes(data), LIMITS).image, draw(1, zoo.SIZE)) == 0


def test_smaller_copies_inside_a_tiff_are_no_pages() -> None:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    reduced = ImageFileDirectory_v2()
    reduced[254] = 1
    copy = draw(901, (48, 32))
    copy.encoderinfo = {"tiffinfo": reduced}
    data = zoo.encoded(draw(900, zoo.SIZE), "TIFF", save_all=True, append_images=[copy, draw(902, zoo.SIZE)])
    assert len(zoo.tiff_directories(data)) == 3
    assert page_count(data, LIMITS) == 2
    assert differs(decode(data, LIMITS, 2).image, draw(902, zoo.SIZE)) == 0


def test_a_tiff_whose_pages_go_round_in_a_circle_ends() -> None:
    data = bytearray(zoo.tiff_of(3))
    last = zoo.tiff_directories(bytes(data))[-1]
    (count,) = struct.unpack_from("<H", data, last)
    struct.pack_into("<I", data, last + 2 + 12 * count, zoo.tiff_directories(zoo.tiff_of(3))[0])
    assert page_count(bytes(data), LIMITS) == 3


def test_a_page_of_a_pdf_is_drawn_at_the_resolution_of_the_settings() -> None:
    data = zoo.pdf(2, (200, 120), resolution=72)
    assert page_count(data, LIMITS) == 2
    for dpi, size in ((72, (200, 120)), (144, (400, 240))):
        found = decode(data, Limits(pdf_dpi=dpi), 2)
        assert (found.format, found.dpi, found.image.size) == ("PDF", dpi, size)
    assert differs(decode(data, Limits(pdf_dpi=72), 2).image, draw(801)) < 12


@pytest.mark.parametrize("most", [1, 500, 24_000, 90_000])
def test_a_large_page_of_a_pdf_is_drawn_smaller_and_never_above_the_limit(most: int) -> None:
    found = decode(zoo.pdf(1), Limits(max_pixels=most, pdf_dpi=300))
    assert found.image.width * found.image.height <= most
    assert found.image.width * found.image.height >= most * 0.5 or most < 1000


def test_more_pages_than_the_limit_are_refused_without_drawing_one() -> None:
    for data in (zoo.pdf(4), zoo.tiff_of(4)):
        with pytest.raises(ItemError, match=r"limits\.max_pages") as caught:
            page_count(data, Limits(max_pages=3))
        assert caught.value.reason == "too_large"
        assert page_count(data, Limits(max_pages=4)) == 4
