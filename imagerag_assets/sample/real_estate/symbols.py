"""The pen of the floor plans and what it draws: the symbols of furniture and fittings, seen from above.

Coordinates are sheet units (1000 across the sheet); where a symbol stands is decided in `plans`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from imagerag_assets.sample.drawing import font

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Ink = tuple[int, int, int]


@dataclass(frozen=True)
class Pen:
    """Draws in sheet units on an image `scale` times as large."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    scale: float
    ink: Ink
    paper: Ink
    faint: Ink
    accents: bool
    """Whether water and leaves are tinted, as on a coloured architect's drawing."""

    @classmethod
    def sheet(cls, width: int, *, blueprint: bool) -> Pen:
        scale = width / 1000
        paper, ink, faint = ((22, 62, 128), (226, 236, 250), (62, 101, 163))
        if not blueprint:
            paper, ink, faint = ((250, 248, 241), (28, 28, 32), (214, 208, 196))
        image = Image.new("RGB", (width, round(707 * scale)), paper)
        return cls(image, ImageDraw.Draw(image), scale, ink, paper, faint, not blueprint)

    def _box(self, box: Box) -> Box:
        x0, y0, x1, y1 = (v * self.scale for v in box)
        return x0, y0, x1, y1

    def _width(self, units: float) -> int:
        return max(1, round(units * self.scale))

    def _points(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.scale, y * self.scale) for x, y in points]

    def line(self, points: Sequence[Point], width: float = 1.2, *, faint: bool = False) -> None:
        self.draw.line(
            self._points(points),
            fill=self.faint if faint else self.ink,
            width=self._width(width),
            joint="curve",
        )

    def rectangle(self, box: Box, width: float = 1.2) -> None:
        x0, y0, x1, y1 = box
        half = width / 2
        outer = self._box((x0 - half, y0 - half, x1 + half, y1 + half))
        self.draw.rectangle(outer, outline=self.ink, width=self._width(width))

    def filled(self, box: Box, width: float = 1.2) -> None:
        self.draw.rectangle(self._box(box), fill=self.ink)

    def rounded(self, box: Box, radius: float, width: float = 1.2, tint: Ink | None = None) -> None:
        fill = tint if tint and self.accents else None
        x0, y0, x1, y1 = self._box(box)
        # Pillow fails on corners wider than the box, as in a small cushion on a small sheet.
        corner = int(min(radius * self.scale, (x1 - x0) / 2 - 1, (y1 - y0) / 2 - 1))
        thick = self._width(width)
        if corner > thick:
            self.draw.rounded_rectangle((x0, y0, x1, y1), corner, outline=self.ink, width=thick, fill=fill)
        else:
            self.draw.rectangle((x0, y0, x1, y1), outline=self.ink, width=thick, fill=fill)

    def ellipse(self, box: Box, width: float = 1.2, *, fill: bool = False, tint: Ink | None = None) -> None:
        inside = self.ink if fill else (tint if tint and self.accents else None)
        self.draw.ellipse(self._box(box), outline=self.ink, width=self._width(width), fill=inside)

    def arc(self, box: Box, start: float, end: float, width: float = 1.0) -> None:
        self.draw.arc(self._box(box), start, end, fill=self.ink, width=self._width(width))

    def polygon(
        self, points: Sequence[Point], width: float = 1.2, *, fill: bool = False, tint: Ink | None = None
    ) -> None:
        inside = self.ink if fill else (tint if tint and self.accents else None)
        if inside:
            self.draw.polygon(self._points(points), fill=inside)
        self.line([*points, points[0]], width)

    def clear(self, box: Box) -> None:
        self.draw.rectangle(self._box(box), fill=self.paper)

    def grid(self, box: Box, step: float) -> None:
        x0, y0, x1, y1 = box
        for i in range(1, int((x1 - x0) / step) + 1):
            self.line([(x0 + i * step, y0), (x0 + i * step, y1)], 0.6, faint=True)
        for i in range(1, int((y1 - y0) / step) + 1):
            self.line([(x0, y0 + i * step), (x1, y0 + i * step)], 0.6, faint=True)

    def boards(self, box: Box, step: float) -> None:
        x0, y0, x1, y1 = box
        for i in range(1, int((y1 - y0) / step) + 1):
            self.line([(x0, y0 + i * step), (x1, y0 + i * step)], 0.6, faint=True)

    def hatch(self, box: Box, step: float) -> None:
        """A paved area: an outline and a grid."""
        self.grid(box, step)
        self.rectangle(box, 0.8)

    def dashed(self, box: Box) -> None:
        x0, y0, x1, y1 = box
        for start, end in (
            ((x0, y0), (x1, y0)),
            ((x1, y0), (x1, y1)),
            ((x1, y1), (x0, y1)),
            ((x0, y1), (x0, y0)),
        ):
            length = math.dist(start, end)
            pieces = int(length / 16)
            for i in range(pieces):
                a, b = i / pieces, (i + 0.6) / pieces
                self.line(
                    [
                        (start[0] + (end[0] - start[0]) * a, start[1] + (end[1] - start[1]) * a),
                        (start[0] + (end[0] - start[0]) * b, start[1] + (end[1] - start[1]) * b),
                    ],
                    1.2,
                )

    def text(self, at: Point, words: str, size: float, *, bold: bool = False, plate: bool = False) -> None:
        """Words centred at a point; with `plate` what lies under them is cleared first."""
        face = font("sans", size * self.scale, bold=bold)
        centre = (at[0] * self.scale, at[1] * self.scale)
        if plate:
            x0, y0, x1, y1 = self.draw.textbbox(centre, words, font=face, anchor="mm")
            pad = 2 * self.scale
            self.draw.rectangle((x0 - pad, y0 - pad, x1 + pad, y1 + pad), fill=self.paper)
        self.draw.text(centre, words, font=face, fill=self.ink, anchor="mm")


Symbol = Callable[[Pen, Box], None]
_WATER: Ink = (176, 216, 234)
_LEAF: Ink = (178, 208, 160)
_WOOD: Ink = (226, 200, 160)


def _inside(box: Box, x: float, y: float) -> Point:
    """The point at fractions (x, y) of a box."""
    return box[0] + (box[2] - box[0]) * x, box[1] + (box[3] - box[1]) * y


def _part(box: Box, x0: float, y0: float, x1: float, y1: float) -> Box:
    return *_inside(box, x0, y0), *_inside(box, x1, y1)


def _piano(pen: Pen, box: Box) -> None:
    """A grand piano: the curved case in solid ink, the keyboard, and the bench."""
    curve = [(0.04, 0.66), (0.04, 0.1), (0.12, 0.02), (0.3, 0.0), (0.46, 0.04), (0.56, 0.14), (0.62, 0.28)]
    curve += [(0.7, 0.38), (0.84, 0.43), (0.93, 0.5), (0.96, 0.58), (0.96, 0.66)]
    pen.polygon([_inside(box, x, y) for x, y in curve], 1.4, fill=True)
    keys = _part(box, 0.04, 0.66, 0.96, 0.78)
    pen.rectangle(keys, 1.4)
    for i in range(1, 14):
        x = i / 14
        pen.line([_inside(keys, x, 0), _inside(keys, x, 0.6 if i % 7 not in (0, 3) else 1.0)], 1.3)
    pen.rounded(_part(box, 0.3, 0.86, 0.7, 1.0), 3, 1.6)


def _spiral_staircase(pen: Pen, box: Box) -> None:
    """Steps that fan out around a post, inside a circle."""
    pen.ellipse(box, 2.0)
    x, y = _inside(box, 0.5, 0.5)
    radius = (box[2] - box[0]) / 2
    for i in range(16):
        angle = i * math.tau / 16
        start = (x + radius * 0.14 * math.cos(angle), y + radius * 0.14 * math.sin(angle))
        pen.line([start, (x + radius * math.cos(angle), y + radius * math.sin(angle))], 1.3)
    pen.ellipse((x - radius * 0.14, y - radius * 0.14, x + radius * 0.14, y + radius * 0.14), 1.2, fill=True)
    inner = radius * 0.62
    pen.arc((x - inner, y - inner, x + inner, y + inner), 20, 320, 1.8)


def _bathtub(pen: Pen, box: Box) -> None:
    """A rectangle with the rounded hollow inside, drain and taps."""
    pen.rectangle(box, 1.8)
    high = box[3] - box[1]
    pen.rounded(_part(box, 0.06, 0.12, 0.94, 0.88), high * 0.36, 1.6, tint=_WATER)
    for y in (0.38, 0.62):
        px, py = _inside(box, 0.12, y)
        pen.ellipse((px - 2.4, py - 2.4, px + 2.4, py + 2.4), 1.2)
    px, py = _inside(box, 0.22, 0.5)
    pen.ellipse((px - 3, py - 3, px + 3, py + 3), 1.2, fill=True)


def _sauna(pen: Pen, box: Box) -> None:
    """A cabin with benches of slats along two walls and a stove with stones."""
    pen.rectangle(box, 3.0)
    pen.rounded(_part(box, 0.03, 0.05, 0.97, 0.95), 1, 0.9, tint=_WOOD)
    for i in range(6):
        y = 0.08 + 0.065 * i
        pen.line([_inside(box, 0.05, y), _inside(box, 0.95, y)], 1.8)
    for i in range(5):
        x = 0.06 + 0.05 * i
        pen.line([_inside(box, x, 0.46), _inside(box, x, 0.92)], 1.8)
    stove = _part(box, 0.7, 0.58, 0.93, 0.92)
    pen.rectangle(stove, 1.8)
    for row in range(3):
        for column in range(3):
            pen.ellipse(
                _part(stove, 0.06 + column * 0.3, 0.06 + row * 0.3, 0.32 + column * 0.3, 0.32 + row * 0.3),
                1.2,
            )


def _fireplace(pen: Pen, box: Box) -> None:
    """Chimney breast with a splayed hearth, hatched masonry, and the flames."""
    pen.polygon([_inside(box, x, y) for x, y in ((0, 0), (1, 0), (1, 0.8), (0, 0.8))], 1.8, fill=True)
    hearth = [_inside(box, x, y) for x, y in ((0.2, 0.8), (0.32, 0.22), (0.68, 0.22), (0.8, 0.8))]
    pen.draw.polygon([(x * pen.scale, y * pen.scale) for x, y in hearth], fill=pen.paper)
    pen.rectangle(_part(box, 0.08, 0.8, 0.92, 1.0), 1.4)
    flames = ((0.36, 0.74), (0.38, 0.5), (0.44, 0.62), (0.5, 0.3), (0.56, 0.62), (0.62, 0.5), (0.64, 0.74))
    pen.polygon([_inside(box, x, y) for x, y in flames], 1.3, tint=(240, 150, 80))


def _car(pen: Pen, box: Box) -> None:
    wide = box[2] - box[0]
    pen.rounded(box, wide * 0.28, 1.8, tint=(225, 226, 228))
    pen.rounded(_part(box, 0.12, 0.3, 0.88, 0.8), wide * 0.16, 1.3)
    pen.polygon([_inside(box, x, y) for x, y in ((0.14, 0.4), (0.2, 0.28), (0.8, 0.28), (0.86, 0.4))], 1.3, fill=True)
    pen.polygon(
        [_inside(box, x, y) for x, y in ((0.18, 0.74), (0.24, 0.82), (0.76, 0.82), (0.82, 0.74))],
        1.3,
        fill=True,
    )
    for x in (-0.07, 0.97):
        pen.filled(_part(box, x, 0.25, x + 0.1, 0.33))
    for x in (0.14, 0.7):
        pen.ellipse(_part(box, x, 0.02, x + 0.16, 0.07), 1.0)


def _double_garage(pen: Pen, box: Box) -> None:
    """Two cars side by side behind two wide doors."""
    _car(pen, _part(box, 0.06, 0.06, 0.44, 0.9))
    _car(pen, _part(box, 0.56, 0.06, 0.94, 0.9))
    for x0, x1 in ((0.02, 0.48), (0.52, 0.98)):
        pen.rectangle(_part(box, x0, 0.96, x1, 1.0), 1.4)
    pen.line([_inside(box, 0.5, 0.3), _inside(box, 0.5, 0.94)], 1.0)


def _pool(pen: Pen, box: Box) -> None:
    """A basin with a double rim, waves, steps in a corner and a ladder."""
    pen.draw.rounded_rectangle(tuple(v * pen.scale for v in box), 14 * pen.scale, fill=pen.paper)
    pen.rounded(box, 14, 2.4)
    basin = _part(box, 0.03, 0.06, 0.97, 0.94)
    pen.rounded(basin, 11, 1.4, tint=_WATER)
    for row in range(4):
        for wave in range(5):
            x, y = _inside(basin, 0.14 + wave * 0.155 + (row % 2) * 0.06, 0.2 + row * 0.19)
            pen.arc((x, y - 4, x + 11, y + 4), 180, 360, 1.3)
            pen.arc((x + 11, y - 4, x + 22, y + 4), 0, 180, 1.3)
    for i in range(3):
        x, y = basin[0], basin[1]
        reach = 9.0 * (i + 1)
        pen.arc((x - reach, y - reach, x + reach, y + reach), 0, 90, 1.2)
    for i in range(3):
        x, y = _inside(basin, 1.0, 0.42 + i * 0.08)
        pen.line([(x - 10, y), (x + 8, y)], 1.4)


def _lift(pen: Pen, box: Box) -> None:
    """A shaft with thick walls, the cabin crossed out, and two sliding doors."""
    pen.rectangle(box, 5.0)
    cabin = _part(box, 0.14, 0.12, 0.86, 0.82)
    pen.rectangle(cabin, 1.6)
    pen.line([cabin[:2], cabin[2:]], 1.6)
    pen.line([(cabin[0], cabin[3]), (cabin[2], cabin[1])], 1.6)
    pen.clear(_part(box, 0.2, 0.94, 0.8, 1.06))
    pen.rectangle(_part(box, 0.2, 0.92, 0.49, 0.98), 1.2)
    pen.rectangle(_part(box, 0.51, 0.92, 0.8, 0.98), 1.2)


def _rosette(pen: Pen, box: Box, leaves: int) -> None:
    x, y = _inside(box, 0.5, 0.5)
    radius = (box[2] - box[0]) / 2
    for i in range(leaves):
        angle = i * math.tau / leaves
        tip = (x + radius * math.cos(angle), y + radius * math.sin(angle))
        sides = []
        for turn in (-0.34, 0.34):
            sides.append((x + radius * 0.55 * math.cos(angle + turn), y + radius * 0.55 * math.sin(angle + turn)))
        pen.polygon([(x, y), sides[0], tip, sides[1]], 1.1, tint=_LEAF)


def _plants(pen: Pen, box: Box) -> None:
    """Three potted plants: rosettes of pointed leaves over round pots."""
    for x, y, size, leaves in ((0.3, 0.32, 0.3, 9), (0.76, 0.28, 0.23, 7), (0.62, 0.74, 0.26, 8)):
        spot = _part(box, x - size, y - size, x + size, y + size)
        pen.ellipse(_part(spot, 0.22, 0.22, 0.78, 0.78), 1.2)
        _rosette(pen, spot, leaves)


def _pinball(pen: Pen, box: Box) -> None:
    """A pinball machine: back box, playfield with bumpers, flippers and the plunger's lane."""
    pen.filled(_part(box, 0.0, 0.0, 1.0, 0.12))
    field = _part(box, 0.04, 0.14, 0.96, 1.0)
    pen.rounded(field, 7, 2.0)
    for x, y in ((0.3, 0.22), (0.6, 0.2), (0.45, 0.38)):
        px, py = _inside(field, x, y)
        pen.ellipse((px - 5.2, py - 5.2, px + 5.2, py + 5.2), 1.4)
        pen.ellipse((px - 2, py - 2, px + 2, py + 2), 1.0, fill=True)
    pen.line([_inside(field, 0.84, 0.2), _inside(field, 0.84, 1.0)], 1.2)
    pen.line([_inside(field, 0.06, 0.66), _inside(field, 0.24, 0.8), _inside(field, 0.4, 0.87)], 2.4)
    pen.line([_inside(field, 0.8, 0.66), _inside(field, 0.64, 0.8), _inside(field, 0.5, 0.87)], 2.4)
    for y in (0.3, 0.8):
        for x in (-0.06, 0.96):
            pen.filled(_part(box, x, y, x + 0.1, y + 0.05))


def _bed(pen: Pen, box: Box) -> None:
    pen.rectangle(box, 1.4)
    for x in (0.08, 0.54):
        pen.rounded(_part(box, x, 0.05, x + 0.38, 0.26), 3, 1.1)
    pen.line([_inside(box, 0, 0.36), _inside(box, 1, 0.36)], 1.1)
    pen.line([_inside(box, 0, 0.62), _inside(box, 0.34, 0.36)], 1.1)


def _sofa(pen: Pen, box: Box) -> None:
    pen.rounded(box, 5, 1.4)
    pen.rounded(_part(box, 0.12, 0.32, 0.5, 0.94), 3, 1.0)
    pen.rounded(_part(box, 0.5, 0.32, 0.88, 0.94), 3, 1.0)


def _wardrobe(pen: Pen, box: Box) -> None:
    pen.rectangle(box, 1.3)
    pen.line([_inside(box, 0, 0.5), _inside(box, 1, 0.5)], 0.8)
    for i in range(1, 9):
        pen.line([_inside(box, i / 9, 0.2), _inside(box, i / 9 + 0.02, 0.8)], 1.0)


def _counter(pen: Pen, box: Box) -> None:
    pen.line([_inside(box, 0, 1), _inside(box, 0, 0), _inside(box, 1, 0), _inside(box, 1, 0.4)], 1.4)
    pen.line([_inside(box, 1, 0.4), _inside(box, 0.3, 0.4), _inside(box, 0.3, 1), _inside(box, 0, 1)], 1.4)
    for x in (0.64, 0.82):
        for y in (0.1, 0.27):
            px, py = _inside(box, x, y)
            pen.ellipse((px - 4, py - 4, px + 4, py + 4), 1.1)
    pen.rounded(_part(box, 0.05, 0.55, 0.25, 0.85), 2, 1.1)


def _table(pen: Pen, box: Box) -> None:
    pen.rectangle(_part(box, 0.08, 0.24, 0.92, 0.76), 1.4)
    for x in (0.18, 0.42, 0.66):
        pen.rounded(_part(box, x, 0.04, x + 0.18, 0.22), 2, 1.1)
        pen.rounded(_part(box, x, 0.78, x + 0.18, 0.96), 2, 1.1)


def _shower(pen: Pen, box: Box) -> None:
    pen.rectangle(box, 1.4)
    pen.line([_inside(box, 0, 0), _inside(box, 1, 1)], 0.9)
    pen.line([_inside(box, 1, 0), _inside(box, 0, 1)], 0.9)
    px, py = _inside(box, 0.5, 0.5)
    pen.ellipse((px - 3, py - 3, px + 3, py + 3), 1.1)


def _toilet(pen: Pen, box: Box) -> None:
    pen.rectangle(_part(box, 0.05, 0.0, 0.95, 0.3), 1.2)
    pen.ellipse(_part(box, 0.1, 0.3, 0.9, 1.0), 1.2)


def _basin(pen: Pen, box: Box) -> None:
    pen.rectangle(box, 1.2)
    pen.ellipse(_part(box, 0.15, 0.2, 0.85, 0.9), 1.2)


def _desk(pen: Pen, box: Box) -> None:
    pen.rectangle(_part(box, 0, 0, 1, 0.5), 1.4)
    pen.rectangle(_part(box, 0.35, 0.1, 0.65, 0.26), 1.0)
    pen.rounded(_part(box, 0.36, 0.6, 0.64, 0.98), 4, 1.2)


def _tree(pen: Pen, box: Box) -> None:
    """A garden tree from above: a scalloped crown with its branches."""
    x, y = _inside(box, 0.5, 0.5)
    radius = (box[2] - box[0]) / 2
    pen.ellipse(box, 1.0, tint=(205, 224, 190))
    for i in range(10):
        angle = i * math.tau / 10
        pen.line([(x, y), (x + radius * 0.9 * math.cos(angle), y + radius * 0.9 * math.sin(angle))], 0.8)


SYMBOLS: dict[str, Symbol] = {
    "piano": _piano,
    "spiral_staircase": _spiral_staircase,
    "bathtub": _bathtub,
    "sauna": _sauna,
    "fireplace": _fireplace,
    "double_garage": _double_garage,
    "pool": _pool,
    "lift": _lift,
    "plants": _plants,
    "pinball": _pinball,
}
FURNITURE: dict[str, Symbol] = {
    "bed": _bed,
    "sofa": _sofa,
    "wardrobe": _wardrobe,
    "counter": _counter,
    "table": _table,
    "shower": _shower,
    "toilet": _toilet,
    "basin": _basin,
    "desk": _desk,
    "tree": _tree,
}
