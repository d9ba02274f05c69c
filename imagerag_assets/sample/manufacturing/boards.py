"""Circuit boards: components laid out by lot, drawn as paint and heights at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from imagerag_assets.sample.drawing import as_float32
from imagerag_assets.sample.manufacturing.solids import Box, Solid, make_solid, rounded_box, turned_grid
from imagerag_assets.sample.manufacturing.vocabulary import ALBEDO, Generator

BOARD_HALF_V = 0.70
SOLDER, SILK = (196, 199, 200), (226, 230, 224)


@dataclass(frozen=True)
class Component:
    """A component of a board: its kind, and its box in part coordinates."""

    kind: str
    box: Box


def _board_layout(rng: Generator, dense: bool) -> list[Component]:
    """Components that do not overlap, large ones first; the one that a defect hits is the first chip."""
    wanted: list[tuple[str, float, float, int]] = [
        ("connector", 0.34, 0.11, 2), ("chip", 0.24, 0.24, 1), ("soic", 0.15, 0.10, 3),
        ("electrolytic", 0.09, 0.09, 3), ("crystal", 0.10, 0.045, 1), ("led", 0.035, 0.035, 3),
        ("resistor", 0.045, 0.022, 34),
    ]  # fmt: skip
    if dense:
        wanted = [(k, w * 0.52, h * 0.52, 1 if k == "chip" else n * 4) for k, w, h, n in wanted]
        wanted.insert(2, ("chip", 0.10, 0.10, 5))
    placed: list[Component] = []
    for kind, half_w, half_h, count in wanted:
        for _ in range(count):
            for _ in range(12):
                w, h = (half_h, half_w) if rng.random() < 0.5 else (half_w, half_h)
                x = float(rng.uniform(-0.88 + w, 0.88 - w))
                y = float(rng.uniform(-BOARD_HALF_V + 0.08 + h, BOARD_HALF_V - 0.08 - h))
                if kind == "connector":
                    w, h = half_w, half_h
                    y = float(np.sign(rng.random() - 0.5)) * (BOARD_HALF_V - 0.03 - h)
                if all(
                    abs(x - (b[0] + b[2]) / 2) > w + (b[2] - b[0]) / 2 + 0.025
                    or abs(y - (b[1] + b[3]) / 2) > h + (b[3] - b[1]) / 2 + 0.025
                    for b in (c.box for c in placed)
                ):
                    placed.append(Component(kind, (x - w, y - h, x + w, y + h)))
                    break
    return placed


class _BoardPen:
    """Draws a board's paint and its heights at once, in part coordinates."""

    def __init__(self, side: int, scale: float, ground: tuple[int, int, int]) -> None:
        self.paint = Image.new("RGB", (side, side), ground)
        self.height = Image.new("L", (side, side), 40)
        self._pens = ImageDraw.Draw(self.paint), ImageDraw.Draw(self.height)
        self._centre, self.scale = side / 2, scale

    def _pixels(self, box: Sequence[float]) -> list[float]:
        return [self._centre + value * self.scale for value in box]

    def rectangle(self, box: Box, fill: tuple[int, int, int], height: int | None = None) -> None:
        self._pens[0].rectangle(self._pixels(box), fill=fill)
        if height is not None:
            self._pens[1].rectangle(self._pixels(box), fill=height)

    def ellipse(self, box: Box, fill: tuple[int, int, int], height: int | None = None) -> None:
        self._pens[0].ellipse(self._pixels(box), fill=fill)
        if height is not None:
            self._pens[1].ellipse(self._pixels(box), fill=height)

    def line(self, points: Sequence[float], fill: tuple[int, int, int], width: float) -> None:
        self._pens[0].line(self._pixels(points), fill=fill, width=max(1, round(width * self.scale)))

    def outline(self, box: Box, fill: tuple[int, int, int]) -> None:
        self._pens[0].rectangle(self._pixels(box), outline=fill, width=max(1, round(0.008 * self.scale)))


def _legs(pen: _BoardPen, box: Box, sides: Literal["all", "ends"], bare: bool) -> None:
    left, top, right, bottom = box
    tone, lift = ((214, 190, 120), 42) if bare else (SOLDER, 60)
    pitch, length = 0.035, 0.03
    for x in np.arange(left + 0.03, right - 0.02, pitch):
        pen.rectangle((x, top - length, x + pitch * 0.5, top + 0.01), tone, lift)
        pen.rectangle((x, bottom - 0.01, x + pitch * 0.5, bottom + length), tone, lift)
    for y in np.arange(top + 0.03, bottom - 0.02, pitch) if sides == "all" else ():
        pen.rectangle((left - length, y, left + 0.01, y + pitch * 0.5), tone, lift)
        pen.rectangle((right - 0.01, y, right + length, y + pitch * 0.5), tone, lift)


def _draw_component(pen: _BoardPen, part: Component, rng: Generator, missing: bool) -> None:
    left, top, right, bottom = part.box
    w, h = right - left, bottom - top
    tone = int(rng.integers(0, 3))
    if part.kind in ("chip", "soic"):
        _legs(pen, part.box, "all" if part.kind == "chip" else "ends", missing)
        if missing:
            pen.outline((left + 0.02, top + 0.02, right - 0.02, bottom - 0.02), SILK)
            pen.rectangle((left + w * 0.3, top + h * 0.3, right - w * 0.3, bottom - h * 0.3), (214, 190, 120))
        else:
            pen.rectangle(part.box, (34, 34, 37), 118)
            pen.ellipse((left + 0.025, top + 0.025, left + 0.055, top + 0.055), (78, 78, 80))
            for row in (0.42, 0.58):
                pen.line((left + w * 0.25, top + h * row, left + w * 0.75, top + h * row), (150, 150, 150), 0.012)
    elif part.kind == "connector":
        pen.rectangle(part.box, ((232, 230, 218), (30, 30, 32), (232, 230, 218))[tone], 170)
        for x in np.arange(left + 0.03, right - 0.03, 0.055):
            pen.rectangle((x, top + h * 0.3, x + 0.026, top + h * 0.7), (176, 150, 70), 110)
    elif part.kind == "electrolytic":
        pen.ellipse(part.box, (40, 42, 70), 190)
        pen.ellipse((left + w * 0.1, top + h * 0.1, right - w * 0.1, bottom - h * 0.1), (190, 192, 196), 215)
        pen.line((left + w * 0.3, top + h * 0.5, right - w * 0.3, top + h * 0.5), (120, 122, 126), 0.008)
    elif part.kind == "crystal":
        pen.rectangle(part.box, (205, 206, 208), 130)
    elif part.kind == "led":
        pen.rectangle(part.box, ((240, 60, 50), (250, 236, 150), (90, 220, 110))[tone], 80)
    else:
        flat = w > h
        end = (left, top, left + w * 0.25, bottom) if flat else (left, top, right, top + h * 0.25)
        other = (right - w * 0.25, top, right, bottom) if flat else (left, bottom - h * 0.25, right, bottom)
        pen.rectangle(part.box, ((32, 32, 34), (150, 108, 70), (32, 32, 34))[tone], 70)
        pen.rectangle(end, SOLDER, 66)
        pen.rectangle(other, SOLDER, 66)


def _draw_traces(pen: _BoardPen, rng: Generator, tone: tuple[int, int, int], count: int) -> None:
    for x, y, length, turn, side in rng.uniform(-1, 1, (count, 5)):
        x, y, bend = x * 0.85, y * 0.6, 0.18 * turn
        end = (float(np.clip(x + length * 0.7, -0.9, 0.9)), float(np.clip(y + bend, -0.62, 0.62)))
        knee = (float(np.clip(x + np.sign(length) * abs(end[1] - y), -0.9, 0.9)), end[1])
        for lane in range(3 if side > 0 else 1):
            shift = lane * 0.022
            pen.line((x, y + shift, knee[0], knee[1] + shift, end[0], end[1] + shift), tone, 0.008)
        pen.ellipse((x - 0.014, y - 0.014, x + 0.014, y + 0.014), SOLDER)


def make_board(material: str, scale: float, angle: float, design: int, defect: str, dense: bool) -> tuple[Solid, Box]:
    """Draw a board of `scale` pixels per unit turned by `angle`; with the box of what a defect hits."""
    rng = np.random.default_rng(design)
    side = 2 * int(scale * 1.3)
    mask_colour = np.asarray(ALBEDO[material]) * 255
    ground = tuple(int(value) for value in mask_colour)
    pen = _BoardPen(side, scale, (ground[0], ground[1], ground[2]))
    trace = np.clip(mask_colour * 1.25 + 14, 0, 255).astype(int)
    _draw_traces(pen, rng, (int(trace[0]), int(trace[1]), int(trace[2])), 90 if dense else 36)
    parts = _board_layout(rng, dense)
    target = next(i for i, part in enumerate(parts) if part.kind == ("soic" if dense else "chip"))
    for x, y in ((-0.9, -0.62), (0.9, -0.62), (-0.9, 0.62), (0.9, 0.62)):
        pen.ellipse((x - 0.06, y - 0.06, x + 0.06, y + 0.06), (205, 196, 150))
        pen.ellipse((x - 0.035, y - 0.035, x + 0.035, y + 0.035), (30, 30, 30), 0)
    for index, part in enumerate(parts):
        _draw_component(pen, part, rng, defect == "missing_component" and index == target)
    degrees = -np.degrees(angle)
    paint = pen.paint.rotate(degrees, Image.Resampling.BICUBIC)
    height = pen.height.rotate(degrees, Image.Resampling.BICUBIC)
    grid = turned_grid(side, scale, angle)
    outline = rounded_box(grid.u, grid.v, 0.98, BOARD_HALF_V, 0.04)
    solid = make_solid(outline, as_float32(np.asarray(height, dtype=np.float32) * (0.22 / 255)))
    solid.paint = as_float32(np.asarray(paint, dtype=np.float32) / 255)
    solid.paint_cover[:] = 1
    left, top, right, bottom = parts[target].box
    return solid, (left - 0.04, top - 0.04, right + 0.04, bottom + 0.04)
