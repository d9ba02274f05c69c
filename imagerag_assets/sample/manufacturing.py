"""Inspection and workshop photos of machine parts and circuit boards: scenes, drawing, captions, queries.

A part is a height field in its own coordinates (|u|, |v| <= 1), so that one description serves every size;
light, wear and shadow are computed from the heights. What other collections draw with too lives in `drawing`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from imagerag_assets.sample import drawing
from imagerag_assets.sample.drawing import Colour, FloatArray, as_float32
from imagerag_assets.sample.scene import Drawing, Facts, Region, SampleQuery, Scene

COLLECTION = "manufacturing"

Generator = np.random.Generator
Point = tuple[float, float]
Box = tuple[float, float, float, float]

# --- what a picture can show ---

MATERIALS: dict[str, tuple[str, ...]] = {
    "gear": ("steel", "brass", "white_plastic", "yellow_plastic", "rusty_iron", "black_aluminium"),
    "bolt": ("steel", "brass", "rusty_iron"),
    "nut": ("steel", "brass", "rusty_iron"),
    "washer": ("steel", "brass", "copper", "red_aluminium", "blue_aluminium"),
    "bearing": ("steel", "rusty_iron"),
    "flange": ("steel", "brass", "rusty_iron", "blue_aluminium", "red_aluminium", "black_aluminium"),
    "spring": ("steel", "copper", "rusty_iron"),
    "elbow": ("steel", "brass", "copper", "rusty_iron"),
    "board": ("green_board", "blue_board", "red_board", "black_board"),
    "plate": ("steel", "copper", "brass", "blue_aluminium", "red_aluminium", "black_aluminium"),
    "shaft": ("steel", "brass", "rusty_iron"),
    "impeller": ("steel", "brass", "blue_aluminium", "red_aluminium", "black_aluminium", "white_plastic"),
}
DEFECTS: dict[str, tuple[str, ...]] = {
    "gear": ("missing_tooth", "missing_tooth", "crack", "scratch", "rust_spot"),
    "bolt": ("rust_spot", "scratch"),
    "nut": ("rust_spot", "crack"),
    "washer": ("rust_spot", "crack"),
    "bearing": ("rust_spot", "crack", "burn_mark"),
    "flange": ("crack", "rust_spot", "scratch", "dent"),
    "spring": ("rust_spot",),
    "elbow": ("dent", "crack", "rust_spot"),
    "board": ("burn_mark", "burn_mark", "missing_component", "missing_component", "crack", "scratch"),
    "plate": ("dent", "scratch", "rust_spot", "burn_mark"),
    "shaft": ("scratch", "rust_spot", "dent"),
    "impeller": ("broken_blade", "broken_blade", "crack", "scratch"),
}
BACKGROUNDS = ("mat", "belt", "wood", "light", "grid", "tray", "concrete")
ALBEDO: dict[str, Colour] = {
    "steel": (0.70, 0.72, 0.75),
    "brass": (0.90, 0.68, 0.24),
    "copper": (0.86, 0.44, 0.25),
    "rusty_iron": (0.44, 0.23, 0.13),
    "blue_aluminium": (0.07, 0.24, 0.74),
    "red_aluminium": (0.76, 0.06, 0.08),
    "black_aluminium": (0.085, 0.085, 0.095),
    "white_plastic": (0.90, 0.90, 0.88),
    "yellow_plastic": (0.93, 0.76, 0.12),
    "green_board": (0.05, 0.36, 0.16),
    "blue_board": (0.05, 0.20, 0.56),
    "red_board": (0.62, 0.07, 0.09),
    "black_board": (0.06, 0.06, 0.07),
}

PART_WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "gear": (
        ("gear", "gears"), ("cog", "cogs"), ("gear wheel", "gear wheels"), ("cogwheel", "cogwheels"),
        ("toothed wheel", "toothed wheels"),
    ),
    "bolt": (
        ("hex bolt", "hex bolts"), ("bolt", "bolts"), ("hexagon head screw", "hexagon head screws"),
        ("threaded bolt", "threaded bolts"),
    ),
    "nut": (("hex nut", "hex nuts"), ("nut", "nuts"), ("hexagonal nut", "hexagonal nuts")),
    "washer": (("washer", "washers"), ("flat washer", "flat washers"), ("ring washer", "ring washers")),
    "bearing": (("ball bearing", "ball bearings"), ("bearing", "bearings")),
    "flange": (
        ("flange", "flanges"), ("pipe flange", "pipe flanges"),
        ("round flange with bolt holes", "round flanges with bolt holes"),
    ),
    "spring": (
        ("coil spring", "coil springs"), ("spring", "springs"), ("compression spring", "compression springs"),
    ),
    "elbow": (
        ("pipe elbow", "pipe elbows"), ("pipe bend", "pipe bends"), ("elbow fitting", "elbow fittings"),
        ("curved pipe fitting", "curved pipe fittings"),
    ),
    "board": (
        ("circuit board", "circuit boards"), ("printed circuit board", "printed circuit boards"),
        ("PCB", "PCBs"), ("electronics board", "electronics boards"),
    ),
    "plate": (
        ("plate with holes", "plates with holes"), ("perforated plate", "perforated plates"),
        ("drilled metal sheet", "drilled metal sheets"),
    ),
    "shaft": (
        ("shaft", "shafts"), ("stepped shaft", "stepped shafts"), ("axle", "axles"), ("spindle", "spindles"),
    ),
    "impeller": (("impeller", "impellers"), ("fan wheel", "fan wheels"), ("bladed rotor", "bladed rotors")),
}  # fmt: skip
MATERIAL_WORDS: dict[str, tuple[str, ...]] = {
    "steel": ("steel", "silver coloured", "grey metal", "shiny steel"),
    "brass": ("brass", "golden", "yellow metal", "brass coloured"),
    "copper": ("copper", "reddish copper", "copper coloured"),
    "rusty_iron": ("rusty", "rusty iron", "corroded", "rust-covered"),
    "blue_aluminium": ("blue", "blue anodised", "blue anodised aluminium", "blue metal"),
    "red_aluminium": ("red", "red anodised", "red anodised aluminium", "red metal"),
    "black_aluminium": ("black", "black anodised", "black anodised aluminium", "black metal"),
    "white_plastic": ("white plastic", "white", "white nylon"),
    "yellow_plastic": ("yellow plastic", "yellow"),
    "green_board": ("green",),
    "blue_board": ("blue",),
    "red_board": ("red",),
    "black_board": ("black",),
}
DEFECT_WORDS: dict[str, tuple[str, ...]] = {
    "missing_tooth": ("a missing tooth", "a broken tooth", "a tooth broken off", "damaged teeth"),
    "broken_blade": ("a broken blade", "a snapped blade", "a missing blade", "a damaged blade"),
    "crack": ("a crack", "a dark crack", "a fracture", "a visible crack"),
    "scratch": ("a scratch", "scratches", "deep scratches", "scratch marks"),
    "rust_spot": ("a rust spot", "rust", "a patch of rust", "a corroded spot"),
    "dent": ("a dent", "a deep dent", "an impact mark", "a dented spot"),
    "burn_mark": ("a burn mark", "a burnt spot", "a scorched area", "heat damage"),
    "missing_component": (
        "a missing chip",
        "a missing component",
        "empty pads",
        "an unpopulated chip position",
    ),
    "none": ("no defect", "no visible damage"),
}
BACKGROUND_WORDS: dict[str, tuple[str, ...]] = {
    "mat": ("on a green inspection mat", "on a green cutting mat", "on a green gridded mat"),
    "belt": ("on a conveyor belt", "on a black conveyor", "moving along a conveyor belt"),
    "wood": ("on a wooden workbench", "on a wooden table", "on wood", "on a wooden bench"),
    "light": ("on a light table", "on a bright backlit table", "backlit on a white light box"),
    "grid": ("on hand-drawn grid paper", "on paper with a hand-drawn grid", "on a sketched blue grid"),
    "tray": ("in a grey tray", "in a grey plastic tray", "in a parts tray"),
    "concrete": ("on a concrete floor", "on grey concrete", "on the workshop floor"),
}
CARRIER_WORDS: dict[str, tuple[str, ...]] = {
    "label": ("a paper label", "a printed inspection tag", "a sticker"),
    "nameplate": ("an engraved metal nameplate", "a serial plate"),
    "calliper": ("a digital calliper", "a calliper with a display"),
    "stamped": ("stamped letters", "an engraved number"),
}

# --- parts as height fields ---


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


def _solid(distance: FloatArray, height: FloatArray, gloom: FloatArray | float = 1.0) -> Solid:
    shape = distance.shape
    return Solid(
        as_float32(distance),
        as_float32(height),
        as_float32(np.broadcast_to(np.asarray(gloom, dtype=np.float32), shape).copy()),
        np.zeros((*shape, 3), dtype=np.float32),
        np.zeros(shape, dtype=np.float32),
    )


def _bevel(depth: FloatArray, width: float) -> FloatArray:
    """0 at the outline, 1 from `width` inside on, rounded between."""
    t = np.clip(depth / width, 0, 1)
    return as_float32(np.sqrt(t * (2 - t)))


def _polar(grid: Grid) -> tuple[FloatArray, FloatArray]:
    return as_float32(np.hypot(grid.u, grid.v)), as_float32(np.arctan2(grid.v, grid.u))


def _circle(grid: Grid, u: float, v: float, radius: float) -> FloatArray:
    return as_float32(np.hypot(grid.u - u, grid.v - v) - radius)


def _ring_of_holes(r: FloatArray, a: FloatArray, count: int, radius: float, hole: float) -> FloatArray:
    """Signed distance to `count` holes evenly spread at `radius`."""
    step = 2 * np.pi / count
    folded = a - np.round(a / step) * step
    return as_float32(np.hypot(r * np.cos(folded) - radius, r * np.sin(folded)) - hole)


def _box(u: FloatArray, v: FloatArray, half_u: float, half_v: float, rounding: float = 0.0) -> FloatArray:
    du, dv = np.abs(u) - half_u + rounding, np.abs(v) - half_v + rounding
    outside = np.hypot(np.maximum(du, 0), np.maximum(dv, 0))
    return as_float32(outside + np.minimum(np.maximum(du, dv), 0) - rounding)


def _gear(grid: Grid, rng: Generator, defect: str) -> Solid:
    teeth, holes = int(rng.integers(11, 18)), int(rng.choice((0, 4, 5, 6)))
    root, bore = float(rng.uniform(0.78, 0.84)), float(rng.uniform(0.13, 0.2))
    r, a = _polar(grid)
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
    keyway = _box(grid.u - bore, grid.v, bore * 0.35, bore * 0.3)
    distance = np.maximum(body, -np.minimum(r - bore, keyway))
    if holes:
        distance = np.maximum(distance, -_ring_of_holes(r, a + 0.3, holes, 0.52, 0.12))
    web = _bevel(as_float32(r - bore - 0.13), 0.04) * _bevel(as_float32(root - 0.13 - r), 0.04)
    height = 0.20 * _bevel(as_float32(-distance), 0.05) - 0.09 * web
    return _solid(distance, height, 1 - 0.12 * web)


def _bolt(grid: Grid, rng: Generator, _defect: str) -> Solid:
    u, v = grid.u, grid.v
    radius, plain = float(rng.uniform(0.17, 0.21)), float(rng.uniform(-0.5, -0.1))
    flats = 0.37 - 0.05 * _bevel(as_float32(-0.88 - u), 0.1)
    head = np.maximum(np.abs(v) - flats, np.abs(u + 0.80) - 0.18)
    wave = np.abs(((u + v * 0.12) / 0.062) % 1 - 0.5) * 2
    thread = (u > plain) * 0.035 * wave
    shank_radius = radius - thread - 0.06 * np.clip((u - 0.92) / 0.08, 0, 1)
    shank = np.maximum(np.abs(v) - shank_radius, np.abs(u - 0.18) - 0.80)
    round_height = np.sqrt(np.maximum(shank_radius**2 - v * v, 0))
    facets = 0.34 - 0.58 * np.maximum(np.abs(v) - 0.185, 0) - 0.5 * np.maximum(-0.92 - u, 0)
    height = np.where(head < 0, facets * _bevel(as_float32(-head), 0.03), round_height)
    return _solid(np.minimum(head, shank), height, 1 - 0.35 * (thread > 0) * (1 - wave) * 0.8)


def _hexagon(u: FloatArray, v: FloatArray, apothem: float) -> FloatArray:
    sides = [np.abs(u * np.cos(t) + v * np.sin(t)) for t in (0, np.pi / 3, 2 * np.pi / 3)]
    return as_float32(np.maximum(np.maximum(sides[0], sides[1]), sides[2]) - apothem)


def _nut(grid: Grid, rng: Generator, _defect: str) -> Solid:
    hole = float(rng.uniform(0.40, 0.45))
    r, _ = _polar(grid)
    distance = np.maximum(_hexagon(grid.u, grid.v, 0.86), hole - r)
    thread = np.clip((hole + 0.10 - r) / 0.10, 0, 1)
    height = 0.34 * _bevel(as_float32(-distance), 0.05) - 1.3 * np.maximum(r - 0.84, 0) - 0.25 * thread
    rings = 0.5 + 0.5 * np.sin(thread * 18)
    chamfer = np.clip((r - 0.84) / 0.03, 0, 1)
    return _solid(distance, height, (1 - thread * (0.30 + 0.35 * rings)) * (1 - 0.22 * chamfer))


def _washer(grid: Grid, rng: Generator, _defect: str) -> Solid:
    hole = float(rng.uniform(0.42, 0.56))
    r, _ = _polar(grid)
    distance = np.maximum(r - 0.97, hole - r)
    return _solid(as_float32(distance), 0.07 * _bevel(as_float32(-distance), 0.05))


def _bearing(grid: Grid, rng: Generator, _defect: str) -> Solid:
    balls, bore = int(rng.integers(8, 11)), float(rng.uniform(0.34, 0.40))
    r, a = _polar(grid)
    distance = as_float32(np.maximum(r - 0.98, bore - r))
    race = as_float32(np.minimum(0.78 - r, r - 0.54))
    ball = np.maximum(-_ring_of_holes(r, a, balls, 0.66, 0.135), 0)
    sphere = np.sqrt(np.maximum(ball * (0.27 - ball), 0))
    height = 0.24 * _bevel(as_float32(-distance), 0.05) - 0.22 * _bevel(race, 0.025)
    gloom = as_float32(1 - 0.62 * (race > 0) * (sphere <= 0))
    solid = _solid(distance, as_float32(np.where(sphere > 0, sphere * 1.1, height)), gloom)
    solid.paint_cover[:] = 0.85 * (race > 0) * (sphere <= 0)
    solid.paint[:] = (0.50, 0.36, 0.14) if rng.random() < 0.5 else (0.16, 0.16, 0.17)
    return solid


def _flange(grid: Grid, rng: Generator, _defect: str) -> Solid:
    holes, bore = int(rng.choice((4, 6, 8))), float(rng.uniform(0.24, 0.32))
    r, a = _polar(grid)
    distance = np.maximum(np.maximum(r - 0.98, bore - r), -_ring_of_holes(r, a, holes, 0.75, 0.105))
    hub = _bevel(as_float32(0.52 - r), 0.07)
    groove = np.exp(-(((r - 0.40) / 0.014) ** 2))
    height = 0.15 * _bevel(as_float32(-distance), 0.05) + 0.22 * hub - 0.03 * groove
    return _solid(as_float32(distance), as_float32(height), 1 - 0.4 * groove)


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
    return _solid(as_float32(distance), np.where(in_front, near, far), np.where(in_front, 1.0, 0.45))


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
    return _solid(as_float32(distance), as_float32(height), 1 - 0.4 * seam - 0.22 * rings)


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
    distance = np.maximum(_box(grid.u, grid.v, half_u, half_v, 0.08), -holes)
    return _solid(as_float32(distance), 0.06 * _bevel(as_float32(-distance), 0.035))


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
    slot = _box(u - float(cuts[2] + cuts[3]) / 2, v, 0.13, 0.05, 0.05)
    in_slot = np.clip(-slot / 0.015, 0, 1)
    return _solid(as_float32(distance), height - 0.08 * in_slot, 1 - 0.5 * groove - 0.45 * in_slot)


def _impeller(grid: Grid, rng: Generator, defect: str) -> Solid:
    blades, sweep = int(rng.integers(5, 9)), float(rng.uniform(0.7, 1.3))
    r, a = _polar(grid)
    turned = (a + sweep * (r - 0.95)) * blades / (2 * np.pi)
    index = np.round(turned)
    across = turned - index
    tip = np.where(np.abs(index) < 0.5, 0.52 + 0.04 * np.sin(a * 17), 0.98)
    blade = np.maximum(
        (np.abs(across) - 0.36) * 2 * np.pi * r / blades, r - (tip if defect == "broken_blade" else 0.98)
    )
    hub = as_float32(r - 0.32)
    distance = np.maximum(np.minimum(blade, hub), 0.09 - r)
    dome = 0.36 * _bevel(as_float32(-hub), 0.16) * (hub < 0)
    height = np.where(hub < 0, dome, (0.16 + 0.42 * across * r) * _bevel(as_float32(-blade), 0.03))
    gloom = as_float32(1 - 0.45 * np.exp(-((np.maximum(hub, 0) / 0.05) ** 2)) * (hub > 0))
    return _solid(as_float32(distance), as_float32(height), gloom)


# --- circuit boards ---

BOARD_HALF_V = 0.70


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


SOLDER, SILK = (196, 199, 200), (226, 230, 224)


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


def _board(material: str, scale: float, angle: float, design: int, defect: str, dense: bool) -> tuple[Solid, Box]:
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
    grid = _grid(side, scale, angle)
    outline = _box(grid.u, grid.v, 0.98, BOARD_HALF_V, 0.04)
    solid = _solid(outline, as_float32(np.asarray(height, dtype=np.float32) * (0.22 / 255)))
    solid.paint = as_float32(np.asarray(paint, dtype=np.float32) / 255)
    solid.paint_cover[:] = 1
    left, top, right, bottom = parts[target].box
    return solid, (left - 0.04, top - 0.04, right + 0.04, bottom + 0.04)


# --- wear and damage ---

PARTS: dict[str, Callable[[Grid, Generator, str], Solid]] = {
    "gear": _gear, "bolt": _bolt, "nut": _nut, "washer": _washer, "bearing": _bearing, "flange": _flange,
    "spring": _spring, "elbow": _elbow, "plate": _plate, "shaft": _shaft, "impeller": _impeller,
}  # fmt: skip
ROUND_PARTS: dict[str, float] = {
    "gear": 0.66, "nut": 0.68, "washer": 0.75, "bearing": 0.88, "flange": 0.62, "impeller": 0.62,
}  # fmt: skip
"""Parts that look alike from all sides, and the radius at which damage shows best."""
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


def _dent(grid: Grid, solid: Solid, spot: Point) -> Box:
    away = np.hypot((grid.u - spot[0]) / 1.2, grid.v - spot[1]) / 0.15
    solid.height = as_float32(solid.height - 0.085 * np.exp(-(away**2)) + 0.012 * np.exp(-(((away - 1.7) / 0.4) ** 2)))
    solid.gloom *= as_float32(1 - 0.30 * np.exp(-(away**2)))
    return _spot_box(spot, 0.26)


def _damage(grid: Grid, solid: Solid, part: str, defect: str, rng: Generator) -> Box:
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


# --- light ---


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


def _grid(side: int, scale: float, angle: float, shift: Point = (0.0, 0.0)) -> Grid:
    axis = np.arange(side, dtype=np.float32) - (side - 1) / 2
    x, y = (axis[None, :] - shift[0]) / scale, (axis[:, None] - shift[1]) / scale
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return Grid(as_float32(x * c + y * s), as_float32(y * c - x * s), 1 / scale)


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


def _shade(solid: Solid, material: str, grid: Grid, stage: Stage, clouds: FloatArray, brush: FloatArray) -> FloatArray:
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


def _window(array: FloatArray, top: int, left: int, side: int) -> FloatArray:
    """Cut a square out of a texture that repeats beyond its edges."""
    h, w = array.shape[:2]
    return array[np.ix_(np.arange(top, top + side) % h, np.arange(left, left + side) % w)]


@dataclass(frozen=True)
class Placement:
    """Where a part lies: centre in pixels, pixels per unit, angle in radians."""

    x: float
    y: float
    radius: float
    angle: float


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


def _place(stage: Stage, scene: Scene, spot: Placement, defect: str, design: int) -> Box:
    """Put one part on the canvas with its shadow; returns the box of its defect in pixels."""
    part, material = str(scene.facts["part"]), str(scene.facts["material"])
    side = 2 * int(spot.radius * 1.3)
    left, top = round(spot.x - side / 2), round(spot.y - side / 2)
    grid = _grid(side, spot.radius, spot.angle)
    clouds = _window(stage.clouds, top, left, side)
    rng = np.random.default_rng(design + 1)
    if part == "board":
        solid, box = _board(material, spot.radius, spot.angle, design, defect, bool(scene.facts["large"]))
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        if defect == "burn_mark":
            box = _burn_at(grid, solid, centre, rng, 0.55 if scene.facts["large"] else 1.0)
        elif defect in ("crack", "scratch"):
            box = _damage(grid, solid, part, defect, rng)
    else:
        stamped = part == "plate" and scene.facts["carrier"] == "stamped"
        solid = PARTS[part](grid, np.random.default_rng(design), "stamped" if stamped else defect)
        box = (0.0, 0.0, 0.0, 0.0) if defect == "none" else _damage(grid, solid, part, defect, rng)
    cover = as_float32(np.clip(0.5 - solid.distance / grid.pixel, 0, 1))
    hollow = _blurred(solid.height, spot.radius * 0.05) - solid.height
    solid.gloom *= as_float32(1 - np.clip(hollow * 3.0, 0, 0.45))
    colours = _shade(solid, material, grid, stage, clouds, _brush(grid, part, stage))
    _lay(
        stage,
        colours,
        cover,
        (left, top),
        spot.radius * (0.05 if part in ("washer", "plate", "board") else 0.10),
    )
    return _turned_box(box, spot)


def _burn_at(grid: Grid, solid: Solid, spot: Point, rng: Generator, size: float) -> Box:
    near = Grid(as_float32((grid.u - spot[0]) / size), as_float32((grid.v - spot[1]) / size), grid.pixel / size)
    _burn(near, solid, (0.0, 0.0), drawing.fractal_noise(rng, len(grid.u), len(grid.u), 5))
    return spot[0] - 0.36 * size, spot[1] - 0.36 * size, spot[0] + 0.36 * size, spot[1] + 0.36 * size


def _lay(stage: Stage, colours: FloatArray, cover: FloatArray, corner: tuple[int, int], lift: float) -> None:
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


def _turned_box(box: Box, spot: Placement) -> Box:
    """Put a box around a box given in part coordinates, in pixels."""
    c, s = np.cos(spot.angle), np.sin(spot.angle)
    corners = [(u * c - v * s, u * s + v * c) for u in (box[0], box[2]) for v in (box[1], box[3])]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return (
        float(spot.x + min(xs) * spot.radius), float(spot.y + min(ys) * spot.radius),
        float(spot.x + max(xs) * spot.radius), float(spot.y + max(ys) * spot.radius),
    )  # fmt: skip


# --- backgrounds ---


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


def _background(
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


# --- text ---


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


def _carrier_image(scene: Scene, layout: Generator, grain: Generator, scale: float) -> Image.Image:
    carrier = scene.facts["carrier"]
    if carrier == "calliper":
        return _calliper(scene.text, scale)
    if carrier == "nameplate":
        return _nameplate(scene.text, grain, scale)
    return _card(scene.text, layout, scale)


def _lay_carrier(stage: Stage, picture: Image.Image, layout: Generator) -> None:
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
    _lay(
        stage,
        as_float32(pixels[..., :3] * gain),
        as_float32(pixels[..., 3]),
        (left, h - ph - round(8 * stage.scale)),
        7 * stage.scale,
    )
    stage.backlit = backlit


def _stamp(stage: Stage, lines: Sequence[str], spot: Placement) -> None:
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


# --- the picture ---

SLIM_PARTS = ("bolt", "shaft", "spring")
WIDE_PARTS = ("plate", "board")


def _natural_size(scene: Scene, layout: Generator) -> tuple[int, int]:
    """(width, height) in pixels of the finished photo."""
    facts = scene.facts
    if facts["large"]:
        return _shape(int(layout.choice((1800, 2000, 2200))), 0.75)
    long_side = 20 * int(layout.integers(41, 46) if scene.text else layout.integers(32, 44))
    ratio = float(layout.choice((0.75, 0.75, 0.67, 0.85)))
    portrait = facts["arrangement"] == "single" and not scene.text and layout.random() < 0.2
    width, height = _shape(long_side, ratio)
    return (height, width) if portrait else (width, height)


def _shape(long_side: int, ratio: float) -> tuple[int, int]:
    return long_side, round(long_side * ratio)


def _cells(part: str) -> tuple[int, int]:
    """Compartments of a full tray (columns, rows)."""
    return (7, 3) if part in SLIM_PARTS else (6, 4)


def _upright(part: str, layout: Generator) -> float:
    """Turn parts beside one another: slim ones stand, plates lie, round ones turn at will."""
    if part in SLIM_PARTS:
        return float(np.pi / 2 + layout.uniform(-0.12, 0.12))
    return float(layout.uniform(-0.08, 0.08) if part in WIDE_PARTS else layout.uniform(0, 2 * np.pi))


def _row(part: str, w: int, h: float, layout: Generator) -> list[Placement]:
    count = int(layout.integers(2, 4) if part in WIDE_PARTS else layout.integers(3, 5))
    radius = min(w / (count * 2.12), h * 0.38)
    if part in SLIM_PARTS:
        radius = min(h * 0.38, w / (count * 1.1))
    step = min(w / (count + 0.08), radius * 2.5)
    start = w / 2 - step * (count - 1) / 2
    return [
        Placement(start + i * step, h / 2 + float(layout.uniform(-0.03, 0.03)) * h, radius, _upright(part, layout))
        for i in range(count)
    ]


def _pile(w: int, h: float, layout: Generator) -> list[Placement]:
    count, radius = int(layout.integers(12, 20)), min(w, h) * float(layout.uniform(0.15, 0.20))
    places = []
    for index in range(count):
        spread = 0.62 * (1 - index / count) + 0.06
        x = w / 2 + float(np.clip(layout.normal(0, spread), -0.95, 0.95)) * (w / 2 - radius)
        y = h / 2 + float(np.clip(layout.normal(0, spread), -0.95, 0.95)) * (h / 2 - radius)
        places.append(Placement(x, y, radius, float(layout.uniform(0, 2 * np.pi))))
    return places


def _tray_full(part: str, w: int, h: float, layout: Generator) -> list[Placement]:
    columns, rows = _cells(part)
    rim = min(w, h) * 0.045
    cell_w, cell_h = (w - 2 * rim) / columns, (h - 2 * rim) / rows
    radius = cell_h * 0.44 if part in SLIM_PARTS else min(cell_w, cell_h) * 0.41
    return [
        Placement(rim + cell_w * (i + 0.5), rim + cell_h * (j + 0.5), radius, _upright(part, layout))
        for j in range(rows)
        for i in range(columns)
    ]


def _single(part: str, large: bool, w: int, h: float, layout: Generator) -> list[Placement]:
    angle = float(layout.uniform(-0.5, 0.5) if part in SLIM_PARTS else layout.uniform(0, 2 * np.pi))
    if part in WIDE_PARTS:
        angle = float(layout.uniform(-0.12, 0.12))
    reach = {"board": 0.62, "plate": 0.58, "bolt": 0.60, "shaft": 0.62, "spring": 0.58}.get(part, 0.42)
    radius = min(h * reach, w * 0.44) * float(layout.uniform(0.86, 1.0))
    if large:
        return [Placement(w / 2, h / 2, w * 0.47, angle * 0.2)]
    slack = (w / 2 - radius * 0.95) * 0.45
    return [
        Placement(w / 2 + float(layout.uniform(-1, 1)) * slack, h * float(layout.uniform(0.48, 0.52)), radius, angle)
    ]


def _placements(scene: Scene, w: int, h: float, layout: Generator) -> tuple[list[Placement], int]:
    """Where the parts lie, first drawn first, and which of them has the defect."""
    part, arrangement = str(scene.facts["part"]), scene.facts["arrangement"]
    if arrangement == "row":
        places = _row(part, w, h, layout)
        return places, int(layout.integers(0, len(places)))
    if arrangement == "pile":
        places = _pile(w, h, layout)
        return places, len(places) - 1
    if arrangement == "tray":
        places = _tray_full(part, w, h, layout)
        return places, int(layout.integers(0, len(places)))
    return _single(part, bool(scene.facts["large"]), w, h, layout), 0


def _region(facts: Facts, box: Box, w: int, h: int) -> tuple[Region, ...]:
    if facts["defect"] == "none" or not facts["large"]:
        return ()
    left, top, right, bottom = box
    sides = (max(left / w, 0.0), max(top / h, 0.0), min(right / w, 1.0), min(bottom / h, 1.0))
    return (Region(f"{facts['defect']} {facts['part']} {facts['material']}", sides),)


def draw(scene: Scene, long_side: int | None = None) -> Drawing:
    """Draw the photo at its natural size or natively smaller; only large pictures have regions."""
    layout, grain = np.random.default_rng(scene.seed).spawn(2)
    width, height = _natural_size(scene, layout)
    ratio = 1.0 if long_side is None else long_side / max(width, height)
    w, h = max(8, round(width * ratio)), max(8, round(height * ratio))
    scale = max(w, h) / 800
    facts = scene.facts
    clouds = drawing.fractal_noise(grain, h, w, 7)
    cells = _cells(str(facts["part"])) if facts["arrangement"] == "tray" else (1, 1)
    canvas = _background(scene, layout, grain, clouds, scale, cells)
    turn = float(layout.uniform(np.pi, 2 * np.pi))  # the lamp stands somewhere behind the table
    lamp = (0.62 * float(np.cos(turn)), 0.62 * float(np.sin(turn)), 0.785)
    streaks = grain.random(512, dtype=np.float32)
    stage = Stage(canvas.copy(), lamp, clouds, streaks, facts["background"] == "light", scale)
    beside = facts["carrier"] in ("label", "nameplate", "calliper")
    design = int(layout.integers(0, 2**31))
    places, faulty = _placements(scene, w, h * (0.70 if beside else 1.0), layout)
    box: Box = (0.0, 0.0, 0.0, 0.0)
    for index, place in enumerate(places):
        defect = str(facts["defect"]) if index == faulty else "none"
        found = _place(stage, scene, place, defect, design)
        box = found if index == faulty else box
    if facts["carrier"] == "stamped":
        _stamp(stage, scene.text, places[0])
    elif beside:
        _lay_carrier(stage, _carrier_image(scene, layout, grain, scale), layout)
    warmth, vignette = float(layout.uniform(-0.5, 0.6)), float(layout.uniform(0.08, 0.3))
    gain = np.float32(layout.uniform(0.9, 1.08))
    blur = 0.45 if ratio >= 1 else 0.0
    image = drawing.photo_finish(grain, stage.canvas * gain, noise=0.014, vignette=vignette, blur=blur, warmth=warmth)
    return Drawing(image, _region(facts, box, w, h))


# --- captions ---

BROKEN_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "missing_tooth": ("broken", "damaged", "chipped"),
    "broken_blade": ("broken", "damaged"),
    "crack": ("cracked", "fractured"),
    "scratch": ("scratched", "scuffed"),
    "rust_spot": ("rust-stained", "partly rusted"),
    "dent": ("dented", "damaged"),
    "burn_mark": ("burnt", "scorched"),
    "missing_component": ("incomplete", "partly populated"),
}


def _pick(rng: Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(0, len(words)))]


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _noun(facts: Facts, rng: Generator, adjective: str = "", coloured: bool = True) -> str:
    """Name the subject with its article: "a row of brass gears"."""
    one, many = PART_WORDS[str(facts["part"])][int(rng.integers(0, len(PART_WORDS[str(facts["part"])])))]
    colour = _pick(rng, MATERIAL_WORDS[str(facts["material"])]) if coloured else ""
    arrangement = facts["arrangement"]
    if arrangement == "single":
        return _with_article(" ".join(word for word in (adjective, colour, one) if word))
    group = {
        "row": ("a row of", "several", "a line of"),
        "pile": ("a pile of", "a heap of", "many"),
        "tray": ("a tray full of", "a full tray of", "a tray with rows of"),
    }[str(arrangement)]
    return " ".join(word for word in (_pick(rng, group), colour, many) if word)


def _flawed(facts: Facts, rng: Generator) -> str:
    """How the defect is added to a noun: " with a crack", ", one of them with a crack"."""
    flaw = _pick(rng, DEFECT_WORDS[str(facts["defect"])])
    if facts["arrangement"] == "single":
        return f" with {flaw}"
    return _pick(rng, (f", one of them with {flaw}", f", one has {flaw}", f" and one with {flaw}"))


def _place_words(facts: Facts, rng: Generator) -> str:
    if facts["arrangement"] == "tray":
        return _pick(rng, ("seen from above", "sorted in compartments", "in a grey plastic tray"))
    return _pick(rng, BACKGROUND_WORDS[str(facts["background"])])


def captions(scene: Scene, rng: Generator) -> list[str]:
    """Caption a scene truly, from short to long."""
    facts = scene.facts
    flawed, place = facts["defect"] != "none", _place_words(facts, rng)
    style = _pick(rng, ("photo of", "close-up of", "workshop photo of", "inspection picture of", "top view of"))
    texts = [_noun(facts, rng), f"{_noun(facts, rng)} {place}", f"{style} {_noun(facts, rng)}"]
    if flawed:
        flaw = _pick(rng, DEFECT_WORDS[str(facts["defect"])])
        part = _pick(rng, [one for one, _ in PART_WORDS[str(facts["part"])]])
        texts += [
            f"{_noun(facts, rng)}{_flawed(facts, rng)}",
            f"{flaw} on {_with_article(part)}",
            f"{style} {_noun(facts, rng, coloured=rng.random() < 0.5)} {place}{_flawed(facts, rng)}",
        ]
        if facts["arrangement"] == "single":
            adjective = _pick(rng, BROKEN_ADJECTIVES[str(facts["defect"])])
            texts.append(_noun(facts, rng, adjective, coloured=rng.random() < 0.5))
    else:
        texts.append(f"{_noun(facts, rng, coloured=False)} {_place_words(facts, rng)}")
        if facts["material"] != "rusty_iron":
            texts.append(f"{_noun(facts, rng)} with {_pick(rng, DEFECT_WORDS['none'])}")
    if scene.text:
        carrier = _pick(rng, CARRIER_WORDS[str(facts["carrier"])])
        words = f" with the words {scene.text[0].lower()}" if rng.random() < 0.4 else ""
        link = "with" if facts["carrier"] == "stamped" else "next to"
        texts.append(f"{_noun(facts, rng)} {link} {carrier}{words}")
    sentence = f"{_noun(facts, rng)} can be seen {place}"
    texts.append(f"{sentence[0].upper()}{sentence[1:]}{_flawed(facts, rng) if flawed else ''}.")
    return texts[:8]


def region_captions(region: Region, rng: Generator) -> list[str]:
    """Captions of a crop around a defect; the region's label is "defect part material"."""
    defect, part, material = region.label.split()
    facts: Facts = {"part": part, "material": material, "arrangement": "single", "defect": defect}
    flaw = _pick(rng, DEFECT_WORDS[defect])
    return [
        f"{_noun(facts, rng)} with {flaw}",
        f"close-up of {flaw} on {_noun(facts, rng, coloured=False)}",
        _noun(facts, rng, _pick(rng, BROKEN_ADJECTIVES[defect])),
        f"{flaw} seen from near on {_noun(facts, rng)}",
    ]


# --- scenes ---


def _scene(name: str, seed: int, looks: Sequence[str], carrier: str, text: tuple[str, ...]) -> Scene:
    """Build a scene of part, material, defect, background, arrangement ("large": a crowded board)."""
    part, material, defect, background, arrangement = looks
    facts: Facts = {
        "part": part, "material": material, "defect": defect, "background": background,
        "arrangement": "single" if arrangement == "large" else arrangement,
        "large": arrangement in ("large", "tray"),
        "carrier": carrier.removesuffix(":fr"), "words": " ".join(text),
    }  # fmt: skip
    language: Literal["en", "fr", ""] = "" if not text else "fr" if carrier.endswith(":fr") else "en"
    return Scene(COLLECTION, name, facts, seed, text, language)


CORPUS = """
gear steel missing_tooth mat single | label | REJECTED | LOT 7731-B
gear brass missing_tooth wood single
gear steel missing_tooth concrete row
gear white_plastic missing_tooth belt row
gear steel missing_tooth tray tray
gear steel none tray tray
gear brass missing_tooth tray tray
gear brass none mat single | label | ACCEPTED | LOT 7731-B
gear brass none grid pile
gear brass none light single | label | REJECTED | LOT 4418-A
gear white_plastic none mat single | label | ACCEPTED | LOT 5102-C
gear white_plastic none wood pile
gear white_plastic none tray single
gear white_plastic none belt row
gear rusty_iron none grid single | label | REJECTED | LOT 2290-A
gear black_aluminium none concrete single | nameplate | TYPE Z18 | SN 40871
bolt rusty_iron none wood single
bolt rusty_iron none concrete pile
bolt rusty_iron none grid row
bolt steel rust_spot mat single | label | REJECTED | M12x1.75 | LOT 3306-D
bolt steel none mat single | calliper | 11.97 mm
bolt steel none grid row | label | M12x1.75 | DIN 933 | 8.8
bolt brass none mat row | label | M8x1.25 | DIN 933
bolt rusty_iron none tray single | label | SCRAP | M16x2.0
bearing steel none wood pile
nut steel none concrete pile
nut brass none wood pile
nut steel none tray pile
nut rusty_iron none grid pile
nut steel rust_spot tray tray
nut steel none tray tray
nut brass none tray single | calliper | 24.98 mm
nut steel crack mat single | label:fr | CONTRÔLE QUALITÉ | REFUSÉ | Lot 6127-F
nut brass none grid pile
washer steel none light row
washer copper none light single
washer red_aluminium none light row
washer steel crack light single
washer blue_aluminium none light pile
washer copper none grid row | label:fr | PIÈCE CONFORME | Lot 5520-C
bearing steel none wood single | label | ACCEPTED | LOT 2290-A
bearing steel rust_spot wood single
bearing steel none wood row
bearing rusty_iron none wood pile
bearing steel crack tray tray
bearing steel none tray tray
bearing steel none mat single | nameplate | 6204-2RS | SN 40817
bearing steel burn_mark tray single | label | REJECTED | LOT 2290-A
bearing steel none belt row
flange steel crack mat single
flange steel crack concrete single | label:fr | CONTRÔLE QUALITÉ | REFUSÉ | Lot 8842-K
flange brass crack wood single
flange red_aluminium crack tray single
flange blue_aluminium crack grid single
flange blue_aluminium none mat single | nameplate | PN 16 DN 50 | SN 40922
flange blue_aluminium none belt row
flange rusty_iron none grid single
flange steel none wood single | label:fr | PIÈCE CONFORME | Lot 8842-K
spring steel none mat single
spring copper none mat row
spring steel rust_spot mat single | label | HOLD FOR REVIEW | LOT 9015-E
spring rusty_iron none mat pile
spring steel none light row
spring steel none mat pile
elbow copper none wood single
elbow copper dent concrete single
elbow copper none tray pile
elbow copper none mat row | label:fr | À RETOUCHER | Lot 1175-H
elbow copper crack grid single
elbow brass none mat single | label:fr | À RETOUCHER | Lot 1175-H
shaft rusty_iron none grid single
board green_board burn_mark mat single
board green_board burn_mark light single
board green_board burn_mark tray single
board green_board burn_mark wood single | label | REWORK | WO 55821
board green_board burn_mark mat large
board green_board none mat large
board green_board missing_component mat single
board blue_board missing_component wood single
board blue_board missing_component tray single | label | REWORK | WO 55907
board red_board missing_component light single
board blue_board missing_component grid large
board red_board none grid single | label | HOLD FOR REVIEW | WO 56114
plate steel dent wood single
plate blue_aluminium dent mat single
plate copper dent concrete single
plate brass dent tray single
plate red_aluminium dent light single
plate red_aluminium none wood single | stamped | TX-4190
plate steel none mat single | stamped | TX-4190
plate steel none concrete single | stamped | RK-2087
shaft steel scratch mat single
shaft steel scratch wood single
shaft steel scratch grid single
shaft brass scratch light single
shaft steel scratch belt row
shaft steel none mat single | calliper | 24.98 mm
impeller blue_aluminium broken_blade mat single
impeller steel broken_blade wood single
impeller red_aluminium broken_blade tray single
impeller white_plastic broken_blade concrete single
impeller black_aluminium broken_blade belt single
impeller blue_aluminium none light single
impeller red_aluminium none belt row
"""
"""part material defect background arrangement, then what carries text and its lines."""


def corpus_scenes() -> tuple[Scene, ...]:
    """Return the collection's scenes, always the same."""
    scenes = []
    for number, line in enumerate(CORPUS.strip().splitlines(), start=1):
        looks, *rest = (field.strip() for field in line.split("|"))
        carrier = rest[0] if rest else ""
        scenes.append(_scene(f"m-{number:04d}", 700_000 + 37 * number, looks.split(), carrier, tuple(rest[1:])))
    return tuple(scenes)


def _code(rng: Generator) -> str:
    letters = "ABCDEFGHKLMNPRT"
    return f"{int(rng.integers(1000, 9999))}-{letters[int(rng.integers(0, len(letters)))]}"


def _random_text(part: str, rng: Generator) -> tuple[str, tuple[str, ...]]:
    """Choose what carries text in a training scene, and the lines."""
    carriers = (
        "label",
        "label",
        "label:fr",
        "nameplate",
        "calliper",
        *(("stamped",) * 2 if part == "plate" else ()),
    )
    carrier = _pick(rng, carriers)
    if carrier == "label":
        verdict = _pick(rng, ("REJECTED", "ACCEPTED", "REWORK", "HOLD FOR REVIEW", "SCRAP", "INSPECTED", "DIN 933"))
        return carrier, (verdict, f"LOT {_code(rng)}")
    if carrier == "label:fr":
        verdict = _pick(rng, ("PIÈCE CONFORME", "REFUSÉ", "À RETOUCHER", "CONTRÔLE QUALITÉ", "REBUT"))
        return carrier, (verdict, f"Lot {_code(rng)}")
    if carrier == "nameplate":
        return carrier, (f"TYPE {_code(rng)}", f"SN {int(rng.integers(41000, 99999))}")
    if carrier == "calliper":
        return carrier, (f"{float(rng.uniform(3, 140)):.2f} mm",)
    return carrier, (f"{_pick(rng, ('TX', 'RK', 'BV', 'QL'))}-{int(rng.integers(5000, 9999))}",)


def _shows(defect: str, material: str) -> bool:
    """Whether a defect can be seen on a material: rust grows on steel only, and black hides what is dark."""
    if defect == "rust_spot":
        return material == "steel"
    if material.startswith("black"):
        return defect not in ("crack", "burn_mark")
    return not (defect == "scratch" and material in ("white_plastic", "rusty_iron"))


def random_scene(rng: Generator) -> Scene:
    """Draw by lot a scene for training, of the corpus's distribution; its seed is 2**32 or above."""
    seed = int(rng.integers(2**32, 2**48))
    part = _pick(rng, tuple(PART_WORDS))
    material = _pick(rng, MATERIALS[part])
    possible = [defect for defect in DEFECTS[part] if _shows(defect, material)]
    defect = _pick(rng, possible) if possible and rng.random() < 0.55 else "none"
    background = _pick(rng, BACKGROUNDS)
    arrangement = _pick(rng, ("single", "single", "single", "row", "pile" if part not in WIDE_PARTS else "row"))
    if rng.random() < 0.07:
        arrangement = "large" if part == "board" else "single" if part == "plate" else "tray"
        background = "tray" if arrangement == "tray" else background
    if arrangement == "row" and background == "tray":
        background = "belt"
    carrier = ""
    text: tuple[str, ...] = ()
    if rng.random() < 0.33 and arrangement in ("single", "row"):
        carrier, text = _random_text(part, rng)
        arrangement = "single" if carrier == "stamped" else arrangement
    return _scene(f"m-{seed:x}", seed, (part, material, defect, background, arrangement), carrier, text)


# --- queries ---


def _has(**wanted: str) -> Callable[[Facts], bool]:
    """Facts equal to all of `wanted`."""
    return lambda facts: all(facts[key] == value for key, value in wanted.items())


def _reads(words: str, **wanted: str) -> Callable[[Facts], bool]:
    """`words` can be read in the picture, and its facts equal `wanted`."""
    return lambda facts: words.casefold() in str(facts["words"]).casefold() and _has(**wanted)(facts)


def _detail(**wanted: str) -> Callable[[Facts], bool]:
    return lambda facts: bool(facts["large"]) and _has(**wanted)(facts)


def _rusty_bolt(facts: Facts) -> bool:
    return facts["part"] == "bolt" and (facts["material"] == "rusty_iron" or facts["defect"] == "rust_spot")


def _example(number: int, looks: str, relevant: Callable[[Facts], bool]) -> SampleQuery:
    scene = _scene(f"q-{number:02d}", 2**31 + 1009 * number, looks.split(), "", ())
    return SampleQuery("", "by_example", relevant, example=scene)


QUERIES: tuple[SampleQuery, ...] = (
    SampleQuery("cog with a broken tooth", "by_look", _has(part="gear", defect="missing_tooth")),
    SampleQuery("golden cogwheels made of brass", "by_look", _has(part="gear", material="brass")),
    SampleQuery("which bolts have gone rusty?", "by_look", _rusty_bolt),
    SampleQuery("burnt green pcb", "by_look", _has(material="green_board", defect="burn_mark")),
    SampleQuery("bearings lying on the wood workbench", "by_look", _has(part="bearing", background="wood")),
    SampleQuery("parts lined up on the conveyor", "by_look", _has(background="belt", arrangement="row")),
    SampleQuery("hex nuts heaped up", "by_look", _has(part="nut", arrangement="pile")),
    SampleQuery("spring, green cutting mat", "by_look", _has(part="spring", background="mat")),
    SampleQuery("anything anodised in blue", "by_look", _has(material="blue_aluminium")),
    SampleQuery("copper elbow for plumbing", "by_look", _has(part="elbow", material="copper")),
    SampleQuery("scratched axle or spindle", "by_look", _has(part="shaft", defect="scratch")),
    SampleQuery("flange that has cracked", "by_look", _has(part="flange", defect="crack")),
    SampleQuery("washers lit from below on a light box", "by_look", _has(part="washer", background="light")),
    SampleQuery(
        "pcb where a chip was never fitted", "by_look", _has(part="board", defect="missing_component")
    ),
    SampleQuery("red anodized part", "by_look", _has(material="red_aluminium")),
    SampleQuery("dented sheet metal with drilled holes", "by_look", _has(part="plate", defect="dent")),
    SampleQuery(
        "corroded part photographed on hand drawn squares", "by_look",
        _has(material="rusty_iron", background="grid")
    ),
    SampleQuery("gears in white plastic", "by_look", _has(part="gear", material="white_plastic")),
    SampleQuery("fan rotor, one blade snapped off", "by_look", _has(part="impeller", defect="broken_blade")),
    SampleQuery("lot 7731-B", "by_text", _reads("7731-B")),
    SampleQuery("M12x1.75", "by_text", _reads("M12x1.75")),
    SampleQuery("contrôle qualité refusé", "by_text", _reads("REFUSÉ"), "fr"),
    SampleQuery("étiquette pièce conforme", "by_text", _reads("PIÈCE CONFORME"), "fr"),
    SampleQuery("display shows 24.98 mm", "by_text", _reads("24.98 mm")),
    SampleQuery("serial number SN 40817", "by_text", _reads("SN 40817")),
    SampleQuery("hold for review", "by_text", _reads("HOLD FOR REVIEW")),
    SampleQuery("work order 55821", "by_text", _reads("55821")),
    SampleQuery("part no. TX-4190", "by_text", _reads("TX-4190")),
    SampleQuery("à retoucher, lot 1175-H", "by_text", _reads("1175-H"), "fr"),
    SampleQuery("everything marked DIN 933", "by_text", _reads("DIN 933")),
    SampleQuery("rejected brass gear", "both", _reads("REJECTED", part="gear", material="brass")),
    SampleQuery(
        "bearing from lot 2290-A that was rejected", "both", _reads("REJECTED LOT 2290-A", part="bearing")
    ),
    SampleQuery(
        "plain steel plate stamped TX-4190", "both", _reads("TX-4190", part="plate", material="steel")
    ),
    SampleQuery(
        "raccord coudé en laiton à retoucher", "both",
        _reads("À RETOUCHER", part="elbow", material="brass"), "fr"
    ),
    SampleQuery("blue circuit board tagged rework", "both", _reads("REWORK", material="blue_board")),
    SampleQuery("nut measured at 24.98 mm", "both", _reads("24.98 mm", part="nut")),
    SampleQuery(
        "accepted gear, white nylon", "both", _reads("ACCEPTED", part="gear", material="white_plastic")
    ),
    SampleQuery(
        "tray full of cogs, which one lacks a tooth?", "detail", _detail(part="gear", defect="missing_tooth")
    ),
    SampleQuery(
        "one rusted nut among clean ones in the tray", "detail", _detail(part="nut", defect="rust_spot")
    ),
    SampleQuery(
        "small scorched spot on a densely populated board", "detail",
        _detail(part="board", defect="burn_mark")
    ),
    SampleQuery(
        "fractured ball bearing somewhere in a full tray", "detail", _detail(part="bearing", defect="crack")
    ),
    SampleQuery(
        "crowded board, one small chip not soldered in", "detail",
        _detail(part="board", defect="missing_component")
    ),
    _example(1, "gear brass none mat single", _has(part="gear", material="brass")),
    _example(2, "board green_board burn_mark wood single", _has(material="green_board", defect="burn_mark")),
    _example(3, "spring steel none mat row", _has(part="spring", background="mat")),
    _example(4, "elbow copper none grid single", _has(part="elbow", material="copper")),
)  # fmt: skip
"""Judged by the facts of `corpus_scenes`."""
