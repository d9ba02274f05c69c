"""One part made, damaged, lit and put on the photo. Where it lies is decided in `arrangement`."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from imagerag_assets.sample.drawing import FloatArray, as_float32
from imagerag_assets.sample.manufacturing.arrangement import Placement
from imagerag_assets.sample.manufacturing.boards import make_board
from imagerag_assets.sample.manufacturing.damage import apply_defect, burn_at
from imagerag_assets.sample.manufacturing.light import Stage, lay, shade
from imagerag_assets.sample.manufacturing.parts import PARTS, ROUND_PARTS
from imagerag_assets.sample.manufacturing.solids import Box, Grid, turned_grid
from imagerag_assets.sample.scene import Scene


def _window(array: FloatArray, top: int, left: int, side: int) -> FloatArray:
    """Cut a square out of a texture that repeats beyond its edges."""
    h, w = array.shape[:2]
    return array[np.ix_(np.arange(top, top + side) % h, np.arange(left, left + side) % w)]


def _brush(grid: Grid, part: str, stage: Stage) -> FloatArray:
    """Tool marks, 0..1: turned parts have rings, others lines along u."""
    across = np.hypot(grid.u, grid.v) if part in ROUND_PARTS else grid.v + 1.4
    return stage.streaks[np.minimum((across * 150).astype(np.int64), len(stage.streaks) - 1)]


def _blurred(values: FloatArray, radius: float) -> FloatArray:
    """Blur widely at a cost that does not grow with the radius: blurred small, then enlarged."""
    step = max(1, int(radius / 4))
    small = ndimage.gaussian_filter(values[::step, ::step], radius / step)
    if step == 1:
        return as_float32(small)
    large = Image.fromarray(small).resize(values.shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(large, dtype=np.float32)


def place_part(stage: Stage, scene: Scene, spot: Placement, defect: str, design: int) -> Box:
    """Put one part on the canvas with its shadow; returns the box of its defect in pixels."""
    part, material = str(scene.facts["part"]), str(scene.facts["material"])
    side = 2 * int(spot.radius * 1.3)
    left, top = round(spot.x - side / 2), round(spot.y - side / 2)
    grid = turned_grid(side, spot.radius, spot.angle)
    clouds = _window(stage.clouds, top, left, side)
    rng = np.random.default_rng(design + 1)
    if part == "board":
        solid, box = make_board(material, spot.radius, spot.angle, design, defect, bool(scene.facts["large"]))
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        if defect == "burn_mark":
            box = burn_at(grid, solid, centre, rng, 0.55 if scene.facts["large"] else 1.0)
        elif defect in ("crack", "scratch"):
            box = apply_defect(grid, solid, part, defect, rng)
    else:
        stamped = part == "plate" and scene.facts["carrier"] == "stamped"
        solid = PARTS[part](grid, np.random.default_rng(design), "stamped" if stamped else defect)
        box = (0.0, 0.0, 0.0, 0.0) if defect == "none" else apply_defect(grid, solid, part, defect, rng)
    cover = as_float32(np.clip(0.5 - solid.distance / grid.pixel, 0, 1))
    hollow = _blurred(solid.height, spot.radius * 0.05) - solid.height
    solid.gloom *= as_float32(1 - np.clip(hollow * 3.0, 0, 0.45))
    colours = shade(solid, material, grid, stage, clouds, _brush(grid, part, stage))
    lay(
        stage,
        colours,
        cover,
        (left, top),
        spot.radius * (0.05 if part in ("washer", "plate", "board") else 0.10),
    )
    return _turned_box(box, spot)


def _turned_box(box: Box, spot: Placement) -> Box:
    """Put a box around a box given in part coordinates, in pixels."""
    c, s = np.cos(spot.angle), np.sin(spot.angle)
    corners = [(u * c - v * s, u * s + v * c) for u in (box[0], box[2]) for v in (box[1], box[3])]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return (
        float(spot.x + min(xs) * spot.radius), float(spot.y + min(ys) * spot.radius),
        float(spot.x + max(xs) * spot.radius), float(spot.y + max(ys) * spot.radius),
    )  # fmt: skip
