"""Small pictures for tests: each number another scene, quick to read and to encode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw(number: int, size: tuple[int, int] = (200, 120)) -> Image.Image:
    """Coarse coloured noise of its own with a number in print: no two are near-duplicates."""
    rng = np.random.default_rng(number)
    blocks = rng.integers(0, 256, size=(5, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((10, size[1] - 40, size[0] - 10, size[1] - 8), fill="white")
    pen.text((18, size[1] - 36), f"PART {4000 + number}", font=ImageFont.load_default(22), fill="black")
    return picture


def write_pictures(folder: Path, numbers: range, size: tuple[int, int] = (200, 120)) -> Path:
    """`folder`/picture-<number>.png for every number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        draw(number, size).save(folder / f"picture-{number:04d}.png")
    return folder
