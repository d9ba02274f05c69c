"""Furniture of rooms: each piece is painted where its room wants it.

Which pieces a room has and where they stand is decided in `interiors`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from imagerag_assets.sample.real_estate import materials
from imagerag_assets.sample.real_estate.canvas import Camera, Canvas, Face, Point2, Point3
from imagerag_assets.sample.real_estate.materials import Material, Tint
from imagerag_assets.sample.scene import Facts

TEXTILES: dict[str, Tint] = {
    "red": (0.7, 0.13, 0.13),
    "blue": (0.14, 0.27, 0.58),
    "green": (0.14, 0.42, 0.26),
    "yellow": (0.9, 0.71, 0.16),
    "grey": (0.47, 0.48, 0.5),
    "white": (0.93, 0.92, 0.9),
    "brown": (0.42, 0.26, 0.16),
    "purple": (0.42, 0.24, 0.52),
}
HEIGHT = 2.7


@dataclass(frozen=True)
class Room:
    """What the painting functions share."""

    canvas: Canvas
    camera: Camera
    facts: Facts
    rng: np.random.Generator
    half: float
    depth: float

    def has(self, fact: str) -> bool:
        return bool(self.facts.get(fact))

    @property
    def back(self) -> Face:
        return Face((-self.half, 0, self.depth), (1, 0, 0), (0, 1, 0), 2 * self.half, HEIGHT)

    def floor_shadow(self, x0: float, z0: float, x1: float, z1: float, strength: float = 0.55) -> None:
        corners = ((x0, z0), (x1, z0), (x1, z1), (x0, z1))
        points = [self.camera.project((x, 0, z)) for x, z in corners]
        self.canvas.shadow(points, strength, 0.012)

    def box(
        self, low: Point3, high: Point3, material: Material, *, top: Material | None = None, soft: float = 0.0
    ) -> None:
        self.canvas.box(self.camera, low, high, material, 1.0, top=top, soft=soft)


def rug(room: Room, x0: float, z0: float, x1: float, z1: float, tone: Tint) -> None:
    rug = Face((x0, 0, z0), (1, 0, 0), (0, 0, 1), x1 - x0, z1 - z0)
    room.canvas.paint(room.camera, rug, materials.carpet(tone), (0.9, 1.05))
    border = tone[0] * 0.7, tone[1] * 0.7, tone[2] * 0.7
    inner = rug.part(0.15, 0.12, rug.width - 0.15, rug.height - 0.12)
    room.canvas.paint(room.camera, inner, materials.carpet(border), (0.9, 1.05))
    room.canvas.paint(
        room.camera, inner.part(0.08, 0.06, inner.width - 0.08, inner.height - 0.06), materials.carpet(tone)
    )


def painting(room: Room, x: float) -> None:
    wall = room.back
    u = room.half + x
    tone = room.rng.uniform(0.2, 0.9, 3)
    picture = wall.part(u - 0.35, 1.3, u + 0.35, 2.1)
    room.canvas.paint(room.camera, picture, materials.plain((0.15, 0.13, 0.12)))
    inner = picture.part(0.06, 0.06, 0.64, 0.74)
    room.canvas.paint(room.camera, inner, materials.plain((float(tone[0]), float(tone[1]), float(tone[2])), 0.3))


def fireplace(room: Room, x: float) -> None:
    """A stone or brick chimney breast with a burning fire and a mantel."""
    z = room.depth
    breast = materials.brick() if room.rng.random() < 0.5 else materials.stone()
    room.floor_shadow(x - 0.95, z - 0.7, x + 0.95, z)
    room.box((x - 0.8, 0, z - 0.4), (x + 0.8, HEIGHT, z), breast)
    room.box((x - 0.95, 0, z - 0.75), (x + 0.95, 0.08, z - 0.4), materials.plain((0.4, 0.38, 0.36)))
    front = Face((x - 0.8, 0, z - 0.4), (1, 0, 0), (0, 1, 0), 1.6, HEIGHT)
    canvas, camera = room.canvas, room.camera
    arch = [(0.35, 0.1), (1.25, 0.1), (1.25, 0.85), (1.05, 1.0), (0.55, 1.0), (0.35, 0.85)]
    canvas.paint(camera, front, materials.plain((0.06, 0.05, 0.05)), outline=arch)
    for i in range(3):
        log = front.part(0.5 + 0.05 * i, 0.12 + 0.06 * i, 1.1 - 0.05 * i, 0.19 + 0.06 * i)
        canvas.paint(camera, log, materials.wood((0.3, 0.18, 0.1)))
    for tone, size in (((0.95, 0.3, 0.05), 1.0), ((1.0, 0.6, 0.1), 0.72), ((1.0, 0.92, 0.55), 0.42)):
        flame: list[Point2] = [(0.8 - 0.3 * size, 0.26)]
        for i in range(7):
            up = (0.16 if i % 2 == 0 else 0.42 + 0.12 * math.sin(i * 2.2)) * size
            flame.append((0.8 + (i - 3) * 0.095 * size, 0.28 + up))
        flame.append((0.8 + 0.3 * size, 0.26))
        canvas.polygon([camera.project(front.at(u, v)) for u, v in flame], tone, lamp=True)
    room.box((x - 0.98, 1.2, z - 0.58), (x + 0.98, 1.32, z - 0.36), materials.wood((0.42, 0.28, 0.17)))


def bookshelf(room: Room, x: float) -> None:
    """Shelves to the ceiling, full of books."""
    z, wide, rng = room.depth, 1.55, room.rng
    tone = materials.wood((0.5, 0.34, 0.2)) if rng.random() < 0.6 else materials.plain((0.93, 0.92, 0.9))
    room.floor_shadow(x - wide / 2, z - 0.6, x + wide / 2, z)
    room.box((x - wide / 2, 0, z - 0.34), (x + wide / 2, 2.4, z), tone)
    front = Face((x - wide / 2, 0, z - 0.345), (1, 0, 0), (0, 1, 0), wide, 2.4)
    canvas, camera = room.canvas, room.camera
    for shelf in range(6):
        low = 0.1 + shelf * 0.38
        canvas.paint(camera, front.part(0.05, low, wide - 0.05, low + 0.33), materials.plain((0.16, 0.13, 0.11)))
        u = 0.06
        while u < wide - 0.14:
            thick, tall = float(rng.uniform(0.035, 0.085)), float(rng.uniform(0.2, 0.31))
            red, green, blue = (float(c) for c in rng.uniform(0.12, 0.85, 3))
            book = front.part(u, low, u + thick * 0.92, low + tall)
            canvas.paint(camera, book, materials.plain((red, green, blue)), (0.75, 0.95))
            u += thick if rng.random() < 0.92 else 0.18


def sofa(room: Room, side: int, tone: Tint) -> None:
    """A sofa along a side wall (-1 left, 1 right), or across the room when there is no piano."""
    cloth = materials.fabric(tone)
    half, depth = room.half, room.depth
    rng = room.rng
    pale = min(tone[0] + 0.3, 1.0), min(tone[1] + 0.28, 1.0), min(tone[2] + 0.25, 1.0)
    if room.has("piano") or room.has("fireplace"):
        x0, x1 = (-half + 0.35, -half + 1.3) if side < 0 else (half - 1.3, half - 0.35)
        z0, z1 = depth - 2.9, depth - 0.9
        back_x = (x0, x0 + 0.25) if side < 0 else (x1 - 0.25, x1)
        seat_x = (x0 + 0.25, x1) if side < 0 else (x0, x1 - 0.25)
        room.floor_shadow(x0 - 0.2, z0 - 0.15, x1 + 0.2, z1)
        room.box((x0, 0.06, z1 - 0.22), (x1, 0.62, z1), cloth, soft=0.09)
        room.box((back_x[0], 0.06, z0), (back_x[1], 0.88, z1), cloth, soft=0.1)
        for i in range(2):
            low = z1 - 0.22 - (i + 1) * 0.78
            room.box((seat_x[0], 0.06, low), (seat_x[1], 0.44, low + 0.78), cloth, soft=0.1)
        room.box((x0, 0.06, z0), (x1, 0.62, z0 + 0.22), cloth, soft=0.09)
        return
    shift = float(rng.uniform(-0.6, 0.6))
    x0, x1, z0, z1 = shift - 1.15, shift + 1.15, depth - 1.95, depth - 1.0
    room.floor_shadow(x0 - 0.1, z0 - 0.25, x1 + 0.1, z1)
    room.box((x0, 0.08, z1 - 0.25), (x1, 0.9, z1), cloth, soft=0.12)
    for i in range(2):
        u = x0 + 0.22 + i * 0.93
        room.box((u, 0.4, z1 - 0.42), (u + 0.92, 0.86, z1 - 0.24), cloth, soft=0.16)
        room.box((u, 0.08, z0), (u + 0.92, 0.46, z1 - 0.25), cloth, soft=0.12)
    for u in (x0, x1 - 0.22):
        room.box((u, 0.08, z0), (u + 0.22, 0.64, z1), cloth, soft=0.09)
    for u in (x0 + 0.3, x1 - 0.75):
        room.box((u, 0.46, z0 + 0.28), (u + 0.44, 0.84, z0 + 0.42), materials.fabric(pale), soft=0.16)


def coffee_table(room: Room) -> None:
    z = room.depth - 2.75
    oak = materials.wood((0.52, 0.36, 0.22))
    room.floor_shadow(-0.5, z - 0.1, 0.5, z + 0.55, 0.4)
    for x, at in ((-0.48, z + 0.5), (0.42, z + 0.5), (-0.48, z), (0.42, z)):
        room.box((x, 0, at), (x + 0.06, 0.36, at + 0.06), materials.plain((0.15, 0.14, 0.13)))
    room.box((-0.55, 0.36, z - 0.05), (0.55, 0.42, z + 0.6), oak)
    room.box((-0.2, 0.42, z + 0.1), (0.12, 0.47, z + 0.34), materials.plain((0.85, 0.85, 0.82)))


def plant(room: Room, x: float, z: float, tall: float) -> None:
    """A potted plant with long leaves."""
    rng, canvas, camera = room.rng, room.canvas, room.camera
    room.floor_shadow(x - 0.25, z - 0.2, x + 0.25, z + 0.2)
    pot = ((-0.14, 0), (0.14, 0), (0.2, 0.34), (-0.2, 0.34))
    clay: Tint = (0.72, 0.4, 0.26) if rng.random() < 0.5 else (0.9, 0.89, 0.86)
    canvas.polygon([camera.project((x + a, b, z)) for a, b in pot], clay)
    shade = ((0.04, 0), (0.14, 0), (0.2, 0.34), (0.06, 0.34))
    canvas.polygon([camera.project((x + a, b, z)) for a, b in shade], (0.1, 0.08, 0.06), 0.3)
    count = 26
    angles = rng.uniform(-1.25, 1.25, count)
    lengths, greens = rng.uniform(0.45, 1.0, count) * (tall - 0.34), rng.uniform(0.6, 1.25, count)
    for angle, length, green in zip(angles, lengths, greens, strict=True):
        # A leaf rises from the pot, bends outwards, and is widest in its middle.
        steps = [i / 6 for i in range(7)]
        spine = [
            (length * math.sin(angle) * s**1.5, 0.32 + length * math.cos(angle * 0.8 * (0.4 + 0.6 * s)) * s)
            for s in steps
        ]
        wide = [0.075 * tall * math.sin(math.pi * (0.08 + 0.92 * s)) ** 0.8 for s in steps]
        edge = [(px + w, py) for (px, py), w in zip(spine, wide, strict=True)]
        edge += [(px - w, py + w * 0.5) for (px, py), w in reversed(list(zip(spine, wide, strict=True)))]
        tone = (0.14 * green, 0.42 * green, 0.17 * green)
        canvas.polygon([camera.project((x + px, py, z)) for px, py in edge], tone)


def piano(room: Room, x: float, z: float) -> None:
    """A black grand piano, its lid open, keys towards the camera."""
    canvas, camera = room.canvas, room.camera
    outline = [
        (-0.75, 0),
        (0.75, 0),
        (0.75, 0.5),
        (0.66, 0.8),
        (0.42, 1.0),
        (0.2, 1.3),
        (-0.1, 1.75),
        (-0.45, 1.85),
        (-0.75, 1.6),
    ]
    room.floor_shadow(x - 0.9, z - 0.1, x + 0.8, z + 1.7)
    black = materials.plain((0.07, 0.07, 0.08), 0.2)
    for dx, dz in ((-0.4, 1.5), (-0.68, 0.15), (0.6, 0.15)):
        room.box((x + dx, 0, z + dz), (x + dx + 0.1, 0.65, z + dz + 0.1), black)
    lid = [(x - 0.75 + (a + 0.75) * 0.62, 1.02 + (a + 0.75) * 0.78, z + b) for a, b in outline]
    canvas.polygon([camera.project(p) for p in lid], (0.11, 0.11, 0.12))
    inside = [(p[0] + 0.04, p[1] - 0.03, p[2] + 0.06) for p in lid]
    canvas.polygon([camera.project(p) for p in inside], (0.2, 0.17, 0.14))
    sides = list(zip(outline, outline[1:] + outline[:1], strict=True))
    for (a, b), (c, d) in reversed(sides):
        length = math.hypot(c - a, d - b)
        face = Face((x + a, 0.66, z + b), ((c - a) / length, 0, (d - b) / length), (0, 1, 0), length, 0.36)
        if camera.sees(face):
            canvas.paint(camera, face, black, (0.8, 2.2))
    soundboard = [camera.project((x + a * 0.94, 1.0, z + b * 0.96 + 0.02)) for a, b in outline]
    canvas.polygon(soundboard, (0.5, 0.34, 0.16))
    for i in range(9):
        string = [
            (-0.6 + i * 0.13, 0.35),
            (-0.58 + i * 0.13, 0.35),
            (-0.52 + i * 0.07, 1.2),
            (-0.54 + i * 0.07, 1.2),
        ]
        canvas.polygon([camera.project((x + a, 1.0, z + b)) for a, b in string], (0.8, 0.7, 0.4))
    top = [camera.project((x + a, 1.01, z + b)) for a, b in ((-0.75, 0), (0.75, 0), (0.75, 0.3), (-0.75, 0.3))]
    canvas.polygon(top, (0.12, 0.12, 0.13))
    prop = [(0.45, 1.0), (0.5, 1.0), (0.16, 1.66), (0.11, 1.66)]
    canvas.polygon([camera.project((x + a, b, z + 0.6)) for a, b in prop], (0.2, 0.18, 0.16))
    room.box((x - 0.72, 0.66, z - 0.2), (x + 0.72, 0.74, z), black, top=materials.plain((0.96, 0.96, 0.93)))
    keys = Face((x - 0.66, 0.742, z - 0.17), (1, 0, 0), (0, 0, 1), 1.32, 0.17)
    for i in range(28):
        if i % 7 not in (2, 6):
            key = keys.part(0.035 + i * 0.047, 0.07, 0.058 + i * 0.047, 0.17)
            canvas.paint(camera, key, materials.plain((0.05, 0.05, 0.05)))
    room.floor_shadow(x - 0.4, z - 0.75, x + 0.4, z - 0.4, 0.4)
    for dx in (-0.34, 0.28):
        room.box((x + dx, 0, z - 0.62), (x + dx + 0.06, 0.42, z - 0.56), black)
    room.box((x - 0.38, 0.42, z - 0.72), (x + 0.38, 0.52, z - 0.4), black, soft=0.05)


def bed(room: Room, x: float, tone: Tint) -> None:
    z1 = room.depth - 0.05 - (0.4 if room.has("bookshelf") else 0)
    z0 = z1 - 2.1
    headboard = materials.wood((0.5, 0.35, 0.22))
    cloth, white = materials.fabric(tone), materials.fabric((0.96, 0.95, 0.93))
    room.floor_shadow(x - 0.95, z0 - 0.2, x + 0.95, z1)
    for at in (-1.32, 0.9):
        low = x + at
        room.box((low, 0, z1 - 0.42), (low + 0.42, 0.5, z1), headboard)
        room.box((low + 0.17, 0.5, z1 - 0.25), (low + 0.25, 0.72, z1 - 0.18), materials.plain((0.3, 0.3, 0.3)))
        lamp = [(low + 0.09, 0.7), (low + 0.33, 0.7), (low + 0.28, 0.95), (low + 0.14, 0.95)]
        points = [room.camera.project((a, b, z1 - 0.22)) for a, b in lamp]
        room.canvas.polygon(points, (1.0, 0.9, 0.68), lamp=True)
    room.box((x - 0.86, 0, z1 - 0.1), (x + 0.86, 1.15, z1), headboard, soft=0.05)
    room.box((x - 0.82, 0.04, z0), (x + 0.82, 0.3, z1 - 0.1), headboard)
    room.box((x - 0.8, 0.28, z0 + 0.04), (x + 0.8, 0.52, z1 - 0.1), white, soft=0.08)
    for at in (-0.72, 0.04):
        room.box((x + at, 0.5, z1 - 0.5), (x + at + 0.68, 0.8, z1 - 0.16), white, soft=0.18)
    room.box((x - 0.86, 0.16, z0 - 0.03), (x + 0.86, 0.58, z1 - 0.6), cloth, soft=0.12)
    room.box((x - 0.87, 0.55, z1 - 0.85), (x + 0.87, 0.61, z1 - 0.58), white, soft=0.08)


def cupboards(room: Room, x0: float, x1: float, low: float, high: float, deep: float, front: Material) -> None:
    z = room.depth - deep
    room.box((x0, low, z), (x1, high, room.depth), front)
    face = Face((x0, low, z), (1, 0, 0), (0, 1, 0), x1 - x0, high - low)
    count = max(1, round((x1 - x0) / 0.55))
    steel = materials.plain((0.35, 0.34, 0.33))
    for i in range(count):
        u0, u1 = (x1 - x0) * i / count + 0.02, (x1 - x0) * (i + 1) / count - 0.02
        room.canvas.paint(room.camera, face.part(u0, 0.05, u1, high - low - 0.03), front, (0.8, 1.0), soft=0.05)
        v = high - low - 0.12 if low < 0.5 else 0.12
        room.canvas.paint(room.camera, face.part(u0 + 0.12, v, u1 - 0.12, v + 0.025), steel)


def oven(room: Room, x: float) -> None:
    z = room.depth - 0.61
    front = Face((x - 0.3, 0.05, z), (1, 0, 0), (0, 1, 0), 0.6, 0.8)
    canvas, camera = room.canvas, room.camera
    canvas.paint(camera, front, materials.plain((0.62, 0.63, 0.65)), (0.8, 1.0))
    canvas.paint(camera, front.part(0.06, 0.1, 0.54, 0.52), materials.glass(0.35))
    for i in range(4):
        canvas.paint(
            camera,
            front.part(0.1 + i * 0.11, 0.66, 0.15 + i * 0.11, 0.72),
            materials.plain((0.15, 0.15, 0.15)),
        )
    steel = materials.plain((0.74, 0.75, 0.77))
    room.box((x - 0.38, 1.6, room.depth - 0.5), (x + 0.38, 1.72, room.depth), steel)
    room.box((x - 0.14, 1.72, room.depth - 0.3), (x + 0.14, 2.7, room.depth), steel)


def fridge(room: Room, wall: float, front: Material) -> None:
    x0, x1 = (wall, wall + 0.68) if wall < 0 else (wall - 0.68, wall)
    z = room.depth - 0.7
    steel = materials.plain((0.78, 0.79, 0.8))
    room.box((x0, 0, z), (x1, 1.95, room.depth), steel)
    face = Face((x0, 0, z), (1, 0, 0), (0, 1, 0), 0.68, 1.95)
    room.canvas.paint(room.camera, face.part(0, 0.7, 0.68, 0.72), materials.plain((0.3, 0.3, 0.3)))
    room.canvas.paint(room.camera, face.part(0.06, 0.8, 0.09, 1.5), materials.plain((0.4, 0.4, 0.42)))


def pot_on(room: Room, x: float, y: float, z: float) -> None:
    """A pot of herbs on a worktop."""
    canvas, camera, rng = room.canvas, room.camera, room.rng
    pot = ((-0.07, 0), (0.07, 0), (0.1, 0.16), (-0.1, 0.16))
    canvas.polygon([camera.project((x + a, y + b, z)) for a, b in pot], (0.75, 0.42, 0.28))
    for dx, dy, green in rng.uniform((-0.13, 0.14, 0.7), (0.13, 0.4, 1.2), (22, 3)):
        leaf = ((-0.045, 0), (0, 0.04), (0.045, 0), (0, -0.04))
        tone = (0.17 * green, 0.48 * green, 0.18 * green)
        canvas.polygon([camera.project((x + dx + a, y + dy + b, z)) for a, b in leaf], tone)


def island(room: Room, front: Material, stone: Material) -> None:
    """A work island with stools before it and lamps above."""
    z0, z1 = room.depth - 2.6, room.depth - 1.75
    room.floor_shadow(-1.2, z0 - 0.25, 1.2, z1)
    room.box((-1.0, 0, z0 + 0.15), (1.0, 0.86, z1), front)
    room.box((-1.15, 0.86, z0), (1.15, 0.93, z1 + 0.08), stone)
    room.box((-0.25, 0.93, z0 + 0.35), (0.2, 0.99, z0 + 0.65), materials.wood((0.6, 0.42, 0.25)))
    for dx, tone in ((-0.14, (0.8, 0.2, 0.12)), (-0.02, (0.9, 0.65, 0.1)), (0.08, (0.5, 0.65, 0.2))):
        fruit = [(dx + 0.07 * math.cos(a * 0.7), 1.04 + 0.07 * math.sin(a * 0.7)) for a in range(9)]
        room.canvas.polygon([room.camera.project((a, b, z0 + 0.5)) for a, b in fruit], tone)
    dark = materials.plain((0.18, 0.17, 0.17))
    for x in (-0.75, 0.0, 0.75):
        for dx in (-0.16, 0.12):
            room.box((x + dx, 0, z0 - 0.2), (x + dx + 0.04, 0.62, z0 - 0.16), dark)
        room.box((x - 0.16, 0.3, z0 - 0.2), (x + 0.16, 0.33, z0 - 0.17), dark)
        room.box((x - 0.19, 0.62, z0 - 0.3), (x + 0.19, 0.68, z0 + 0.02), materials.wood((0.5, 0.34, 0.2)))
    for x in (-0.6, 0.6):
        z = (z0 + z1) / 2
        cord = ((-0.01, 1.95), (0.01, 1.95), (0.01, 2.7), (-0.01, 2.7))
        room.canvas.polygon([room.camera.project((x + a, b, z)) for a, b in cord], (0.12, 0.12, 0.12))
        shade = ((-0.17, 1.75), (0.17, 1.75), (0.05, 1.97), (-0.05, 1.97))
        room.canvas.polygon([room.camera.project((x + a, b, z)) for a, b in shade], (0.14, 0.14, 0.15))
        bulb = ((-0.13, 1.72), (0.13, 1.72), (0.15, 1.76), (-0.15, 1.76))
        room.canvas.polygon([room.camera.project((x + a, b, z)) for a, b in bulb], (1.0, 0.9, 0.65), lamp=True)


def dining_table(room: Room) -> None:
    z0, z1 = room.depth - 2.6, room.depth - 1.8
    oak = materials.wood((0.6, 0.42, 0.25))
    room.floor_shadow(-0.8, z0, 0.8, z1, 0.4)
    for x in (-0.6, 0.25):
        room.box((x, 0.45, z1 + 0.1), (x + 0.38, 0.95, z1 + 0.14), oak)
    for x, z in ((-0.78, z1 - 0.08), (0.7, z1 - 0.08), (-0.78, z0), (0.7, z0)):
        room.box((x, 0, z), (x + 0.08, 0.7, z + 0.08), oak)
    room.box((-0.85, 0.7, z0 - 0.05), (0.85, 0.75, z1 + 0.05), oak)
    for x in (-0.6, 0.25):
        room.box((x, 0.42, z0 - 0.3), (x + 0.38, 0.46, z0 + 0.05), oak)
        for dx in (0.0, 0.34):
            room.box((x + dx, 0, z0 - 0.3), (x + dx + 0.04, 0.42, z0 - 0.26), oak)
        room.box((x, 0.5, z0 - 0.32), (x + 0.38, 0.95, z0 - 0.28), oak, soft=0.05)


def vanity(room: Room, x: float) -> None:
    """A washbasin on a wooden cabinet, with a mirror above."""
    depth = room.depth
    wood = materials.wood((0.56, 0.4, 0.26))
    room.floor_shadow(x - 0.6, depth - 0.75, x + 0.6, depth)
    room.box((x - 0.55, 0.25, depth - 0.5), (x + 0.55, 0.78, depth), wood)
    room.box((x - 0.58, 0.78, depth - 0.53), (x + 0.58, 0.84, depth), materials.plain((0.97, 0.97, 0.96)))
    room.box(
        (x - 0.26, 0.84, depth - 0.45),
        (x + 0.26, 0.96, depth - 0.12),
        materials.plain((0.97, 0.97, 0.96)),
        soft=0.08,
    )
    mirror = room.back.part(room.half + x - 0.45, 1.15, room.half + x + 0.45, 2.15)
    room.canvas.paint(room.camera, mirror, materials.plain((0.2, 0.2, 0.2)))
    room.canvas.paint(room.camera, mirror.part(0.03, 0.03, 0.87, 0.97), materials.glass(1.45))
    steel = materials.plain((0.7, 0.71, 0.73))
    room.box((x - 0.02, 0.96, depth - 0.12), (x + 0.02, 1.1, depth - 0.08), steel)


def toilet(room: Room, x: float) -> None:
    white = materials.plain((0.96, 0.96, 0.95))
    z = room.depth
    room.floor_shadow(x - 0.25, z - 0.75, x + 0.25, z)
    room.box((x - 0.2, 0.4, z - 0.2), (x + 0.2, 0.85, z), white, soft=0.04)
    room.box((x - 0.14, 0, z - 0.6), (x + 0.14, 0.38, z - 0.1), white, soft=0.08)
    room.box((x - 0.19, 0.36, z - 0.68), (x + 0.19, 0.43, z - 0.2), white, soft=0.05)


def bathtub(room: Room, x: float, z: float) -> None:
    """A white free-standing bathtub with rounded ends, half full, and its tap."""
    canvas, camera = room.canvas, room.camera
    turns = [2 * math.pi * i / 40 for i in range(40)]

    def ring(y: float, wide: float, deep: float) -> list[Point2]:
        return [camera.project((x + wide * math.cos(t), y, z + deep * math.sin(t))) for t in turns]

    room.floor_shadow(x - 0.85, z - 0.5, x + 0.85, z + 0.45)
    levels = [(0.03 + 0.57 * i / 10, 0.66 + 0.24 * (i / 10) ** 1.4, 0.3 + 0.13 * (i / 10) ** 1.2) for i in range(11)]
    for y, wide, deep in levels:
        shade = 0.62 + 0.34 * (y / 0.6)
        canvas.polygon(ring(y, wide, deep), (shade, shade, shade * 1.01))
    canvas.polygon(ring(0.62, 0.93, 0.46), (0.99, 0.99, 0.99))
    canvas.polygon(ring(0.62, 0.85, 0.38), (0.72, 0.73, 0.75))
    canvas.polygon(ring(0.5, 0.78, 0.3), (0.62, 0.8, 0.86))
    pipe = materials.plain((0.6, 0.58, 0.54))
    room.box((x - 0.02, 0, z + 0.5), (x + 0.03, 0.95, z + 0.54), pipe)
    room.box((x - 0.02, 0.92, z + 0.3), (x + 0.03, 0.96, z + 0.54), pipe)


def shower(room: Room, side: int) -> None:
    """A glass cabin in the corner with its rose."""
    half, depth = room.half, room.depth
    x0, x1 = (side * half - 1.0, side * half) if side > 0 else (side * half, side * half + 1.0)
    z0, z1 = depth - 2.3, depth - 1.3
    room.box((x0, 0, z0), (x1, 0.08, z1), materials.plain((0.93, 0.93, 0.92)))
    steel: Tint = (0.55, 0.56, 0.58)
    canvas, camera = room.canvas, room.camera
    inner = x0 if side > 0 else x1
    panes = (((inner, z0), (inner, z1)), ((x0, z0), (x1, z0)))
    for (ax, az), (bx, bz) in panes:
        pane = [camera.project(p) for p in ((ax, 0.08, az), (bx, 0.08, bz), (bx, 2.0, bz), (ax, 2.0, az))]
        canvas.polygon(pane, (0.78, 0.88, 0.9), 0.35)
        rail = [camera.project(p) for p in ((ax, 1.97, az), (bx, 1.97, bz), (bx, 2.03, bz), (ax, 2.03, az))]
        canvas.polygon(rail, steel)
    for ax, az in ((inner, z0), (inner, z1)):
        post = [
            camera.project((ax + d, y, az)) for d, y in ((-0.015, 0.08), (0.015, 0.08), (0.015, 2.0), (-0.015, 2.0))
        ]
        canvas.polygon(post, steel)
    middle = (x0 + x1) / 2
    room.box((middle - 0.015, 1.0, z1 - 0.1), (middle + 0.015, 2.15, z1 - 0.07), materials.plain(steel))
    room.box((middle - 0.14, 2.1, z1 - 0.4), (middle + 0.14, 2.14, z1 - 0.12), materials.plain(steel))
