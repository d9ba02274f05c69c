"""What surfaces are made of: colour as a function of the place on the surface, in metres.

A material takes u and v (n,) in metres and the size of a pixel in metres, and returns colours (n, 3) in 0..1.
Patterns fade where they would be finer than a pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Tint = tuple[float, float, float]
Material = Callable[[Floats, Floats, float], Floats]

_TILE = 512


@lru_cache(maxsize=1)
def _clouds() -> Floats:
    """A seamless tile (512, 512) of fractal noise in 0..1."""
    rng = np.random.default_rng(20)
    total = np.zeros((_TILE, _TILE), dtype=np.float32)
    for octave, weight in ((8, 1.0), (16, 0.7), (32, 0.5), (64, 0.35), (128, 0.25)):
        grid = rng.random((octave, octave)).astype(np.float32)
        at = np.arange(_TILE) * octave / _TILE
        low, part = at.astype(int), (at % 1).astype(np.float32)
        part = part * part * (3 - 2 * part)
        high = (low + 1) % octave
        rows = grid[low] * (1 - part)[:, None] + grid[high] * part[:, None]
        total += weight * (rows[:, low] * (1 - part) + rows[:, high] * part)
    total -= total.min()
    return np.asarray(total / total.max(), dtype=np.float32)


@lru_cache(maxsize=1)
def _grain() -> Floats:
    """A tile (512, 512) of white noise in 0..1."""
    return np.random.default_rng(21).random((_TILE, _TILE)).astype(np.float32)


def clouds(u: Floats, v: Floats, per_metre: float) -> Floats:
    """Smooth noise in 0..1; a feature is about 64 / `per_metre` metres wide at most."""
    columns = (u * per_metre).astype(np.int32) & (_TILE - 1)
    tile = _clouds()
    return np.asarray(tile[(v * per_metre).astype(np.int32) & (_TILE - 1), columns], dtype=np.float32)


def grain(u: Floats, v: Floats, per_metre: float) -> Floats:
    """White noise in 0..1, constant over cells of 1 / `per_metre` metres."""
    columns = (u * per_metre).astype(np.int32) & (_TILE - 1)
    tile = _grain()
    return np.asarray(tile[(v * per_metre).astype(np.int32) & (_TILE - 1), columns], dtype=np.float32)


def _cells(row: Floats, column: Floats) -> Floats:
    """A random number in 0..1 for every cell of a pattern."""
    tile = _grain()
    return np.asarray(
        tile[(row.astype(np.int32) * 57) & (_TILE - 1), (column.astype(np.int32) * 131) & (_TILE - 1)],
        dtype=np.float32,
    )


def _rgb(tone: Tint, bright: Floats) -> Floats:
    return bright[:, None] * np.array(tone, dtype=np.float32)


def _visible(pixel: float, joint: float) -> float:
    """How much of a line `joint` metres wide is still to be seen when a pixel is `pixel` metres."""
    return float(np.clip(1.6 * joint / max(pixel, 1e-6), 0.25, 1.0))


def plain(tone: Tint, rough: float = 0.06) -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        return _rgb(tone, 1 - rough + 2 * rough * clouds(u, v, 60))

    return colours


def fabric(tone: Tint) -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        return _rgb(tone, 0.86 + 0.14 * clouds(u, v, 90) + 0.1 * grain(u, v, 130))

    return colours


def _coursed(tone: Tint, mortar: Tint, long: float, high: float, joint: float, spread: float) -> Material:
    """Bricks, stones or tiles in courses, every other one shifted by half."""

    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        row = np.floor(v / high)
        along = u / long + 0.5 * (row % 2) + 0.13 * (row % 3)
        column = np.floor(along)
        joints = (v - row * high < joint) | ((along - column) * long < joint)
        bright = 1 - spread + 2 * spread * _cells(row, column) + 0.2 * (clouds(u, v, 40) - 0.5)
        line = joints.astype(np.float32)[:, None] * _visible(pixel, joint)
        return np.asarray(_rgb(tone, bright) * (1 - line) + np.array(mortar, dtype=np.float32) * line, np.float32)

    return colours


def brick() -> Material:
    return _coursed((0.62, 0.27, 0.19), (0.74, 0.68, 0.62), 0.46, 0.17, 0.025, 0.2)


def stone() -> Material:
    return _coursed((0.6, 0.57, 0.5), (0.38, 0.36, 0.32), 0.75, 0.38, 0.045, 0.24)


def timber(tone: Tint) -> Material:
    """Boards along u."""

    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        row = np.floor(v / 0.24)
        edge = (v - row * 0.24 < 0.03).astype(np.float32) * _visible(pixel, 0.03)
        bright = 0.82 + 0.2 * _cells(row, row) + 0.25 * (clouds(u, v + row, 12) * grain(u * 0.05, v, 90) - 0.2)
        return _rgb(tone, bright * (1 - 0.5 * edge))

    return colours


def roof_tiles(tone: Tint) -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        row = np.floor(v / 0.34)
        along = u / 0.3 + 0.5 * (row % 2)
        curve = np.abs((along % 1) - 0.5) * 2
        lap = np.clip((v / 0.34 - row) * 3, 0, 1)
        seen = _visible(pixel, 0.08)
        bright = 0.85 + 0.25 * _cells(row, np.floor(along)) - 0.22 * seen * curve - 0.3 * seen * (1 - lap)
        return _rgb(tone, bright + 0.2 * (clouds(u, v, 20) - 0.3))

    return colours


def thatch() -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        straw = clouds(u, v * 0.12, 220) * 0.5 + grain(u, v * 0.15, 45) * 0.3
        layer = 0.12 * (np.abs((v / 0.9 + 0.1 * clouds(u, v, 30)) % 1) < 0.12)
        return _rgb((0.62, 0.49, 0.3), 0.62 + 0.6 * straw - layer)

    return colours


def snow() -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        return _rgb((0.93, 0.95, 1.0), 0.88 + 0.12 * clouds(u, v, 14) + 0.03 * grain(u, v, 60))

    return colours


def grass() -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        blades = clouds(u, v * 0.6, 60) * 0.5 + grain(u, v * 0.4, 22) * 0.35 + clouds(u, v, 6) * 0.4
        green = np.array((0.27, 0.46, 0.14), dtype=np.float32) + blades[:, None] * np.array(
            (0.2, 0.2, 0.05), dtype=np.float32
        )
        return np.asarray(green * (0.62 + 0.45 * blades)[:, None], dtype=np.float32)

    return colours


def gravel(tone: Tint) -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        return _rgb(tone, 0.75 + 0.25 * grain(u, v, 28) + 0.2 * (clouds(u, v, 10) - 0.3))

    return colours


def paving(tone: Tint, size: float = 0.6) -> Material:
    return _coursed(tone, (tone[0] * 0.55, tone[1] * 0.55, tone[2] * 0.5), size, size, 0.05, 0.1)


def water() -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        ripple = np.abs(clouds(u, v, 42) - 0.5) * 2
        caustic = np.clip(1 - ripple * 5, 0, 1)
        base = np.array((0.1, 0.62, 0.76), dtype=np.float32) * (0.8 + 0.3 * clouds(u, v, 9))[:, None]
        return np.asarray(base + 0.35 * caustic[:, None] * _visible(pixel, 0.06), dtype=np.float32)

    return colours


def floorboards(tone: Tint) -> Material:
    """Boards along v, 0.16 m wide, with ends staggered."""

    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        column = np.floor(u / 0.16)
        along = v / 1.6 + _cells(column, column * 3)
        row = np.floor(along)
        gaps = (u - column * 0.16 < 0.012) | ((along - row) * 1.6 < 0.012)
        veins = clouds(u + column * 0.7, v * 0.08, 420)
        bright = 0.8 + 0.26 * _cells(row, column) + 0.28 * (veins - 0.5)
        return _rgb(tone, bright * (1 - 0.55 * gaps * _visible(pixel, 0.012)))

    return colours


def floor_tiles(tone: Tint, size: float = 0.5) -> Material:
    """Square tiles with pale and dark fields like a chessboard, grouted."""

    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        column, row = np.floor(u / size), np.floor(v / size)
        grout = (u - column * size < 0.02) | (v - row * size < 0.02)
        bright = 1 - 0.3 * ((column + row) % 2) + 0.1 * (clouds(u, v, 50) - 0.5)
        return _rgb(tone, bright * (1 - 0.4 * grout * _visible(pixel, 0.02)))

    return colours


def wall_tiles(tone: Tint) -> Material:
    light = (min(tone[0] + 0.18, 1.0), min(tone[1] + 0.18, 1.0), min(tone[2] + 0.18, 1.0))
    return _coursed(tone, light, 0.32, 0.16, 0.014, 0.07)


def carpet(tone: Tint) -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        return _rgb(tone, 0.74 + 0.24 * grain(u, v, 55) + 0.3 * (clouds(u, v, 22) - 0.35))

    return colours


def marble() -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        vein = np.abs(clouds(u, v, 45) - 0.5)
        return _rgb((0.95, 0.94, 0.92), 1 - 0.35 * np.clip(1 - vein * 12, 0, 1))

    return colours


def wood(tone: Tint) -> Material:
    """A joiner's wood with its grain along u."""

    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        return _rgb(tone, 0.82 + 0.3 * clouds(u * 0.12, v, 300) + 0.1 * clouds(u, v, 20))

    return colours


def glass(bright: float) -> Material:
    """A pane that mirrors the sky: paler towards one upper corner."""

    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        slope = np.clip(0.32 + 0.2 * v - 0.08 * u + 0.3 * (clouds(u, v, 30) - 0.5), 0.1, 0.9)
        return np.asarray(
            bright * (np.array((0.16, 0.22, 0.28), dtype=np.float32) + slope[:, None] * 0.6), dtype=np.float32
        )

    return colours


def lamplight() -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        return _rgb((1.0, 0.8, 0.42), 0.8 + 0.25 * clouds(u, v, 70))

    return colours


def solar_cells() -> Material:
    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        lines = ((u % 0.5) < 0.04) | ((v % 0.5) < 0.04)
        shine = 0.85 + 0.5 * clouds(u, v, 16)
        blue = _rgb((0.07, 0.12, 0.3), shine)
        return np.asarray(blue + 0.22 * (lines * _visible(pixel, 0.04))[:, None], dtype=np.float32)

    return colours


def panels(tone: Tint, high: float) -> Material:
    """Horizontal panels, as of a garage door."""

    def colours(u: Floats, v: Floats, pixel: float) -> Floats:
        groove = (v % high < 0.05) * _visible(pixel, 0.05)
        return _rgb(tone, 0.96 - 0.35 * groove + 0.04 * clouds(u, v, 30))

    return colours
