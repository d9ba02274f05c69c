"""A folder of hostile and unusual files, made from scratch and the same every time: python -m … FOLDER."""

from __future__ import annotations

import gzip
import io
import random
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from imagerag_assets_tests.pictures import draw

SIZE = (96, 64)
RED, BLUE = (230, 30, 20), (20, 40, 220)


def encoded(picture: Image.Image, name: str, **options: Any) -> bytes:
    """The picture as a file of Pillow's format `name`."""
    buffer = io.BytesIO()
    picture.save(buffer, name, **options)
    return buffer.getvalue()


def corner_picture(size: tuple[int, int] = SIZE) -> Image.Image:
    """Blue with a red corner at the top left, so that a turn shows."""
    picture = Image.new("RGB", size, BLUE)
    picture.paste(RED, (0, 0, size[0] // 3, size[1] // 3))
    return picture


def exif_with_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker\x00"
    return exif.tobytes()


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """The pixels to store so that, turned as `orientation` says, they show `picture`."""
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    return picture if orientation == 1 else picture.transpose(Image.Transpose(back[orientation]))


def heif(picture: Image.Image, more: list[Image.Image] | None = None, **options: Any) -> bytes:
    import pillow_heif

    file = pillow_heif.from_pillow(picture)
    for other in more or []:
        file.add_from_pillow(other)
    buffer = io.BytesIO()
    file.save(buffer, **options)
    return buffer.getvalue()


def pdf(pages: int, size: tuple[int, int] = (200, 120), resolution: float = 72.0) -> bytes:
    """A PDF of one picture a page."""
    first, *others = [draw(800 + page, size) for page in range(pages)]
    return encoded(first, "PDF", save_all=True, append_images=others, resolution=resolution)


def tiff_of(pages: int, **options: Any) -> bytes:
    first, *others = [draw(900 + page, SIZE) for page in range(pages)]
    return encoded(first, "TIFF", save_all=True, append_images=others, **options)


def tiff_directories(data: bytes) -> list[int]:
    """Where the directories of a classic little-endian TIFF stand."""
    places, (at,) = [], struct.unpack_from("<I", data, 4)
    while at:
        places.append(at)
        (count,) = struct.unpack_from("<H", data, at)
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * count)
    return places


def tiff_value(data: bytes, directory: int, wanted: int) -> tuple[int, int]:
    """(where it stands, what it is) of a tag with one 4-byte value."""
    (count,) = struct.unpack_from("<H", data, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<HHI", data, at) == (wanted, 4, 1):
            return at + 8, struct.unpack_from("<I", data, at + 8)[0]
    raise KeyError(wanted)


def without_tag(data: bytes, directory: int, tag: int) -> bytes:
    """The TIFF with that tag of the directory under a private name that nothing knows."""
    changed = bytearray(data)
    (count,) = struct.unpack_from("<H", data, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, at)[0] == tag:
            struct.pack_into("<H", changed, at, 65_000)
    return bytes(changed)


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_header(width: int, height: int, depth: int = 8, colour: int = 0) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def png_of_zeros(width: int, height: int, depth: int = 8) -> bytes:
    """A valid PNG of one colour, row by row: its pixels are never in memory here."""
    stream = zlib.compressobj(9)
    row = b"\0" * (1 + (width * depth + 7) // 8)
    body = b"".join(stream.compress(row) for _ in range(height)) + stream.flush()
    return png_chunks(png_header(width, height, depth), (b"IDAT", body), (b"IEND", b""))


def png_sixteen_bit(colour: int, channels: int) -> bytes:
    """A PNG of 16 bits a sample, which Pillow does not write."""
    ramp = np.linspace(0, 65535, SIZE[0]).astype(">u2")
    rows = np.repeat(np.repeat(ramp[None, :, None], SIZE[1], axis=0), channels, axis=2)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    return png_chunks(png_header(*SIZE, 16, colour), (b"IDAT", zlib.compress(body)), (b"IEND", b""))


def png_text_bomb(kind: bytes) -> bytes:
    """100 kB that unpack to 100 MB of text beside a good picture."""
    packed = zlib.compress(b"A" * 100_000_000, 9)
    texts = {
        b"zTXt": b"Comment\0\0" + packed,
        b"iTXt": b"Comment\0\1\0\0\0" + packed,
        b"iCCP": b"profile\0\0" + packed,
    }
    good = png_of_zeros(8, 8)
    body = texts[kind]
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return good[:33] + chunk + good[33:]


def many_small_texts(count: int) -> bytes:
    """Text chunks that are small each and too much together."""
    info = PngImagePlugin.PngInfo()
    for number in range(count):
        info.add_text(f"k{number}", "A" * 900_000, zip=True)
    return encoded(corner_picture(), "PNG", pnginfo=info)


def endless_gif(frames: int) -> bytes:
    """A GIF of one pixel a frame; 20 bytes each."""
    start = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes([230, 30, 20, 0, 0, 0])
    frame = b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    return start + frame * frames + b";"


def wide_gamut_profile() -> bytes:
    """A matrix profile of Display P3's primaries and a plain gamma, written by hand: Pillow makes only sRGB's."""
    # Bradford-adapted to D50 (Apple's own values).
    primaries = {b"rXYZ": (0.51512, 0.24120, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189)}
    primaries |= {b"bXYZ": (0.15710, 0.06657, 0.78407), b"wtpt": (0.96420, 1.0, 0.82491)}

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    tags = {name: b"XYZ \0\0\0\0" + b"".join(map(fixed, xyz)) for name, xyz in primaries.items()}
    tags |= {
        name: b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(2.2 * 256)) for name in (b"rTRC", b"gTRC", b"bTRC")
    }
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"Wide\0" + b"\0" * 78
    tags[b"cprt"] = b"text\0\0\0\0none\0"
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += struct.pack(">4sII", name, start + len(body), len(value))
        body += value
    size = start + len(body)
    head = struct.pack(
        ">I4sI4s4s4s12s4sI", size, b"\0\0\0\0", 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"\0" * 12, b"acsp", 0
    )
    head += b"\0" * 24 + fixed(0.9642) + fixed(1.0) + fixed(0.82491)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def lab_of(picture: Image.Image) -> Image.Image:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    converted = ImageCms.applyTransform(picture, to_lab)
    assert converted is not None
    return converted


def _office(entry: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(entry, "<document/>")
    return buffer.getvalue()


_SVG = b'<?xml version="1.0"?>\n<!-- a plan -->\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
_MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0\0\0\x08free" + b"\0" * 64


def good_files() -> Iterator[tuple[str, bytes]]:
    """Files that hold an image, in every format and variant. Names do not always tell the format."""
    photo, layer = draw(1, SIZE), draw(2, SIZE).convert("RGBA")
    layer.putalpha(Image.linear_gradient("L").resize(SIZE))
    grey16 = Image.fromarray(np.linspace(0, 65535, SIZE[0] * SIZE[1]).reshape(SIZE[::-1]).astype(np.uint16))
    floats = Image.fromarray(np.linspace(-1, 1, SIZE[0] * SIZE[1]).reshape(SIZE[::-1]).astype(np.float32))
    frames = [draw(number, SIZE) for number in range(10, 14)]
    yield "baseline.jpg", encoded(photo, "JPEG")
    yield "progressive.jpg", encoded(photo, "JPEG", progressive=True)
    yield "grey.jpg", encoded(photo.convert("L"), "JPEG")
    yield "cmyk.jpg", encoded(photo.convert("CMYK"), "JPEG")
    yield "444.jpg", encoded(photo, "JPEG", subsampling=0)
    yield "restart.jpg", encoded(photo, "JPEG", restart_marker_blocks=2)
    yield "comment.jpg", encoded(photo, "JPEG", comment=b"\xff\x00 \xc3\x28")
    yield "jpeg named.png", encoded(draw(3, SIZE), "JPEG")
    yield "stereo.mpo", encoded(frames[0], "MPO", save_all=True, append_images=frames[1:2])
    yield "wide gamut.jpg", encoded(photo, "JPEG", icc_profile=wide_gamut_profile())
    yield "broken profile.jpg", encoded(photo, "JPEG", icc_profile=b"no profile" * 20)
    yield "other profile.jpg", encoded(photo.convert("L"), "JPEG", icc_profile=srgb_profile())
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        yield f"{mode}.png", encoded(layer.convert(mode), "PNG")
    yield "16 bit grey.png", encoded(grey16, "PNG")
    for name, colour, channels in (("rgb", 2, 3), ("grey alpha", 4, 2), ("rgba", 6, 4)):
        yield f"16 bit {name}.png", png_sixteen_bit(colour, channels)
    yield "transparent colour.png", encoded(photo, "PNG", transparency=(0, 255, 0))
    yield "palette alpha.png", encoded(photo.quantize(16), "PNG", transparency=bytes([0, 128, 255]))
    yield "interlaced name.jpg", encoded(photo, "PNG", optimize=True)
    yield "animated.png", encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield "lossy.webp", encoded(photo, "WEBP")
    yield "lossless alpha.webp", encoded(layer, "WEBP", lossless=True)
    yield "animated.webp", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    yield "still.gif", encoded(photo, "GIF")
    yield "animated.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "transparent.gif", encoded(layer.convert("RGBA"), "GIF")
    yield "long.gif", endless_gif(500)
    yield "still.avif", encoded(photo, "AVIF")
    yield "alpha.avif", encoded(layer, "AVIF")
    yield "animated.avif", encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    yield "phone.heic", heif(photo)
    yield "alpha.heic", heif(layer)
    yield "burst.heic", heif(frames[0], frames[1:])
    yield "heic named.jpg", heif(draw(4, SIZE))
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"{compression}.tif", encoded(photo, "TIFF", compression=compression)
    for name in ("group3", "group4"):
        yield f"{name}.tif", encoded(photo.convert("1"), "TIFF", compression=name)
    yield "16 bit.tif", encoded(grey16, "TIFF")
    yield "float.tif", encoded(floats, "TIFF")
    yield "cmyk.tif", encoded(photo.convert("CMYK"), "TIFF")
    yield "lab.tif", encoded(lab_of(photo), "TIFF")
    yield "alpha.tif", encoded(layer, "TIFF")
    yield "palette.tif", encoded(photo.quantize(8), "TIFF")
    yield "big.tif", encoded(photo, "TIFF", big_tiff=True)
    yield "three pages.tif", tiff_of(3)
    yield "fax of four pages.tif", _fax(4)
    yield "one page.pdf", pdf(1)
    yield "three pages.pdf", pdf(3)
    yield "pdf named.jpg", pdf(2)
    yield "plain.bmp", encoded(photo, "BMP")
    yield "1 bit.bmp", encoded(photo.convert("1"), "BMP")
    yield "alpha.bmp", encoded(layer, "BMP")
    for name in ("ICO", "PPM", "TGA", "PCX", "SGI", "DDS", "ICNS", "JPEG2000", "QOI"):
        yield f"other.{name.lower()}", encoded(photo, name)
    for suffix, orientation in (("jpg", 6), ("jpg", 3), ("png", 8), ("webp", 5), ("tif", 7), ("avif", 6)):
        name = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "avif": "AVIF"}[suffix]
        data = encoded(turned(corner_picture(), orientation), name, exif=exif_with_orientation(orientation))
        yield f"turned {orientation}.{suffix}", data
    yield "one pixel.png", encoded(Image.new("RGB", (1, 1)), "PNG")
    yield "one row.png", encoded(Image.new("RGB", (3000, 1)), "PNG")
    yield "without extension", encoded(draw(5, SIZE), "PNG")
    yield "name with\nnewline and #page=1.png", encoded(draw(6, SIZE), "PNG")
    # EXIF that is broken in a good picture costs its facts.
    tags = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHI4s", 0x011A, 2, 1, b"7\0\0\0")
    yield "odd exif.jpg", encoded(photo, "JPEG", exif=b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + tags + b"\0" * 4)
    yield "garbage exif.jpg", encoded(photo, "JPEG", exif=b"Exif\0\0garbage")
    yield "circular exif.jpg", encoded(photo, "JPEG", exif=_circular_exif())
    yield "trailing bytes.jpg", encoded(photo, "JPEG") + b"\0" * 3000


def bad_files() -> Iterator[tuple[str, bytes, frozenset[str]]]:
    """Files that are no usable image, with the reasons that fit."""

    def one(*reasons: str) -> frozenset[str]:
        return frozenset(reasons)

    yield "empty.jpg", b"", one("empty")
    yield "notes.txt", b"Not a picture.\n", one("not_an_image")
    yield "notes.jpg", "Ceci n'est pas une image é".encode("latin-1"), one("not_an_image")
    yield "BMW.txt", b"BMW is a maker of cars and of no bitmaps at all.", one("not_an_image")
    yield "page.jpg", b"<!DOCTYPE html><html><svg></svg>404</html>", one("not_an_image")
    yield "noise.png", random.Random(1).randbytes(5000), one("not_an_image")
    yield "zeros.jpg", b"\0" * 5000, one("not_an_image")
    yield "film.mp4", _MP4, one("not_an_image")
    yield "film named.heic", _MP4, one("not_an_image")
    yield "letter.docx", _office("word/document.xml"), one("not_an_image")
    yield "table named.png", _office("xl/workbook.xml"), one("not_an_image")
    yield "archive.zip", _office("a.txt"), one("not_an_image")
    yield "old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, one("not_an_image")
    yield "log.gz", gzip.compress(b"text" * 100), one("not_an_image")
    yield "song.mp3", b"ID3\4\0" + b"\0" * 300, one("not_an_image")
    yield "plan.svg", _SVG, one("unsupported")
    yield "svg named.png", _SVG, one("unsupported")
    yield "plan.svgz", gzip.compress(_SVG), one("unsupported")
    yield "plan in utf-16.svg", _SVG.decode().encode("utf-16"), one("unsupported")
    yield "logo.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", one("unsupported")
    yield "drawing.wmf", b"\xd7\xcd\xc6\x9a" + b"\0" * 60, one("unsupported")
    yield "new.jxl", b"\xff\x0a" + b"\0" * 60, one("unsupported")
    yield "scan.dcm", b"\0" * 128 + b"DICM" + b"\0" * 60, one("unsupported")
    yield "raw.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", one("unsupported")
    yield "raw.dng", _raw_photo(), one("unsupported")
    yield "locked.pdf", _locked_pdf(), one("unsupported")
    yield "50000 square.png", png_of_zeros_declared(50_000, 50_000), one("too_large")
    yield "17000 square 1 bit.png", png_of_zeros(17_000, 17_000, 1), one("too_large")
    yield (
        "declared.bmp",
        b"BM" + struct.pack("<IIIIiiHH", 60, 0, 54, 40, 60_000, 60_000, 1, 24) + b"\0" * 40,
        one("too_large"),
    )
    yield "zTXt bomb.png", png_text_bomb(b"zTXt"), one("too_large")
    yield "iTXt bomb.png", png_text_bomb(b"iTXt"), one("too_large")
    yield "iCCP bomb.png", png_text_bomb(b"iCCP"), one("too_large")
    yield "text bombs.png", many_small_texts(80), one("too_large")
    yield "endless.gif", endless_gif(20_000), one("too_large")
    yield "no pixels.png", png_chunks(png_header(9, 9), (b"IEND", b"")), one("decode_error", "truncated")
    yield "no header.png", png_chunks((b"IEND", b"")), one("decode_error", "truncated")
    yield (
        "zero wide.png",
        png_chunks(png_header(0, 9), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")),
        one("decode_error", "truncated"),
    )
    yield "unknown kind.dds", encoded(corner_picture(), "DDS")[:80] + b"\0" * 80, one("unsupported")
    for name in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "BMP", "JPEG2000"):
        yield (
            f"signature only.{name.lower()}",
            encoded(corner_picture(), name)[:12],
            one("truncated", "decode_error", "not_an_image"),
        )


_SEEDS: tuple[tuple[str, Callable[[], bytes]], ...] = (
    ("jpg", lambda: encoded(draw(31, (320, 240)), "JPEG")),
    ("progressive.jpg", lambda: encoded(draw(32, (320, 240)), "JPEG", progressive=True)),
    ("png", lambda: encoded(draw(33, (320, 240)), "PNG")),
    ("gif", lambda: encoded(draw(34, (320, 240)), "GIF")),
    ("webp", lambda: encoded(draw(35, (320, 240)), "WEBP")),
    ("avif", lambda: encoded(draw(36, (320, 240)), "AVIF")),
    ("heic", lambda: heif(draw(37, (320, 240)))),
    ("tif", lambda: encoded(draw(38, (320, 240)), "TIFF", compression="tiff_lzw")),
    ("raw.tif", lambda: encoded(draw(39, (320, 240)), "TIFF")),
    ("bmp", lambda: encoded(draw(40, (320, 240)), "BMP")),
    ("pdf", lambda: pdf(2, (320, 240))),
    ("jp2", lambda: encoded(draw(41, (320, 240)), "JPEG2000")),
)


def cut_files() -> Iterator[tuple[str, bytes]]:
    """Every format with only its first 10, 50 and 90 %."""
    for suffix, make in _SEEDS:
        data = make()
        for percent in (10, 50, 90):
            yield f"cut at {percent}.{suffix}", data[: len(data) * percent // 100]


def flipped_files(each: int = 4) -> Iterator[tuple[str, bytes]]:
    """Every format with a few bytes changed, the first kilobyte's too."""
    chance = random.Random(20)
    for suffix, make in _SEEDS:
        data = make()
        for number in range(each):
            changed = bytearray(data)
            for _ in range(1 + 4 * number):
                reach = 1000 if number % 2 else len(data)
                changed[chance.randrange(min(reach, len(data)))] ^= 1 << chance.randrange(8)
            yield f"flipped {number}.{suffix}", bytes(changed)


def write_zoo(folder: Path) -> int:
    """All of it into `folder`; returns how many files."""
    files = {name: data for name, data, _ in bad_files()}
    files |= dict(good_files()) | dict(cut_files()) | dict(flipped_files())
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return len(files)


def png_of_zeros_declared(width: int, height: int) -> bytes:
    """A PNG of 100 kB whose header declares more pixels than it holds."""
    body = zlib.compress(b"\0" * 100_000_000, 9)
    return png_chunks(png_header(width, height), (b"IDAT", body), (b"IEND", b""))


def _fax(pages: int) -> bytes:
    first, *others = [draw(700 + page, (200, 280)).convert("1") for page in range(pages)]
    return encoded(first, "TIFF", save_all=True, append_images=others, compression="group4")


def _circular_exif() -> bytes:
    """A directory of EXIF whose sub-directory is itself."""
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)


def _raw_photo() -> bytes:
    """A TIFF with a DNG's version tag, as cameras and phones write it."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags.tagtype[50706] = 1
    tags[50706] = b"\1\4\0\0"
    return encoded(corner_picture(), "TIFF", tiffinfo=tags)


def _locked_pdf() -> bytes:
    """A PDF whose standard security handler refuses the empty password."""
    head, tail = pdf(1).rsplit(b"trailer", 1)
    lock = (
        b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -44 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> >>"
        b" /ID [<" + b"00" * 16 + b"> <" + b"00" * 16 + b">]"
    )
    return head + b"trailer" + tail.replace(b"<<", b"<< " + lock, 1)


if __name__ == "__main__":
    print(write_zoo(Path(sys.argv[1])), "files")
