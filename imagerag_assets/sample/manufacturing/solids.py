"""Height fields in part coordinates (|u|, |v| <= 1), so that one description of a part serves every size.

Here are the shapes that parts are made of; which parts there are is said in `parts` and `boards`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imagerag_assets.sample.drawing import FloatArray, as_float32

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Grid:
    """Part coordinates of a square patch: u along the part, v across; `pixel` is a pixel's size."""

    u: FloatArray
    v: FloatArray
    pixel: float


@dataclass
class Solid:
    """A part seen from above: signed distance to its outline (negative inside), height, and its own paint.

    `gloom` multiplies the light that reaches a place; `paint` (h, w, 3) hides the material by `paint_cover`.
    """

    distance: FloatArray
    height: FloatArray
    gloom: FloatArray
    paint: FloatArray
    paint_cover: FloatArray


def make_solid(distance: FloatArray, height: FloatArray, gloom: FloatArray | float = 1.0) -> Solid:
    shape = distance.shape
    return Solid(
        as_float32(distance),
        as_float32(height),
        as_float32(np.broadcast_to(np.asarray(gloom, dtype=np.float32), shape).copy()),
        np.zeros((*shape, 3), dtype=np.float32),
        np.zeros(shape, dtype=np.float32),
    )


def turned_grid(side: int, scale: float, angle: float) -> Grid:
    """Part coordinates of a square of `side` pixels, `scale` pixels per unit, around a part turned by `angle`."""
    axis = np.arange(side, dtype=np.float32) - (side - 1) / 2
    x, y = axis[None, :] / scale, axis[:, None] / scale
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return Grid(as_float32(x * c + y * s), as_float32(y * c - x * s), 1 / scale)


def bevel(depth: FloatArray, width: float) -> FloatArray:
    """0 at the outline, 1 from `width` inside on, rounded between."""
    t = np.clip(depth / width, 0, 1)
    return as_float32(np.sqrt(t * (2 - t)))


def polar(grid: Grid) -> tuple[FloatArray, FloatArray]:
    return as_float32(np.hypot(grid.u, grid.v)), as_float32(np.arctan2(grid.v, grid.u))


def ring_of_holes(r: FloatArray, a: FloatArray, count: int, radius: float, hole: float) -> FloatArray:
    """Signed distance to `count` holes evenly spread at `radius`."""
    step = 2 * np.pi / count
    folded = a - np.round(a / step) * step
    return as_float32(np.hypot(r * np.cos(folded) - radius, r * np.sin(folded)) - hole)


def rounded_box(u: FloatArray, v: FloatArray, half_u: float, half_v: float, rounding: float = 0.0) -> FloatArray:
    du, dv = np.abs(u) - half_u + rounding, np.abs(v) - half_v + rounding
    outside = np.hypot(np.maximum(du, 0), np.maximum(dv, 0))
    return as_float32(outside + np.minimum(np.maximum(du, dv), 0) - rounding)
