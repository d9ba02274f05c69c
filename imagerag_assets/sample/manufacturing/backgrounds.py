"""What the parts lie on: mat, conveyor belt, wood, light table, drawn grid, tray, concrete."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from imagerag_assets.sample import drawing
from imagerag_assets.sample.drawing import FloatArray, as_float32
from imagerag_assets.sample.manufacturing.vocabulary import Generator
from imagerag_assets.sample.scene import Scene


def _lines(values: FloatArray, pitch: float, width: float) -> FloatArray:
    """1 on lines every `pitch` pixels, `width` pixels wide."""
    away = np.abs((values / pitch + 0.5) % 1 - 0.5) * pitch
    return as_float32(np.clip(width / 2 - away + 0.5, 0, 1))


def _mat(layout: Generator, clouds: FloatArray, x: FloatArray, y: FloatArray, scale: float) -> FloatArray:
    tone = np.asarray((0.06, 0.34, 0.27), dtype=np.float32) * (0.85 + 0.3 * clouds[..., None])
    shift = float(layout.uniform(0, 40)) * scale
    thick = max(2.2 * scale, 0.9)
    coarse = np.maximum(_lines(x + shift, 80 * scale, thick), _lines(y + shift, 80 * scale, thick))
    fine = np.maximum(_lines(x + shift, 16 * scale, scale), _lines(y + shift, 16 * scale, scale))
    return drawing.composite(as_float32(tone), (0.66, 0.80, 0.62), as_float32(np.maximum(coarse * 0.75, fine * 0.22)))


def _belt(layout: Generator, clouds: FloatArray, x: FloatArray, y: FloatArray, scale: float) -> FloatArray:
    h, w = clouds.shape
    ribs = 0.5 + 0.5 * np.cos((x / scale + float(layout.uniform(0, 50))) * 2 * np.pi / 26)
    rubber = (0.13 + 0.05 * clouds) * (0.75 + 0.45 * ribs**3)
    canvas = as_float32(np.asarray((1.0, 1.0, 1.04), dtype=np.float32) * rubber[..., None])
    rail = h * 0.085
    edge = np.minimum(y, h - y)
    steel = 0.45 + 0.35 * np.exp(-(((edge - rail * 0.45) / (rail * 0.3)) ** 2)) + 0.08 * clouds
    bolt_x = ((x / (w / 7) + 0.5) % 1 - 0.5) * (w / 7)
    head = np.hypot(bolt_x, edge - rail * 0.5) < rail * 0.2
    steel = np.where(head, 0.28, steel)
    rails = as_float32(steel[..., None] * np.asarray((0.98, 0.86, 0.30), dtype=np.float32))
    canvas = drawing.composite(canvas, rails, as_float32(np.clip(rail - edge + 0.5, 0, 1)))
    return as_float32(
        canvas * (1 - 0.6 * np.exp(-(((edge - rail * 1.1) / (rail * 0.25)) ** 2)) * (edge > rail))[..., None]
    )


def _light_table(_layout: Generator, clouds: FloatArray, x: FloatArray, y: FloatArray, scale: float) -> FloatArray:
    h, w = clouds.shape
    edge = np.minimum(np.minimum(x, w - x), np.minimum(y, h - y))
    glow = 1.0 - 0.10 * np.hypot(x / w - 0.5, y / h - 0.5) + 0.01 * clouds
    canvas = as_float32(np.asarray((0.98, 1.0, 1.02), dtype=np.float32) * glow[..., None])
    frame = 26 * scale
    canvas = drawing.composite(canvas, (0.10, 0.10, 0.11), as_float32(np.clip(frame - edge + 0.5, 0, 1)))
    return as_float32(np.clip(canvas, 0, 1))


def _drawn_grid(layout: Generator, clouds: FloatArray, _x: FloatArray, _y: FloatArray, scale: float) -> FloatArray:
    h, w = clouds.shape
    canvas = np.asarray((0.96, 0.945, 0.90), dtype=np.float32) * (0.95 + 0.06 * clouds[..., None])
    sheet = Image.new("L", (w, h), 0)
    pen = ImageDraw.Draw(sheet)
    width = max(1, round(2.6 * scale))
    pitch = float(layout.uniform(58, 74)) * scale
    for across, span, length in ((True, h, w), (False, w, h)):
        for index in range(16 if across else 18):
            start, lean, bow, phase = layout.normal(0, 1, 4)
            base = (index + 0.4) * pitch + start * 2.5 * scale
            steps = np.linspace(-0.02, 1.02, 24)
            drift = base + lean * 5 * scale * steps + bow * 4 * scale * np.sin(steps * 5 + phase)
            if base < span:
                ends = zip(steps * length, drift, strict=True)
                pen.line(
                    [(float(a), float(b)) if across else (float(b), float(a)) for a, b in ends],
                    fill=200,
                    width=width,
                )
    ink = np.asarray(sheet, dtype=np.float32) / 255
    return drawing.composite(as_float32(canvas), (0.22, 0.36, 0.66), as_float32(ink * (0.5 + 0.6 * clouds)))


def _tray(clouds: FloatArray, x: FloatArray, y: FloatArray, cells: tuple[int, int]) -> FloatArray:
    """Paint a grey plastic tray: rim, walls in shadow, ribs between `cells` (columns, rows)."""
    h, w = clouds.shape
    edge = np.minimum(np.minimum(x, w - x), np.minimum(y, h - y))
    rim = min(h, w) * 0.045
    value = 0.44 + 0.05 * clouds + 0.10 * (1 - x / w) + 0.06 * (1 - y / h)
    value = value * (1 - 0.45 * np.exp(-np.maximum(edge - rim, 0) / (rim * 0.8)))
    value = np.where(edge < rim, 0.60 + 0.12 * np.exp(-(((edge - rim * 0.5) / (rim * 0.35)) ** 2)), value)
    columns, rows = cells
    inner_x, inner_y = (x - rim) / (w - 2 * rim) * columns, (y - rim) / (h - 2 * rim) * rows
    for position, count, cell in ((inner_x, columns, w / columns), (inner_y, rows, h / rows)):
        nearest = np.round(position)
        away = (position - nearest) * cell
        wall = (nearest > 0.5) & (nearest < count - 0.5) & (edge > rim)
        ridge = np.clip(1.5 - np.abs(away) / (rim * 0.16), 0, 1)
        value = np.where(
            wall,
            value * (1 - 0.35 * np.exp(-np.maximum(away, 0) / (rim * 0.5)) * (away > 0)) + 0.16 * ridge,
            value,
        )
    return as_float32(np.clip(value[..., None] * np.asarray((0.96, 0.99, 1.04), dtype=np.float32), 0, 1))


def paint_background(
    scene: Scene,
    layout: Generator,
    grain: Generator,
    clouds: FloatArray,
    scale: float,
    cells: tuple[int, int],
) -> FloatArray:
    h, w = clouds.shape
    name = str(scene.facts["background"])
    x = np.broadcast_to(np.arange(w, dtype=np.float32)[None, :] + 0.5, (h, w))
    y = np.broadcast_to(np.arange(h, dtype=np.float32)[:, None] + 0.5, (h, w))
    if name == "wood":
        tone = drawing.colour(str(layout.choice(("oak", "pine", "walnut"))))
        return drawing.wood(grain, h, w, tone, planks=int(layout.integers(3, 6)))
    if name == "concrete":
        return drawing.concrete(grain, h, w)
    if name == "tray":
        return _tray(clouds, x, y, cells)
    painters = {"mat": _mat, "belt": _belt, "light": _light_table, "grid": _drawn_grid}
    return painters[name](layout, clouds, x, y, scale)
