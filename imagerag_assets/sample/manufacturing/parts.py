"""Machine parts as height fields, their proportions drawn by lot. Circuit boards are in `boards`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imagerag_assets.sample.drawing import FloatArray, as_float32
from imagerag_assets.sample.manufacturing.solids import (
    Grid,
    Solid,
    bevel,
    make_solid,
    polar,
    ring_of_holes,
    rounded_box,
)
from imagerag_assets.sample.manufacturing.vocabulary import Generator


def _gear(grid: Grid, rng: Generator, defect: str) -> Solid:
    teeth, holes = int(rng.integers(11, 18)), int(rng.choice((0, 4, 5, 6)))
    root, bore = float(rng.uniform(0.78, 0.84)), float(rng.uniform(0.13, 0.2))
    r, a = polar(grid)
    pitch = 2 * np.pi / teeth
    index = np.round(a / pitch)
    lost = (index > -0.5) & (index < (1.5 if teeth < 15 else 2.5))
    rim = np.full_like(r, root)
    tip = np.ones_like(r)
    if defect == "missing_tooth":
        jagged = 0.012 * np.sin(a * 23 + 1) + 0.010 * np.sin(a * 41) + 0.006 * np.sin(a * 97)
        rim = np.where(lost, root - 0.075 + jagged, rim)
        tip = np.where(lost, rim, tip)
    half_tooth = pitch * (0.30 - 0.55 * (r - root) / 1.0) * r
    flank = np.abs(a - index * pitch) * r - half_tooth
    body = np.minimum(r - rim, np.maximum(r - tip, flank))
    keyway = rounded_box(grid.u - bore, grid.v, bore * 0.35, bore * 0.3)
    distance = np.maximum(body, -np.minimum(r - bore, keyway))
    if holes:
        distance = np.maximum(distance, -ring_of_holes(r, a + 0.3, holes, 0.52, 0.12))
    web = bevel(as_float32(r - bore - 0.13), 0.04) * bevel(as_float32(root - 0.13 - r), 0.04)
    height = 0.20 * bevel(as_float32(-distance), 0.05) - 0.09 * web
    return make_solid(distance, height, 1 - 0.12 * web)


def _bolt(grid: Grid, rng: Generator, _defect: str) -> Solid:
    u, v = grid.u, grid.v
    radius, plain = float(rng.uniform(0.17, 0.21)), float(rng.uniform(-0.5, -0.1))
    flats = 0.37 - 0.05 * bevel(as_float32(-0.88 - u), 0.1)
    head = np.maximum(np.abs(v) - flats, np.abs(u + 0.80) - 0.18)
    wave = np.abs(((u + v * 0.12) / 0.062) % 1 - 0.5) * 2
    thread = (u > plain) * 0.035 * wave
    shank_radius = radius - thread - 0.06 * np.clip((u - 0.92) / 0.08, 0, 1)
    shank = np.maximum(np.abs(v) - shank_radius, np.abs(u - 0.18) - 0.80)
    round_height = np.sqrt(np.maximum(shank_radius**2 - v * v, 0))
    facets = 0.34 - 0.58 * np.maximum(np.abs(v) - 0.185, 0) - 0.5 * np.maximum(-0.92 - u, 0)
    height = np.where(head < 0, facets * bevel(as_float32(-head), 0.03), round_height)
    return make_solid(np.minimum(head, shank), height, 1 - 0.35 * (thread > 0) * (1 - wave) * 0.8)


def _hexagon(u: FloatArray, v: FloatArray, apothem: float) -> FloatArray:
    sides = [np.abs(u * np.cos(t) + v * np.sin(t)) for t in (0, np.pi / 3, 2 * np.pi / 3)]
    return as_float32(np.maximum(np.maximum(sides[0], sides[1]), sides[2]) - apothem)


def _nut(grid: Grid, rng: Generator, _defect: str) -> Solid:
    hole = float(rng.uniform(0.40, 0.45))
    r, _ = polar(grid)
    distance = np.maximum(_hexagon(grid.u, grid.v, 0.86), hole - r)
    thread = np.clip((hole + 0.10 - r) / 0.10, 0, 1)
    height = 0.34 * bevel(as_float32(-distance), 0.05) - 1.3 * np.maximum(r - 0.84, 0) - 0.25 * thread
    rings = 0.5 + 0.5 * np.sin(thread * 18)
    chamfer = np.clip((r - 0.84) / 0.03, 0, 1)
    return make_solid(distance, height, (1 - thread * (0.30 + 0.35 * rings)) * (1 - 0.22 * chamfer))


def _washer(grid: Grid, rng: Generator, _defect: str) -> Solid:
    hole = float(rng.uniform(0.42, 0.56))
    r, _ = polar(grid)
    distance = np.maximum(r - 0.97, hole - r)
    return make_solid(as_float32(distance), 0.07 * bevel(as_float32(-distance), 0.05))


def _bearing(grid: Grid, rng: Generator, _defect: str) -> Solid:
    balls, bore = int(rng.integers(8, 11)), float(rng.uniform(0.34, 0.40))
    r, a = polar(grid)
    distance = as_float32(np.maximum(r - 0.98, bore - r))
    race = as_float32(np.minimum(0.78 - r, r - 0.54))
    ball = np.maximum(-ring_of_holes(r, a, balls, 0.66, 0.135), 0)
    sphere = np.sqrt(np.maximum(ball * (0.27 - ball), 0))
    height = 0.24 * bevel(as_float32(-distance), 0.05) - 0.22 * bevel(race, 0.025)
    gloom = as_float32(1 - 0.62 * (race > 0) * (sphere <= 0))
    solid = make_solid(distance, as_float32(np.where(sphere > 0, sphere * 1.1, height)), gloom)
    solid.paint_cover[:] = 0.85 * (race > 0) * (sphere <= 0)
    solid.paint[:] = (0.50, 0.36, 0.14) if rng.random() < 0.5 else (0.16, 0.16, 0.17)
    return solid


def _flange(grid: Grid, rng: Generator, _defect: str) -> Solid:
    holes, bore = int(rng.choice((4, 6, 8))), float(rng.uniform(0.24, 0.32))
    r, a = polar(grid)
    distance = np.maximum(np.maximum(r - 0.98, bore - r), -ring_of_holes(r, a, holes, 0.75, 0.105))
    hub = bevel(as_float32(0.52 - r), 0.07)
    groove = np.exp(-(((r - 0.40) / 0.014) ** 2))
    height = 0.15 * bevel(as_float32(-distance), 0.05) + 0.22 * hub - 0.03 * groove
    return make_solid(as_float32(distance), as_float32(height), 1 - 0.4 * groove)


def _spring(grid: Grid, rng: Generator, _defect: str) -> Solid:
    coils, wire, radius = int(rng.integers(6, 10)), float(rng.uniform(0.05, 0.07)), 0.36
    pitch = 1.84 / coils
    u, v = grid.u, grid.v
    t = np.arcsin(np.clip(v / radius, -1, 1)) / (2 * np.pi)
    lean = pitch / (2 * np.pi * radius)
    slope = 1 / np.sqrt(1 + (lean / np.maximum(np.cos(t * 2 * np.pi), 0.5)) ** 2)
    beyond = np.maximum(np.abs(v) - radius, 0)
    front = np.hypot((((u - pitch * t) / pitch + 0.5) % 1 - 0.5) * pitch * slope, beyond)
    back = np.hypot((((u - pitch * (0.5 - t)) / pitch + 0.5) % 1 - 0.5) * pitch * slope, beyond)
    lift = 0.30 * np.sqrt(np.maximum(1 - (v / radius) ** 2, 0))
    near = np.sqrt(np.maximum(wire**2 - front**2, 0)) * 1.3 + lift + 0.3
    far = np.sqrt(np.maximum(wire**2 - back**2, 0)) * 1.3 - lift + 0.3
    distance = np.maximum(np.minimum(front, back) - wire, np.abs(u) - 0.95)
    in_front = front < wire
    return make_solid(as_float32(distance), np.where(in_front, near, far), np.where(in_front, 1.0, 0.45))


def _elbow(grid: Grid, rng: Generator, _defect: str) -> Solid:
    tube, bend = float(rng.uniform(0.25, 0.29)), 0.84
    du, dv = grid.u + 0.62, 0.62 - grid.v
    along = np.maximum(np.maximum(-du, -dv), 0)
    across = np.where(du < 0, dv - bend, np.where(dv < 0, du - bend, np.hypot(du, dv) - bend))
    across = np.where((du < 0) & (dv < 0), 9.0, across)
    collar = (along > 0.03) * np.clip((along - 0.03) / 0.02, 0, 1)
    radius = tube + 0.075 * collar
    distance = np.maximum(np.abs(across) - radius, along - 0.30)
    height = np.sqrt(np.maximum(radius**2 - across**2, 0))
    seam = np.exp(-(((along - 0.03) / 0.02) ** 2))
    rings = collar * (0.5 + 0.5 * np.sin(along * 90))
    return make_solid(as_float32(distance), as_float32(height), 1 - 0.4 * seam - 0.22 * rings)


def _plate(grid: Grid, rng: Generator, defect: str) -> Solid:
    columns, rows = int(rng.integers(4, 8)), 4 if defect == "stamped" else int(rng.integers(2, 6))
    half_u, half_v = 0.98, float(rng.uniform(0.6, 0.72))
    cell_u, cell_v = 2 * 0.86 / columns, 2 * (half_v - 0.1) / rows
    hole = min(cell_u, cell_v) * float(rng.uniform(0.22, 0.32))
    fold_u = (grid.u / cell_u + columns / 2) % 1 - 0.5
    fold_v = (grid.v / cell_v + rows / 2) % 1 - 0.5
    holes = np.hypot(fold_u * cell_u, fold_v * cell_v) - hole
    if defect == "stamped":  # the letters need a band without holes
        holes = np.where(np.abs(grid.v - fold_v * cell_v) < 0.25, 9.0, holes)
    holes = np.where((np.abs(grid.u) < 0.86) & (np.abs(grid.v) < half_v - 0.1), holes, 9.0)
    distance = np.maximum(rounded_box(grid.u, grid.v, half_u, half_v, 0.08), -holes)
    return make_solid(as_float32(distance), 0.06 * bevel(as_float32(-distance), 0.035))


def _shaft(grid: Grid, rng: Generator, _defect: str) -> Solid:
    u, v = grid.u, grid.v
    cuts = np.array((-0.62, -0.15, 0.35, 0.72)) + rng.uniform(-0.1, 0.1, 4)
    radii = np.array((0.13, 0.19, 0.27, 0.20, 0.12)) + rng.uniform(-0.02, 0.02, 5)
    radius = as_float32(radii[np.searchsorted(cuts, u)])
    nearest = np.min(np.abs(u[..., None] - as_float32(cuts)), axis=-1)
    groove = np.exp(-((nearest / 0.012) ** 2))
    chamfer = np.maximum(np.abs(u) - 0.93, 0)
    radius = radius - 0.02 * groove - chamfer
    distance = np.maximum(np.abs(v) - radius, np.abs(u) - 0.98)
    height = np.sqrt(np.maximum(radius**2 - v * v, 0))
    slot = rounded_box(u - float(cuts[2] + cuts[3]) / 2, v, 0.13, 0.05, 0.05)
    in_slot = np.clip(-slot / 0.015, 0, 1)
    return make_solid(as_float32(distance), height - 0.08 * in_slot, 1 - 0.5 * groove - 0.45 * in_slot)


def _impeller(grid: Grid, rng: Generator, defect: str) -> Solid:
    blades, sweep = int(rng.integers(5, 9)), float(rng.uniform(0.7, 1.3))
    r, a = polar(grid)
    turned = (a + sweep * (r - 0.95)) * blades / (2 * np.pi)
    index = np.round(turned)
    across = turned - index
    tip = np.where(np.abs(index) < 0.5, 0.52 + 0.04 * np.sin(a * 17), 0.98)
    blade = np.maximum(
        (np.abs(across) - 0.36) * 2 * np.pi * r / blades, r - (tip if defect == "broken_blade" else 0.98)
    )
    hub = as_float32(r - 0.32)
    distance = np.maximum(np.minimum(blade, hub), 0.09 - r)
    dome = 0.36 * bevel(as_float32(-hub), 0.16) * (hub < 0)
    height = np.where(hub < 0, dome, (0.16 + 0.42 * across * r) * bevel(as_float32(-blade), 0.03))
    gloom = as_float32(1 - 0.45 * np.exp(-((np.maximum(hub, 0) / 0.05) ** 2)) * (hub > 0))
    return make_solid(as_float32(distance), as_float32(height), gloom)


PARTS: dict[str, Callable[[Grid, Generator, str], Solid]] = {
    "gear": _gear, "bolt": _bolt, "nut": _nut, "washer": _washer, "bearing": _bearing, "flange": _flange,
    "spring": _spring, "elbow": _elbow, "plate": _plate, "shaft": _shaft, "impeller": _impeller,
}  # fmt: skip

ROUND_PARTS: dict[str, float] = {
    "gear": 0.66, "nut": 0.68, "washer": 0.75, "bearing": 0.88, "flange": 0.62, "impeller": 0.62,
}  # fmt: skip
"""Parts that look alike from all sides, and the radius at which damage shows best."""
