"""The sample corpus's files as bytes: encoded with metadata, altered into near-duplicates, broken on purpose.

Which scene becomes which file is decided in `corpus`.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from imagerag_assets.sample import drawing

CAMERAS = (("Norda", "D40"), ("Lumenta", "X2 Pro"), ("Hikari", "Pocket 5"), ("Norda", "Phone 11"))
STORED_TURNED: dict[int, Image.Transpose] = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation → how the pixels are turned in the file; a reader who obeys it shows them upright."""
BOMB_SIDE = 60_000
"""3.6 gigapixels: twenty times the limit at which Pillow refuses a picture."""

_EXIF_IFD, _DATE_TIME_ORIGINAL, _MAKE, _MODEL, _ORIENTATION, _DATE_TIME = (
    0x8769,
    0x9003,
    0x10F,
    0x110,
    0x112,
    0x132,
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(image: Image.Image, extension: str, rng: np.random.Generator, quality: int | None = None) -> bytes:
    """Encode a picture; a JPEG has quality 82 to 94 unless one is given, and mostly a camera's metadata."""
    quality = quality or int(rng.integers(82, 95))
    buffer = io.BytesIO()
    if extension == "jpg":
        exif = camera_exif(rng) if rng.random() < 0.6 else Image.Exif()
        if _ORIENTATION in exif:
            image = image.transpose(STORED_TURNED[exif[_ORIENTATION]])
        image.save(buffer, "JPEG", quality=quality, exif=exif)
    elif extension == "webp":
        image.save(buffer, "WEBP", quality=quality, method=2)
    else:
        image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def camera_exif(rng: np.random.Generator) -> Image.Exif:
    """Return a camera's metadata: maker, model, date, and for one in five a turned orientation."""
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL] = CAMERAS[int(rng.integers(0, len(CAMERAS)))]
    year, month, day = int(rng.integers(2021, 2026)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
    hour, minute, second = int(rng.integers(7, 20)), int(rng.integers(0, 60)), int(rng.integers(0, 60))
    date = f"{year}:{month:02d}:{day:02d} {hour:02d}:{minute:02d}:{second:02d}"
    exif[_DATE_TIME] = date
    exif.get_ifd(_EXIF_IFD)[_DATE_TIME_ORIGINAL] = date
    if rng.random() < 0.2:
        exif[_ORIENTATION] = int(rng.choice(list(STORED_TURNED)))
    return exif


def rescaled(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.scale(image, float(rng.uniform(0.5, 0.8)), Image.Resampling.LANCZOS)


def cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut 5 to 8 % off the width and the height, unevenly from the two sides."""
    cut_x, cut_y = (round(side * float(rng.uniform(0.05, 0.08))) for side in image.size)
    left, top = round(cut_x * float(rng.random())), round(cut_y * float(rng.random()))
    return image.crop((left, top, left + image.width - cut_x, top + image.height - cut_y))


def watermarked(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Write a half transparent word across a corner."""
    size = max(image.size) / 22
    layer = Image.new("L", image.size)
    place = (image.width * float(rng.uniform(0.05, 0.5)), image.height * float(rng.uniform(0.8, 0.9)))
    ImageDraw.Draw(layer).text(place, "PREVIEW", 110, drawing.font("sans", size, True))
    marked = image.copy()
    marked.paste((0, 0, 0), (2, 2), layer)
    marked.paste((255, 255, 255), (0, 0), layer)
    return marked


def brightened(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(float(rng.choice([0.86, 1.12])))


def unchanged(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image


Alteration = Callable[[Image.Image, np.random.Generator], Image.Image]
ALTERATIONS: dict[str, Alteration] = {
    "rescaled": rescaled,
    "recompressed": unchanged,
    "cropped": cropped,
    "watermarked": watermarked,
    "brightened": brightened,
}
RECOMPRESSED_QUALITY = 40


def broken(kind: str, rng: np.random.Generator) -> bytes:
    """Return the bytes of a file that cannot be read as a picture, in one of the ways of `BROKEN`."""
    return BROKEN[kind][1](rng)


def _small_picture(rng: np.random.Generator, extension: str) -> bytes:
    pixels = (drawing.fractal_noise(rng, 240, 320)[..., None] * np.array([255, 220, 180])).astype(np.uint8)
    return encode(Image.fromarray(pixels), extension, rng)


def _truncated_jpeg(rng: np.random.Generator) -> bytes:
    data = _small_picture(rng, "jpg")
    return data[: len(data) * 3 // 5]


def _corrupted_png(rng: np.random.Generator) -> bytes:
    """Flip bytes in the middle of the pixel data, so that its checksum is wrong."""
    data = bytearray(_small_picture(rng, "png"))
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(255 - byte for byte in data[middle : middle + 64])
    return bytes(data)


def decompression_bomb() -> bytes:
    """Return a valid PNG of half a megabyte that unpacks to 3.6 gigapixels, made in constant memory."""
    squeeze = zlib.compressobj(9)
    rows = bytes((1 + BOMB_SIDE // 8) * 100)  # a filter byte and one bit per pixel
    packed = b"".join([*(squeeze.compress(rows) for _ in range(BOMB_SIDE // 100)), squeeze.flush()])
    header = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)
    return _PNG_SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


BROKEN: dict[str, tuple[str, Callable[[np.random.Generator], bytes]]] = {
    "empty": ("jpg", lambda _: b""),
    "truncated": ("jpg", _truncated_jpeg),
    "text": (
        "jpg",
        lambda _: b"This is a note, not a picture. Please ask again for the original file.\n" * 20,
    ),
    "corrupted": ("png", _corrupted_png),
    "bomb": ("png", lambda _: decompression_bomb()),
    "header_only": ("gif", lambda _: b"GIF89a"),
}
"""Kind → the file's extension, and its bytes."""
