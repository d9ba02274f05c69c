"""Photographs of rooms in one-point perspective, lit by their window.

A room is measured in metres: x to the right, y up, z away from the camera, the back wall at z = depth.
Its furniture is painted by `furniture`.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from imagerag_assets.sample.drawing import photo_finish
from imagerag_assets.sample.real_estate import materials
from imagerag_assets.sample.real_estate.canvas import Camera, Canvas, Face
from imagerag_assets.sample.real_estate.furniture import (
    HEIGHT,
    TEXTILES,
    Room,
    bathtub,
    bed,
    bookshelf,
    coffee_table,
    cupboards,
    dining_table,
    fireplace,
    fridge,
    island,
    oven,
    painting,
    piano,
    plant,
    pot_on,
    rug,
    shower,
    sofa,
    toilet,
    vanity,
)
from imagerag_assets.sample.real_estate.materials import Floats, Material, Tint
from imagerag_assets.sample.real_estate.signs import watermark
from imagerag_assets.sample.scene import Scene

_OAK: Tint = (0.68, 0.49, 0.31)
_FRONT = 0.6
WALLS: dict[str, Tint] = {
    "white": (0.93, 0.92, 0.9),
    "blue": (0.4, 0.56, 0.78),
    "green": (0.5, 0.66, 0.48),
    "yellow": (0.95, 0.83, 0.48),
    "grey": (0.62, 0.63, 0.65),
    "pink": (0.93, 0.7, 0.74),
    "beige": (0.87, 0.79, 0.66),
}
_CABINETS: dict[str, Tint] = {
    "white": (0.93, 0.93, 0.91),
    "blue": (0.2, 0.33, 0.52),
    "green": (0.3, 0.43, 0.34),
    "wooden": (0.66, 0.46, 0.28),
}


def draw_interior(scene: Scene, width: int, height: int) -> Image.Image:
    """The photograph at exactly `width` by `height` pixels."""
    rng = np.random.default_rng(scene.seed)
    facts = scene.facts
    canvas = Canvas(width, height)
    half = float(rng.uniform(2.3, 2.8))
    depth = float(rng.uniform(4.9, 5.9))
    camera = Camera(
        canvas.width,
        canvas.height,
        focal=float(rng.uniform(0.66, 0.8)) * canvas.width,
        horizon=float(rng.uniform(0.4, 0.46)) * canvas.height,
        eye=float(rng.uniform(1.45, 1.65)),
        x=float(rng.uniform(-0.7, 0.7)),
    )
    room = Room(canvas, camera, facts, rng, half, depth)
    side = -1 if rng.random() < 0.5 else 1
    _shell(room)
    furnish = {"kitchen": _kitchen, "living room": _living_room, "bedroom": _bedroom, "bathroom": _bathroom}
    furnish[str(facts["room"])](room, side)
    _daylight(room, side)
    if facts["sign"] == "watermark":
        watermark(canvas, str(facts["reference"]), str(facts["agency"]))
    warmth = float(rng.uniform(-0.05, 0.3))
    return photo_finish(rng, canvas.finished(), noise=0.014, vignette=0.2, warmth=warmth)


def _shell(room: Room) -> None:
    """Walls, ceiling and floor, darker in the corners and away from the window."""
    canvas, camera, half, depth = room.canvas, room.camera, room.half, room.depth
    tone = WALLS[str(room.facts["wall_colour"])]
    wall = materials.plain(tone, 0.03)
    if room.facts["room"] == "bathroom":
        wall = materials.wall_tiles(tone)
    floors: dict[str, Material] = {
        "wood": materials.floorboards(_OAK),
        "tile": materials.floor_tiles((0.86, 0.85, 0.82)),
        "carpet": materials.carpet((0.66, 0.6, 0.53)),
    }
    long = depth - _FRONT
    left = Face((-half, 0, _FRONT), (0, 0, 1), (0, 1, 0), long, HEIGHT)
    right = Face((half, 0, depth), (0, 0, -1), (0, 1, 0), long, HEIGHT)
    ceiling = Face((-half, HEIGHT, _FRONT), (1, 0, 0), (0, 0, 1), 2 * half, long)
    floor = Face((-half, 0, _FRONT), (1, 0, 0), (0, 0, 1), 2 * half, long)
    canvas.paint(camera, ceiling, materials.plain((0.95, 0.95, 0.94), 0.02), (0.78, 0.95))
    canvas.paint(camera, floor, floors[str(room.facts["floor"])], (0.72, 1.0))
    canvas.paint(camera, left, wall, (0.72, 0.82))
    canvas.paint(camera, right, wall, (0.68, 0.78))
    canvas.paint(camera, room.back, wall, (0.88, 0.98))
    skirting = materials.plain((0.96, 0.96, 0.94))
    canvas.paint(camera, room.back.part(0, 0, 2 * half, 0.1), skirting, (0.85, 0.95))
    for face in (left, right):
        canvas.paint(camera, face.part(0, 0, long, 0.1), skirting, (0.7, 0.8))
    for corner in (-half, half):
        edge = [
            (corner - 0.12, 0.0),
            (corner + 0.12, 0.0),
            (corner + 0.12, HEIGHT),
            (corner - 0.12, HEIGHT),
        ]
        canvas.shadow([camera.project((x, y, depth)) for x, y in edge], 0.16, 0.02)
    seam = [camera.project((x, y, depth)) for x, y in ((-half, -0.1), (half, -0.1), (half, 0.1), (-half, 0.1))]
    canvas.shadow(seam, 0.2, 0.012)


def _view(u: Floats, v: Floats, pixel: float) -> Floats:
    """What is outside a window: bright sky, far trees."""
    sky = np.array((0.66, 0.82, 0.97), dtype=np.float32) * np.ones_like(v)[:, None]
    tree = np.array((0.33, 0.5, 0.26), dtype=np.float32) * (0.8 + 0.5 * materials.clouds(u, v, 130))[:, None]
    green = (v < 0.35 + 0.5 * materials.clouds(u, u * 0, 50))[:, None]
    return np.asarray(np.where(green, tree, sky), dtype=np.float32)


def _window(room: Room, centre: float) -> None:
    """A window in the back wall, `centre` metres from the middle; a large one reaches nearly to the floor."""
    large = room.has("large_window")
    wide, low, tall = (2.3, 0.25, 2.1) if large else (1.05, 1.0, 1.15)
    wall, camera, canvas = room.back, room.camera, room.canvas
    u = room.half + centre - wide / 2
    frame = materials.plain((0.97, 0.97, 0.96))
    canvas.paint(camera, wall.part(u - 0.09, low - 0.09, u + wide + 0.09, low + tall + 0.09), frame, (0.9, 1.0))
    canvas.paint(camera, wall.part(u, low, u + wide, low + tall), _view, lamp=True)
    bars = 3 if large else 2
    for i in range(1, bars):
        at = u + wide * i / bars
        canvas.paint(camera, wall.part(at - 0.035, low, at + 0.035, low + tall), frame, (0.9, 0.95))
    if not large:
        canvas.paint(camera, wall.part(u, low + tall * 0.62, u + wide, low + tall * 0.62 + 0.05), frame)
    if room.facts["room"] in ("living room", "bedroom"):
        curtain = materials.fabric(TEXTILES["grey" if large else "white"])
        for at in (u - 0.5, u + wide + 0.08):
            for fold in range(4):
                strip = wall.part(at + fold * 0.105, 0.06 if large else low - 0.3, at + fold * 0.105 + 0.11, 2.5)
                canvas.paint(camera, strip, curtain, (1.05, 1.25), soft=0.05)
    spill = 1.0 if large else 0.6
    floor = [(centre - wide / 2, room.depth - 0.3), (centre + wide / 2, room.depth - 0.3)]
    floor += [(centre + wide * 0.75 + 0.3, room.depth - 2.6), (centre - wide * 0.25 + 0.3, room.depth - 2.6)]
    light = (0.42 * spill, 0.38 * spill, 0.28 * spill)
    canvas.beam([camera.project((x, 0, z)) for x, z in floor], light, 0.006)


def _daylight(room: Room, side: int) -> None:
    """The whole picture is a little brighter towards one side, and lamps and panes glow."""
    canvas = room.canvas
    across = np.linspace(-1, 1, canvas.width, dtype=np.float32)[None, :, None]
    canvas.pixels *= float(room.rng.uniform(0.82, 1.1)) + 0.1 * side * across
    canvas.glow((1.0, 0.97, 0.9), 0.1)


def _living_room(room: Room, side: int) -> None:
    rng, half, depth = room.rng, room.half, room.depth
    slots = [kind for kind in ("window", "fireplace", "bookshelf") if kind == "window" or room.has(kind)]
    width = 2 * half / len(slots)
    if side > 0:
        slots.reverse()
    painters = {"window": _window, "fireplace": fireplace, "bookshelf": bookshelf}
    for i, kind in enumerate(slots):
        painters[kind](room, -half + width * (i + 0.5))
    if len(slots) == 1:
        painting(room, -half + 0.65)
    tones: tuple[Tint, ...] = ((0.75, 0.7, 0.62), (0.5, 0.3, 0.26), (0.35, 0.4, 0.48))
    rug(room, -1.3, depth - 3.0, 1.3, depth - 1.3, tones[int(rng.integers(len(tones)))])
    if room.has("plants"):
        plant(room, -side * (half - 0.42), depth - 0.55, 1.7)
        plant(room, -side * (half - 0.4), depth - 1.45, 1.05)
    if room.has("piano"):
        piano(room, side * (half - 1.35), depth - 2.75)
    if room.has("sofa"):
        sofa(room, -side if room.has("piano") else side, TEXTILES[str(room.facts["sofa_colour"])])
    coffee_table(room)


def _bedroom(room: Room, side: int) -> None:
    half, depth, rng = room.half, room.depth, room.rng
    bed_at = side * (0.1 if room.has("bookshelf") else float(rng.uniform(0.4, 0.9)))
    window_at = -side * (half - (1.5 if room.has("large_window") else 1.0))
    _window(room, window_at)
    if room.has("bookshelf"):
        bookshelf(room, side * (half - 0.82))
    elif not room.has("large_window"):
        painting(room, bed_at)
    if room.has("plants"):
        plant(room, -side * (half - 0.45), depth - 0.7, 1.5)
    tones: tuple[Tint, ...] = ((0.8, 0.78, 0.74), (0.6, 0.5, 0.42))
    if room.facts["floor"] != "carpet":
        rug(room, bed_at - 1.3, depth - 3.4, bed_at + 1.3, depth - 1.6, tones[int(rng.integers(len(tones)))])
    bed(room, bed_at, TEXTILES[str(room.facts["bed_colour"])])


def _kitchen(room: Room, side: int) -> None:
    half, depth = room.half, room.depth
    tone = _CABINETS[str(room.facts["cabinets"])]
    front = materials.wood(tone) if room.facts["cabinets"] == "wooden" else materials.plain(tone, 0.03)
    stone = materials.marble() if room.facts["cabinets"] != "white" else materials.plain((0.25, 0.25, 0.26), 0.1)
    window_at = side * 0.9
    splash = room.back.part(0, 0.9, 2 * half, 1.5)
    room.canvas.paint(room.camera, splash, materials.wall_tiles((0.86, 0.87, 0.86)), (0.85, 0.95))
    _window(room, window_at if room.has("large_window") else 0.0)
    room.floor_shadow(-half, depth - 0.85, half, depth)
    cupboards(room, -half, half, 0.0, 0.86, 0.6, front)
    room.box((-half, 0.86, depth - 0.64), (half, 0.91, depth), stone)
    gap = (window_at - 1.25, window_at + 1.25) if room.has("large_window") else (-0.7, 0.7)
    for low, high in ((-half, gap[0]), (gap[1], half)):
        if high - low > 0.5:
            cupboards(room, low, high, 1.5, 2.25, 0.35, front)
    oven(room, -side * (half - 1.0))
    fridge(room, -side * half, front)
    if room.has("plants"):
        pot_on(room, side * (half - 0.5), 0.91, depth - 0.35)
        pot_on(room, side * (half - 0.95), 0.91, depth - 0.3)
        plant(room, side * (half - 0.4), depth - 1.4, 1.45)
    if room.has("island"):
        island(room, front, stone)
    else:
        dining_table(room)


def _bathroom(room: Room, side: int) -> None:
    half, depth = room.half, room.depth
    _window(room, side * (half - (1.45 if room.has("large_window") else 1.0)))
    x = -side * (half - 0.75)
    vanity(room, x)
    toilet(room, x + side * 1.15)
    if room.has("plants"):
        plant(room, side * (half - 0.35), depth - 0.5, 1.35)
    if room.has("bathtub"):
        bathtub(room, side * (half - 1.15), depth - 1.75)
    else:
        shower(room, side)
