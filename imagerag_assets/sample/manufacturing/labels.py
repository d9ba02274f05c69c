"""Everything that can be read in a photo: paper labels, nameplates, a calliper's display, stamped letters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from imagerag_assets.sample import drawing
from imagerag_assets.sample.drawing import as_float32
from imagerag_assets.sample.manufacturing.arrangement import Placement
from imagerag_assets.sample.manufacturing.light import Stage, lay
from imagerag_assets.sample.manufacturing.solids import Box
from imagerag_assets.sample.manufacturing.vocabulary import Generator
from imagerag_assets.sample.scene import Scene


def _card(lines: Sequence[str], layout: Generator, scale: float) -> Image.Image:
    """Print a paper label; its colours are drawn by lot, so that they say nothing about the words."""
    ground = ((250, 249, 244), (252, 236, 150), (214, 232, 244), (247, 247, 245))[int(layout.integers(0, 4))]
    band = ((40, 40, 44), (30, 70, 140), (120, 30, 40), (36, 96, 60))[int(layout.integers(0, 4))]
    sizes = [42 * scale if i == 0 else 32 * scale for i in range(len(lines))]
    fonts = [
        drawing.font("condensed" if i == 0 else "mono" if i % 2 else "sans", s, i == 0) for i, s in enumerate(sizes)
    ]
    width = max(f.getlength(line) for f, line in zip(fonts, lines, strict=True)) + 64 * scale
    height = sum(sizes) * 1.32 + 52 * scale
    card = Image.new("RGB", (max(8, round(width)), max(8, round(height))), ground)
    pen = ImageDraw.Draw(card)
    pen.rectangle((0, 0, width, 12 * scale), fill=band)
    y = 24 * scale
    for f, size, line in zip(fonts, sizes, lines, strict=True):
        pen.text((32 * scale, y), line, font=f, fill=(22, 22, 26))
        y += size * 1.32
    return card


def _nameplate(lines: Sequence[str], grain: Generator, scale: float) -> Image.Image:
    """Engrave a metal plate with two rivets."""
    face = drawing.font("sans", 30 * scale, True)
    width = round(max(face.getlength(line) for line in lines) + 110 * scale)
    height = round(len(lines) * 42 * scale + 30 * scale)
    metal = drawing.brushed_metal(grain, max(height, 8), max(width, 8), (0.80, 0.81, 0.82))
    plate = Image.fromarray((metal * 255).astype(np.uint8))
    pen = ImageDraw.Draw(plate)
    pen.rectangle(
        (4 * scale, 4 * scale, width - 5 * scale, height - 5 * scale),
        outline=(60, 60, 64),
        width=max(1, round(2 * scale)),
    )
    for x in (26 * scale, width - 26 * scale):
        pen.ellipse(
            (x - 10 * scale, height / 2 - 10 * scale, x + 10 * scale, height / 2 + 10 * scale),
            fill=(96, 97, 100),
        )
        pen.ellipse(
            (x - 7 * scale, height / 2 - 8 * scale, x + 5 * scale, height / 2 + 4 * scale),
            fill=(200, 201, 204),
        )
    for index, line in enumerate(lines):
        pen.text((55 * scale, 13 * scale + index * 42 * scale), line, font=face, fill=(28, 28, 32))
    return plate


def _calliper(lines: Sequence[str], scale: float) -> Image.Image:
    """Draw a digital calliper lying along x, transparent around it."""
    width, height = round(620 * scale), round(190 * scale)
    picture = Image.new("RGBA", (max(width, 8), max(height, 8)), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)

    def block(box: Box, fill: tuple[int, int, int], rounding: float = 0) -> None:
        pen.rounded_rectangle([value * scale for value in box], rounding * scale, fill=(*fill, 255))

    for x in (30, 168):  # the fixed jaw, then the sliding one
        jaw = ((x, 40), (x + 44, 40), (x + 44, 110), (x + 22, 188), (x, 188))
        pen.polygon([(p * scale, q * scale) for p, q in jaw], fill=(150, 153, 158, 255))
    block((20, 44, 615, 92), (186, 189, 193))
    for index in range(100):
        depth = 78 if index % 5 else 70
        pen.line((x0 := (80 + index * 5.2) * scale, depth * scale, x0, 92 * scale), fill=(70, 72, 76, 255))
    block((196, 16, 470, 124), (128, 134, 142), 10)
    block((212, 30, 402, 108), (230, 235, 224), 4)
    for y in (34, 64, 94):
        block((414, y, 454, y + 18), (200, 96, 40) if y == 34 else (120, 124, 132), 5)
    face = drawing.font("sans", 40 * scale, True)
    pen.text((307 * scale, 66 * scale), lines[0], font=face, fill=(20, 26, 22, 255), anchor="mm")
    return picture


def carrier_image(scene: Scene, layout: Generator, grain: Generator, scale: float) -> Image.Image:
    carrier = scene.facts["carrier"]
    if carrier == "calliper":
        return _calliper(scene.text, scale)
    if carrier == "nameplate":
        return _nameplate(scene.text, grain, scale)
    return _card(scene.text, layout, scale)


def lay_carrier(stage: Stage, picture: Image.Image, layout: Generator) -> None:
    """Lays what carries the text along the lower edge, a little askew."""
    lean, place = float(layout.uniform(-1.6, 1.6)), float(layout.uniform(0.25, 0.75))
    turned = picture.convert("RGBA").rotate(lean, Image.Resampling.BICUBIC, expand=True)
    pixels = np.asarray(turned, dtype=np.float32) / 255
    h, w = stage.canvas.shape[:2]
    pad = round(14 * stage.scale)
    pixels = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)))
    ph, pw = pixels.shape[:2]
    left = round(float(np.clip(place * w - pw / 2, min(0, w - pw), max(w - pw, 0))))
    gain = 1.0 if not stage.backlit else 0.95
    backlit, stage.backlit = stage.backlit, False
    lay(
        stage,
        as_float32(pixels[..., :3] * gain),
        as_float32(pixels[..., 3]),
        (left, h - ph - round(8 * stage.scale)),
        7 * stage.scale,
    )
    stage.backlit = backlit


def stamp(stage: Stage, lines: Sequence[str], spot: Placement) -> None:
    """Punches letters into the middle of a plate."""
    h, w = stage.canvas.shape[:2]
    sheet = Image.new("L", (w, h), 0)
    size = min(58 * stage.scale, spot.radius * 0.30)
    face = drawing.font("sans", size, True)
    pen = ImageDraw.Draw(sheet)
    for index, line in enumerate(lines):
        y = spot.y + (index - (len(lines) - 1) / 2) * size * 1.2
        pen.text((spot.x, y), line, font=face, fill=255, anchor="mm")
    mask = np.asarray(sheet.rotate(-float(np.degrees(spot.angle)), center=(spot.x, spot.y)), dtype=np.float32) / 255
    shift = max(1, round(1.5 * stage.scale))
    lit = np.roll(mask, (shift, shift), axis=(0, 1))
    stage.canvas = drawing.composite(stage.canvas, (1.0, 1.0, 1.0), as_float32(lit * 0.45))
    stage.canvas = drawing.composite(stage.canvas, (0.05, 0.05, 0.06), as_float32(mask * 0.92))
