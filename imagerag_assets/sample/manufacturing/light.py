"""The photo in the making: how solids are lit, and how patches are laid on it with their shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imagerag_assets.sample import drawing
from imagerag_assets.sample.drawing import FloatArray, as_float32
from imagerag_assets.sample.manufacturing.solids import Grid, Solid
from imagerag_assets.sample.manufacturing.vocabulary import ALBEDO


@dataclass
class Stage:
    """The photo in the making: canvas (h, w, 3), the lamp's direction, noise fields to cut texture from."""

    canvas: FloatArray
    lamp: tuple[float, float, float]
    clouds: FloatArray
    streaks: FloatArray
    backlit: bool
    scale: float
    """Pixels of this drawing per pixel of a picture 800 pixels long."""


def _environment(nx: FloatArray, ny: FloatArray, nz: FloatArray, stage: Stage) -> FloatArray:
    """Brightness that polished metal mirrors: a lamp, a window beside it, a dark floor behind the camera."""
    lx, ly, lz = stage.lamp
    rx, ry, rz = 2 * nz * nx, 2 * nz * ny, 2 * nz * nz - 1
    facing = np.clip(rx * lx + ry * ly + rz * lz, 0, 1)
    along = rx * lx + ry * ly
    strip = np.exp(-(((along - 0.42) / 0.20) ** 2))
    floor = np.exp(-(((along + 0.30) / 0.25) ** 2))
    return as_float32(0.36 + 0.52 * facing**2 + 0.42 * strip - 0.26 * floor)


def _sweep(stage: Stage, side: int) -> FloatArray:
    """Rise from -1 to 1 over a patch towards the lamp: a room is never evenly bright."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    return as_float32(axis[None, :] * stage.lamp[0] + axis[:, None] * stage.lamp[1])


def shade(solid: Solid, material: str, grid: Grid, stage: Stage, clouds: FloatArray, brush: FloatArray) -> FloatArray:
    """Colours (h, w, 3) of a lit solid."""
    rusty = material == "rusty_iron"
    rough = solid.height + 0.07 * clouds if rusty else solid.height
    gy, gx = np.gradient(rough, grid.pixel)
    nz = 1 / np.sqrt(1 + gx * gx + gy * gy)
    nx, ny = -gx * nz, -gy * nz
    lx, ly, lz = stage.lamp
    diffuse = np.clip(nx * lx + ny * ly + nz * lz, 0, 1)
    gleam = np.clip((nx * lx + ny * ly) * 0.53 + nz * (lz + 1) * 0.53, 0, 1) ** 40
    metal = not rusty and not material.endswith(("plastic", "board"))
    albedo = np.asarray(ALBEDO[material], dtype=np.float32) * (1 + 0.10 * (clouds[..., None] - 0.5))
    if rusty:
        albedo = drawing.composite(
            as_float32(albedo), (0.66, 0.33, 0.12), as_float32(np.clip((clouds - 0.48) * 5, 0, 1))
        )
        albedo = drawing.composite(albedo, (0.20, 0.11, 0.08), as_float32(np.clip((0.40 - clouds) * 6, 0, 0.9)))
    albedo = drawing.composite(as_float32(albedo), solid.paint, solid.paint_cover)
    matte = 0.30 + 0.75 * diffuse
    if metal:
        mirror = _environment(nx, ny, nz, stage) * (0.88 + 0.24 * brush) + 0.12 * _sweep(stage, len(nx))
        matte = np.where(solid.paint_cover > 0.5, matte, mirror * 1.32)
    shine = gleam * (0.45 if metal else 0.28 if not rusty else 0.03) * (1 - 0.7 * solid.paint_cover)
    return as_float32(np.clip((albedo * matte[..., None] + shine[..., None]) * solid.gloom[..., None], 0, 1))


def lay(stage: Stage, colours: FloatArray, cover: FloatArray, corner: tuple[int, int], lift: float) -> None:
    """Composite a patch at `corner` (left, top; may lie partly outside); `lift` is its shadow's length."""
    left, top = corner
    h, w = stage.canvas.shape[:2]
    y0, y1, x0, x1 = max(top, 0), min(top + cover.shape[0], h), max(left, 0), min(left + cover.shape[1], w)
    if y0 >= y1 or x0 >= x1:
        return
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    target = stage.canvas[y0:y1, x0:x1]
    if stage.backlit:
        colours = colours * 0.5
    else:
        offset = (-stage.lamp[0] * lift * 1.6, -stage.lamp[1] * lift * 1.6)
        target = drawing.drop_shadow(target, as_float32(cover)[inside], offset, lift * 0.55 + 0.5, 0.62)
    stage.canvas[y0:y1, x0:x1] = drawing.composite(target, colours[inside], cover[inside])
