"""Defects applied to a height field: cracks, scratches, rust, burns and dents.

What is missing from a part (a tooth, a blade, a chip) is left out where the part is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from imagerag_assets.sample import drawing
from imagerag_assets.sample.drawing import Colour, FloatArray, as_float32
from imagerag_assets.sample.manufacturing.parts import ROUND_PARTS
from imagerag_assets.sample.manufacturing.solids import Box, Grid, Point, Solid
from imagerag_assets.sample.manufacturing.vocabulary import Generator

LONG_SPOTS: dict[str, Point] = {
    "bolt": (-0.05, 0.0), "spring": (0.15, 0.0), "elbow": (-0.03, 0.0), "plate": (0.28, 0.08),
    "shaft": (0.02, 0.0), "board": (0.1, 0.05),
}  # fmt: skip


def _polyline_distance(grid: Grid, points: Sequence[Point]) -> FloatArray:
    nearest = np.full_like(grid.u, 9.0)
    for (x0, y0), (x1, y1) in pairwise(points):
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((grid.u - x0) * dx + (grid.v - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        np.minimum(nearest, np.hypot(grid.u - x0 - t * dx, grid.v - y0 - t * dy), out=nearest)
    return nearest


def _stain(solid: Solid, tone: Colour, cover: FloatArray) -> None:
    solid.paint = drawing.composite(
        solid.paint, tone, as_float32(np.clip(cover / np.maximum(cover + solid.paint_cover, 1e-3), 0, 1))
    )
    solid.paint_cover = as_float32(np.maximum(solid.paint_cover, cover))


def _crack(grid: Grid, solid: Solid, spot: Point, rng: Generator) -> Box:
    x, y = spot
    away = np.arctan2(y, x) if abs(x) + abs(y) > 0.3 else 1.3
    steps = np.linspace(-0.42, 0.42, 9)
    wobble = rng.uniform(-0.055, 0.055, 9)
    points = [
        (x + float(s * np.cos(away) - k * np.sin(away)), y + float(s * np.sin(away) + k * np.cos(away)))
        for s, k in zip(steps, wobble, strict=True)
    ]
    branch = [
        points[4],
        (points[4][0] + 0.12 * float(np.cos(away + 0.9)), points[4][1] + 0.12 * float(np.sin(away + 0.9))),
    ]
    reach = np.minimum(_polyline_distance(grid, points), _polyline_distance(grid, branch) + 0.006)
    line = as_float32(np.clip((max(0.017, grid.pixel) - reach) / grid.pixel + 0.5, 0, 1))
    solid.height = as_float32(solid.height - 0.06 * np.exp(-((reach / 0.03) ** 2)))
    solid.gloom *= 1 - 0.93 * line
    _stain(solid, (0.03, 0.03, 0.03), line)
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return min(xs) - 0.04, min(ys) - 0.04, max(xs) + 0.04, max(ys) + 0.04


def _scratch(grid: Grid, solid: Solid, spot: Point, rng: Generator) -> Box:
    x, y = spot
    lean = float(rng.uniform(0.25, 0.7))
    for shift, length in zip((-0.08, -0.03, 0.05, 0.11), rng.uniform(0.25, 0.45, 4), strict=True):
        start, end = (x - length, y + shift - length * lean), (x + length, y + shift + length * lean)
        reach = _polyline_distance(grid, (start, end))
        line = as_float32(np.clip((0.009 - reach) / grid.pixel + 0.7, 0, 1))
        solid.height = as_float32(solid.height - 0.02 * np.exp(-((reach / 0.016) ** 2)))
        _stain(solid, (0.93, 0.92, 0.90), line * 0.85)
    return x - 0.42, y - 0.36, x + 0.42, y + 0.38


def _blot(grid: Grid, spot: Point, radius: float, noise: FloatArray) -> FloatArray:
    """1 in the middle of an irregular spot, falling to 0 at about `radius`."""
    away = np.hypot(grid.u - spot[0], grid.v - spot[1]) / radius
    return as_float32(np.clip((1.25 - away + (noise - 0.5) * 1.9) * 2.4, 0, 1))


def _spot_box(spot: Point, radius: float) -> Box:
    return spot[0] - radius, spot[1] - radius, spot[0] + radius, spot[1] + radius


def _rust(grid: Grid, solid: Solid, spot: Point, noise: FloatArray) -> Box:
    cover = _blot(grid, spot, 0.28, noise)
    _stain(solid, (0.55, 0.25, 0.08), cover * 0.95)
    _stain(solid, (0.28, 0.12, 0.06), cover * np.clip((noise - 0.5) * 6, 0, 1))
    solid.height = as_float32(solid.height + 0.03 * cover * noise)
    return _spot_box(spot, 0.34)


def _burn(grid: Grid, solid: Solid, spot: Point, noise: FloatArray) -> Box:
    _stain(solid, (0.24, 0.13, 0.05), _blot(grid, spot, 0.33, noise) * 0.8)
    core = _blot(grid, spot, 0.21, noise)
    _stain(solid, (0.03, 0.025, 0.02), core * 0.97)
    solid.gloom *= 1 - 0.55 * core
    return _spot_box(spot, 0.36)


def burn_at(grid: Grid, solid: Solid, spot: Point, rng: Generator, size: float) -> Box:
    near = Grid(as_float32((grid.u - spot[0]) / size), as_float32((grid.v - spot[1]) / size), grid.pixel / size)
    _burn(near, solid, (0.0, 0.0), drawing.fractal_noise(rng, len(grid.u), len(grid.u), 5))
    return spot[0] - 0.36 * size, spot[1] - 0.36 * size, spot[0] + 0.36 * size, spot[1] + 0.36 * size


def _dent(grid: Grid, solid: Solid, spot: Point) -> Box:
    away = np.hypot((grid.u - spot[0]) / 1.2, grid.v - spot[1]) / 0.15
    solid.height = as_float32(solid.height - 0.085 * np.exp(-(away**2)) + 0.012 * np.exp(-(((away - 1.7) / 0.4) ** 2)))
    solid.gloom *= as_float32(1 - 0.30 * np.exp(-(away**2)))
    return _spot_box(spot, 0.26)


def apply_defect(grid: Grid, solid: Solid, part: str, defect: str, rng: Generator) -> Box:
    """Apply a defect at the part's usual spot; its box in part coordinates."""
    noise = drawing.fractal_noise(rng, len(grid.u), len(grid.u), 5)
    if part in ROUND_PARTS:
        turn, radius = float(rng.uniform(0, 2 * np.pi)), ROUND_PARTS[part]
        spot = (radius * float(np.cos(turn)), radius * float(np.sin(turn)))
    else:
        spot = LONG_SPOTS[part]
    if defect == "crack":
        return _crack(grid, solid, spot, rng)
    if defect == "scratch":
        return _scratch(grid, solid, spot, rng)
    if defect == "rust_spot":
        return _rust(grid, solid, spot, noise)
    if defect == "burn_mark":
        return _burn(grid, solid, spot, noise)
    if defect == "dent":
        return _dent(grid, solid, spot)
    return (0.58, -0.26, 1.06, 0.88) if defect == "missing_tooth" else (0.40, -0.42, 1.02, 0.42)
