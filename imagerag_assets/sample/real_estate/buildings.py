"""The buildings themselves: walls, windows, doors and roofs of the five kinds of house.

Their surroundings and their light are painted in `exteriors`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from imagerag_assets.sample.real_estate import materials
from imagerag_assets.sample.real_estate.canvas import Camera, Canvas, Face, Point3, box_faces
from imagerag_assets.sample.real_estate.materials import Material, Tint
from imagerag_assets.sample.scene import Facts

_ROOFS: dict[str, Tint] = {
    "red": (0.68, 0.27, 0.17),
    "grey": (0.36, 0.38, 0.42),
    "brown": (0.4, 0.27, 0.19),
    "black": (0.15, 0.15, 0.17),
}
_DOORS: tuple[Tint, ...] = (
    (0.15, 0.3, 0.5),
    (0.5, 0.12, 0.1),
    (0.12, 0.33, 0.22),
    (0.25, 0.16, 0.1),
    (0.16, 0.17, 0.2),
)


@dataclass(frozen=True)
class House:
    """What the painting functions share."""

    canvas: Canvas
    camera: Camera
    facts: Facts
    rng: np.random.Generator
    wall: Material
    roof: Material
    width: float
    depth: float
    height: float
    rise: float
    side: int
    """+1 when the face at +x is the one that can be seen, else -1: the garage goes to the other one."""

    def has(self, fact: str) -> bool:
        return bool(self.facts.get(fact))

    @property
    def snowy(self) -> bool:
        return self.facts["light"] == "snow"

    @property
    def front(self) -> Face:
        return box_faces(*self.bounds)["front"]

    @property
    def bounds(self) -> tuple[Point3, Point3]:
        half_w, half_d = self.width / 2, self.depth / 2
        return (-half_w, 0, -half_d), (half_w, self.height, half_d)


def wall_material(facts: Facts) -> Material:
    walls: dict[str, Material] = {
        "brick": materials.brick(),
        "stone": materials.stone(),
        "white render": materials.plain((0.93, 0.92, 0.88), 0.04),
        "yellow render": materials.plain((0.93, 0.79, 0.47), 0.05),
        "timber": materials.timber((0.55, 0.36, 0.2)),
    }
    return walls[str(facts["wall"])]


def roof_material(facts: Facts) -> Material:
    if facts["light"] == "snow":
        return materials.snow()
    if facts["roof"] == "thatched":
        return materials.thatch()
    return materials.roof_tiles(_ROOFS.get(str(facts["roof"]), (0.4, 0.4, 0.4)))


def _walls(house: House, low: Point3, high: Point3, wall: Material, *, gable: float = 0.0) -> dict[str, Face]:
    """Front and visible side of a box of masonry; with `gable` the side ends in a triangle that high."""
    faces = box_faces(low, high)
    sunny = house.facts["light"] in ("sunny", "dusk")
    side = faces["right" if house.side > 0 else "left"]
    tall = high[1] - low[1]
    whole = Face(side.origin, side.u, side.v, side.width, tall + gable)
    outline = [(0, 0), (side.width, 0), (side.width, tall), (side.width / 2, tall + gable), (0, tall)]
    house.canvas.paint(house.camera, whole, wall, (0.62, 0.72) if sunny else (0.78, 0.86), outline if gable else None)
    house.canvas.paint(house.camera, faces["front"], wall, (0.9, 1.0))
    return {"front": faces["front"], "side": side}


def _window(house: House, wall: Face, u: float, v: float, wide: float, tall: float, *, shutters: bool = False) -> None:
    """A window whose lower left corner is at (u, v); lit at dusk."""
    canvas, camera = house.canvas, house.camera
    shade = 0.95 if wall.u[0] == 1 else 0.72
    if shutters:
        for at in (u - wide * 0.5, u + wide):
            shutter = wall.part(at, v, at + wide * 0.48, v + tall)
            canvas.paint(camera, shutter, materials.panels((0.3, 0.42, 0.45), 0.16), (shade, shade))
    frame = wall.part(u - 0.07, v - 0.07, u + wide + 0.07, v + tall + 0.07)
    canvas.paint(camera, frame, materials.plain((0.95, 0.95, 0.93)), (shade, shade * 0.8))
    lit = house.facts["light"] == "dusk" and house.rng.random() < 0.85
    pane = materials.lamplight() if lit else materials.glass(0.7 if house.facts["light"] == "dusk" else 1.0)
    canvas.paint(camera, wall.part(u, v, u + wide, v + tall), pane, lamp=lit)
    bar = materials.plain((0.92, 0.92, 0.9))
    for i in range(1, max(2, round(wide / 0.75))):
        at = u + wide * i / max(2, round(wide / 0.75))
        canvas.paint(camera, wall.part(at - 0.035, v, at + 0.035, v + tall), bar, (shade, shade))
    if tall < 1.8:
        canvas.paint(camera, wall.part(u, v + tall * 0.6, u + wide, v + tall * 0.6 + 0.06), bar, (shade, shade))
    sill = materials.snow() if house.snowy else materials.plain((0.8, 0.78, 0.74))
    canvas.paint(camera, wall.part(u - 0.12, v - 0.16, u + wide + 0.12, v - 0.05), sill, (shade, shade))


def _door(house: House, wall: Face, u: float, *, tone: Tint | None = None) -> None:
    canvas, camera = house.canvas, house.camera
    colour = tone or _DOORS[int(house.rng.integers(len(_DOORS)))]
    canvas.paint(camera, wall.part(u - 0.65, 0, u + 0.65, 2.35), materials.plain((0.92, 0.91, 0.88)))
    canvas.paint(camera, wall.part(u - 0.5, 0.08, u + 0.5, 2.2), materials.plain(colour), (0.95, 1.05))
    lit = house.facts["light"] == "dusk"
    pane = materials.lamplight() if lit else materials.glass(0.8)
    canvas.paint(camera, wall.part(u - 0.3, 1.5, u + 0.3, 2.05), pane, lamp=lit)
    for low in (0.25, 0.85):
        panel = wall.part(u - 0.36, low, u + 0.36, low + 0.5)
        canvas.paint(camera, panel, materials.plain(colour), (0.65, 0.85), soft=0.06)
    step = wall.origin
    canvas.box(
        camera,
        (step[0] + u - 0.9, 0, step[2] - 0.8),
        (step[0] + u + 0.9, 0.16, step[2]),
        materials.plain((0.7, 0.69, 0.66)),
    )


def _balcony(house: House, wall: Face, u: float, v: float, wide: float, *, glazed: bool) -> None:
    """A slab before the wall with a railing of bars or of glass, and a shadow under it."""
    canvas, camera = house.canvas, house.camera
    x, _, z = wall.at(u, v)
    deep = 1.25
    shadow = [camera.project(wall.at(a, b)) for a, b in ((u, v - 0.9), (u + wide, v - 0.9), (u + wide, v), (u, v))]
    canvas.shadow(shadow, 0.4, 0.003)
    canvas.box(camera, (x, v - 0.22, z - deep), (x + wide, v, z), materials.plain((0.86, 0.85, 0.82)))
    rail_side = Face((x + wide, v, z - deep), (0, 0, 1), (0, 1, 0), deep, 1.0)
    if house.side < 0:
        rail_side = Face((x, v, z), (0, 0, -1), (0, 1, 0), deep, 1.0)
    front = Face((x, v, z - deep), (1, 0, 0), (0, 1, 0), wide, 1.0)
    dark = materials.plain((0.2, 0.21, 0.23))
    for rail in (rail_side, front):
        if glazed:
            points = [
                camera.project(rail.at(a, b)) for a, b in ((0, 0), (rail.width, 0), (rail.width, 0.95), (0, 0.95))
            ]
            canvas.polygon(points, (0.6, 0.72, 0.78), 0.45)
        else:
            count = int(rail.width / 0.22)
            for i in range(count + 1):
                at = i * rail.width / count
                canvas.paint(camera, rail.part(at - 0.025, 0, at + 0.025, 1.0), dark)
        canvas.paint(camera, rail.part(0, 0.93, rail.width, 1.03), dark)


def _pitched_roof(house: House, low_x: float, high_x: float, *, over: float = 0.45) -> Face:
    """Both visible parts of a roof with its ridge along x: the front slope and the edge of the gable."""
    canvas, camera = house.canvas, house.camera
    half = house.depth / 2 + over
    drop = house.rise * over / (house.depth / 2)
    rise = house.rise + drop
    length = math.hypot(half, rise)
    slope = Face(
        (low_x - 0.06, house.height - drop, -half), (1, 0, 0), (0, rise / length, half / length),
        high_x - low_x + 0.12, length,
    )  # fmt: skip
    thick = 0.42 if house.facts["roof"] == "thatched" else 0.24
    edge = (
        materials.plain((0.9, 0.89, 0.86))
        if house.facts["wall"] != "white render"
        else materials.plain((0.45, 0.4, 0.36))
    )
    if house.facts["roof"] == "thatched":
        edge = materials.thatch()
    x = high_x + 0.06 if house.side > 0 else low_x - 0.06
    across = (0, 0, 1) if house.side > 0 else (0, 0, -1)
    gable = Face((x, house.height - drop, -half * house.side), across, (0, 1, 0), 2 * half, rise)
    bargeboard = [
        (0, 0),
        (half, rise),
        (2 * half, 0),
        (2 * half - thick * 1.2, 0),
        (half, rise - thick),
        (thick * 1.2, 0),
    ]
    canvas.paint(camera, gable, edge, (0.75, 0.85), bargeboard)
    eave_y = house.height - drop
    eave = [
        camera.project(house.front.at(u, v))
        for u, v in ((0, eave_y - 0.7), (house.width, eave_y - 0.7), (house.width, eave_y), (0, eave_y))
    ]
    canvas.shadow(eave, 0.35, 0.004)
    canvas.paint(camera, slope, house.roof, (1.0, 0.92))
    fascia = Face((slope.origin[0], eave_y - thick * 0.7, -half), (1, 0, 0), (0, 1, 0), slope.width, thick * 0.7)
    canvas.paint(camera, fascia, edge, (0.8, 0.9))
    return slope


def _chimney(house: House, x: float) -> None:
    z = -0.55
    over = 0.45
    base = house.height + house.rise * (1 - 0.55 / (house.depth / 2 + over)) - 0.25
    top = house.height + house.rise + 1.0
    canvas, camera = house.canvas, house.camera
    stack = materials.brick() if house.facts["wall"] != "stone" else materials.stone()
    canvas.box(camera, (x - 0.45, base, z), (x + 0.45, top, z + 0.8), stack)
    cap = materials.snow() if house.snowy else materials.plain((0.55, 0.53, 0.5))
    canvas.box(camera, (x - 0.55, top, z - 0.1), (x + 0.55, top + 0.16, z + 0.9), cap)
    for at in (-0.2, 0.2):
        canvas.box(
            camera,
            (x + at - 0.12, top + 0.16, z + 0.2),
            (x + at + 0.12, top + 0.55, z + 0.45),
            materials.plain((0.68, 0.33, 0.22)),
        )


def _solar(house: House, slope: Face) -> None:
    columns, rows = (5, 2) if slope.width > 8 else (4, 2)
    wide, tall = 1.15, 1.65
    left = (slope.width - columns * (wide + 0.08)) / 2
    low = slope.height * 0.5 - tall
    above = slope.raised(0.08)
    for row in range(rows):
        for column in range(columns):
            u, v = left + column * (wide + 0.08), low + row * (tall + 0.08)
            frame = above.part(u - 0.03, v - 0.03, u + wide + 0.03, v + tall + 0.03)
            house.canvas.paint(house.camera, frame, materials.plain((0.75, 0.77, 0.8)))
            house.canvas.paint(house.camera, above.part(u, v, u + wide, v + tall), materials.solar_cells(), (1.0, 1.5))


def gabled_house(house: House) -> None:
    """A detached house of two floors, or a cottage of one with windows under the roof."""
    rng = house.rng
    cottage = house.facts["building"] == "cottage"
    faces = _walls(house, *house.bounds, house.wall, gable=house.rise)
    front, side = faces["front"], faces["side"]
    shutters = bool(rng.random() < 0.5)
    wide = 1.15 if cottage else 1.4
    spots = [front.width * f for f in ((0.14, 0.72) if cottage else (0.1, 0.38, 0.72))]
    door_at = front.width / 2 if cottage else front.width * 0.5 + 0.9
    for at in spots:
        if abs(at + wide / 2 - door_at) > 1.4:
            _window(house, front, at, 0.95, wide, 1.25, shutters=shutters)
    _door(house, front, door_at)
    if not cottage:
        for at in (0.1, 0.4, 0.72):
            _window(house, front, front.width * at, 3.55, wide, 1.25, shutters=shutters)
        _window(house, side, side.width * 0.55, 3.5, 1.1, 1.2)
    _window(house, side, side.width * 0.25, 0.95, 1.2, 1.2)
    gable_wall = Face(side.origin, side.u, side.v, side.width, house.height + house.rise)
    _window(house, gable_wall, side.width / 2 - 0.4, house.height + 0.5, 0.8, 0.9)
    slope = _pitched_roof(house, -house.width / 2, house.width / 2)
    if house.has("solar"):
        _solar(house, slope)
    if house.has("chimney"):
        _chimney(house, float(rng.choice([-0.3, 0.3])) * house.width)
    if house.has("balcony"):
        _balcony(house, front, front.width * 0.34, 2.9, front.width * 0.36, glazed=False)


def garage(house: House) -> None:
    """A garage for one car beside the house, on the side that cannot be seen."""
    x0 = house.width / 2 if house.side < 0 else -house.width / 2 - 3.9
    z0 = -house.depth / 2 + 0.6
    low, high = (x0, 0.0, z0), (x0 + 3.9, 2.9, house.depth / 2)
    drive = Face((x0 + 0.3, 0, z0 - 9), (1, 0, 0), (0, 0, 1), 3.3, 9)
    snowy = house.snowy
    house.canvas.paint(house.camera, drive, materials.gravel((0.78, 0.79, 0.82) if snowy else (0.56, 0.54, 0.52)))
    front = _walls(house, low, high, house.wall)["front"]
    canvas, camera = house.canvas, house.camera
    canvas.paint(camera, front.part(0.4, 0, 3.5, 2.3), materials.plain((0.3, 0.3, 0.31)))
    canvas.paint(camera, front.part(0.5, 0.05, 3.4, 2.2), materials.panels((0.88, 0.88, 0.87), 0.44), (0.95, 1.0))
    cap = materials.snow() if snowy else materials.plain((0.45, 0.45, 0.47))
    canvas.box(camera, (x0 - 0.15, 2.9, z0 - 0.25), (x0 + 4.05, 3.15, house.depth / 2), cap)


def villa(house: House) -> None:
    """Two shifted white or timber boxes with flat roofs, much glass and thin slabs."""
    canvas, camera, rng = house.canvas, house.camera, house.rng
    (x0, _, z0), (x1, _, z1) = house.bounds
    front = _walls(house, (x0, 0, z0), (x1, 3.1, z1), house.wall)["front"]
    wide = front.width
    _window(house, front, wide * 0.06, 0.12, wide * 0.34, 2.5)
    _door(house, front, wide * 0.48, tone=(0.2, 0.2, 0.22))
    _window(house, front, wide * 0.58, 0.12, wide * 0.34, 2.5)
    slab = materials.snow() if house.snowy else materials.plain((0.88, 0.87, 0.85))
    canvas.shadow(
        [camera.project(front.at(u, v)) for u, v in ((0, 2.5), (wide, 2.5), (wide, 3.1), (0, 3.1))],
        0.4,
        0.003,
    )
    canvas.box(camera, (x0 - 0.5, 3.1, z0 - 0.9), (x1 + 0.5, 3.4, z1 + 0.3), slab)
    if rng.random() < 0.5:
        low, high = x0 + wide * 0.05, x0 + wide * 0.62
    else:
        low, high = x0 + wide * 0.38, x1 - wide * 0.05
    upper = _walls(house, (low, 3.4, z0 + 1.2), (high, 6.0, z1), house.wall)["front"]
    _window(house, upper, upper.width * 0.1, 0.15, upper.width * 0.42, 2.1)
    _window(house, upper, upper.width * 0.68, 0.5, upper.width * 0.2, 1.3)
    if house.has("balcony"):
        rail_wall = Face((low, 0, z0 + 0.55), (1, 0, 0), (0, 1, 0), upper.width, 6.0)
        _balcony(house, rail_wall, 0.0, 3.42, upper.width, glazed=True)
    canvas.box(camera, (low - 0.5, 6.0, z0 + 0.5), (high + 0.5, 6.28, z1 + 0.3), slab)


def apartments(house: House) -> None:
    canvas, camera, rng = house.canvas, house.camera, house.rng
    floors = int(rng.integers(4, 7))
    storey = house.height / floors
    faces = _walls(house, *house.bounds, house.wall)
    front, side = faces["front"], faces["side"]
    bays = 5
    step = front.width / bays
    for floor in range(floors):
        v = floor * storey + storey * 0.3
        band = front.part(0, floor * storey - 0.08, front.width, floor * storey + 0.1)
        if floor:
            canvas.paint(camera, band, materials.plain((0.82, 0.81, 0.78)))
        for bay in range(bays):
            if floor == 0 and bay == bays // 2:
                _door(house, front, front.width / 2, tone=(0.2, 0.22, 0.25))
                continue
            _window(house, front, bay * step + step * 0.28, v, step * 0.44, storey * 0.52)
        for bay in range(2):
            _window(house, side, side.width * (0.2 + 0.42 * bay), v, 1.5, storey * 0.48)
    if house.has("balcony"):
        for floor in range(1, floors):
            for bay in range(bays):
                if bay != bays // 2:
                    _balcony(house, front, bay * step + step * 0.1, floor * storey + 0.1, step * 0.8, glazed=False)
    (x0, _, z0), (x1, tall, z1) = house.bounds
    cap = materials.snow() if house.snowy else materials.plain((0.62, 0.62, 0.6))
    canvas.box(camera, (x0 - 0.25, tall, z0 - 0.25), (x1 + 0.25, tall + 0.5, z1 + 0.25), cap)


def townhouses(house: House) -> None:
    """Four or five narrow houses wall to wall, each with a door of its own colour."""
    canvas, camera, rng = house.canvas, house.camera, house.rng
    units = int(rng.integers(4, 6))
    step = house.width / units
    faces = _walls(house, *house.bounds, house.wall, gable=house.rise)
    front, side = faces["front"], faces["side"]
    for unit in range(units):
        u = unit * step
        _door(house, front, u + step * 0.22, tone=_DOORS[int(rng.integers(len(_DOORS)))])
        _window(house, front, u + step * 0.48, 0.9, step * 0.36, 1.5)
        for v in (3.3, 5.6):
            _window(house, front, u + step * 0.14, v, step * 0.27, 1.4)
            _window(house, front, u + step * 0.58, v, step * 0.27, 1.4)
        if unit:
            canvas.paint(camera, front.part(u - 0.06, 0, u + 0.06, house.height), materials.plain((0.4, 0.38, 0.36)))
        if house.has("balcony"):
            _balcony(house, front, u + step * 0.1, 2.75, step * 0.8, glazed=False)
    _window(house, side, side.width * 0.3, 3.4, 1.0, 1.4)
    slope = _pitched_roof(house, -house.width / 2, house.width / 2, over=0.3)
    for unit in range(1, units):
        party = slope.part(unit * step + 0.2, 0, unit * step + 0.4, slope.height)
        canvas.paint(camera, party, materials.plain((0.7, 0.68, 0.66)), (0.8, 0.9))
    if house.has("solar"):
        _solar(house, slope.part(step * 1.1, 0, step * 2.9, slope.height))
    if house.has("chimney"):
        for unit in range(1, units):
            _chimney(house, -house.width / 2 + unit * step)
