"""Photographs of buildings from outside: the building in its garden, under the season's light.

The building is painted by `buildings`, boards and plates by `signs`.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from imagerag_assets.sample.drawing import photo_finish
from imagerag_assets.sample.real_estate import materials
from imagerag_assets.sample.real_estate.buildings import (
    House,
    apartments,
    gabled_house,
    garage,
    roof_material,
    townhouses,
    villa,
    wall_material,
)
from imagerag_assets.sample.real_estate.canvas import Camera, Canvas, Face, Point2
from imagerag_assets.sample.real_estate.materials import Tint
from imagerag_assets.sample.real_estate.signs import sign, watermark
from imagerag_assets.sample.scene import Facts, Scene

_TINTS: dict[str, Tint] = {
    "sunny": (1.04, 1.02, 0.97),
    "overcast": (0.8, 0.82, 0.85),
    "dusk": (0.36, 0.36, 0.48),
    "snow": (0.86, 0.89, 0.96),
}
_SIZES: dict[str, tuple[float, float, float, float]] = {
    # width, depth, wall height, rise of the roof, in metres
    "detached house": (10.5, 8.5, 5.4, 3.0),
    "cottage": (9.0, 6.5, 2.9, 3.2),
    "apartment block": (20.0, 12.0, 15.0, 0.0),
    "villa": (14.0, 8.0, 3.1, 0.0),
    "townhouses": (22.0, 9.0, 7.6, 2.8),
}


def draw_exterior(scene: Scene, width: int, height: int) -> Image.Image:
    """The photograph at exactly `width` by `height` pixels."""
    rng = np.random.default_rng(scene.seed)
    facts = scene.facts
    canvas = Canvas(width, height, _TINTS[str(facts["light"])])
    house = _set_up(canvas, facts, rng)
    _sky(canvas, facts, rng)
    _ground(house)
    if house.has("trees"):
        _trees(house, near=False)
    if house.has("garage"):
        garage(house)
    _house_shadow(house)
    builders = {"villa": villa, "apartment block": apartments, "townhouses": townhouses}
    builders.get(str(facts["building"]), gabled_house)(house)
    if house.has("trees"):
        _trees(house, near=True)
    if facts["light"] == "dusk":
        canvas.glow((1.0, 0.66, 0.28), 0.55)
    sign(house, scene)
    if house.snowy:
        _snowflakes(canvas, rng)
    if facts["sign"] == "watermark":
        watermark(canvas, str(facts["reference"]), str(facts["agency"]))
    return photo_finish(rng, canvas.finished(), noise=0.014, vignette=0.16, warmth=float(rng.uniform(-0.1, 0.2)))


def _set_up(canvas: Canvas, facts: Facts, rng: np.random.Generator) -> House:
    """Turn the house and choose the camera so that the building fills the picture."""
    wide, deep, tall, rise = _SIZES[str(facts["building"])]
    scale = float(rng.uniform(0.92, 1.08))
    wide, rise = wide * scale, rise * float(rng.uniform(0.9, 1.1))
    side = 1 if rng.random() < 0.5 else -1
    yaw = side * float(rng.uniform(0.32, 0.62))
    total = tall + rise + (3.2 if facts["building"] == "villa" else 0)
    distance = 1.25 * wide + total + deep / 2
    eye = float(rng.uniform(1.7, 2.6)) + (1.6 if facts["pool"] else 0) + (3 if tall > 10 else 0)
    unit = Camera(0, 0, 1.0, 0.0, eye, 0.0, yaw, distance)
    extra = 3.6 if facts["garage"] else 0.0
    low_x, high_x = -wide / 2 - (extra if side > 0 else 0), wide / 2 + (extra if side < 0 else 0)
    seen = [unit.project((x, y, z)) for x in (low_x, high_x) for y in (0, total) for z in (-deep / 2, deep / 2)]
    left, right = min(p[0] for p in seen), max(p[0] for p in seen)
    top, bottom = min(p[1] for p in seen), max(p[1] for p in seen)
    room = 0.58 if facts["pool"] else 0.64
    focal = min(float(rng.uniform(0.76, 0.88)) * canvas.width / (right - left), room * canvas.height / (bottom - top))
    base = (0.68 if facts["pool"] else 0.77) * canvas.height
    centre = (left + right) / 2 + float(rng.uniform(-0.03, 0.03)) * (right - left)
    camera = Camera(canvas.width, canvas.height, focal, base - focal * bottom, eye, centre * distance, yaw, distance)
    return House(canvas, camera, facts, rng, wall_material(facts), roof_material(facts), wide, deep, tall, rise, side)


def _sky(canvas: Canvas, facts: Facts, rng: np.random.Generator) -> None:
    colours: dict[str, tuple[Tint, Tint, float]] = {
        "sunny": ((0.25, 0.5, 0.86), (0.72, 0.85, 0.95), 0.75),
        "overcast": ((0.62, 0.65, 0.69), (0.8, 0.82, 0.83), 0.35),
        "dusk": ((0.09, 0.12, 0.3), (0.93, 0.52, 0.32), 0.25),
        "snow": ((0.72, 0.76, 0.82), (0.88, 0.9, 0.93), 0.2),
    }
    top, low, cloudy = colours[str(facts["light"])]
    rows = np.linspace(0, 1.35, canvas.height, dtype=np.float32)[:, None, None].clip(0, 1) ** 1.2
    sky = np.array(top, dtype=np.float32) * (1 - rows) + np.array(low, dtype=np.float32) * rows
    v, u = np.mgrid[0 : canvas.height, 0 : canvas.width].astype(np.float32) / canvas.width
    shift = rng.uniform(0, 3, 2)
    noise = materials.clouds(u * 0.9 + shift[0], v * 2.2 + shift[1], 150)
    cover = np.clip((noise - float(rng.uniform(0.42, 0.58))) * 3.2, 0, 1)[:, :, None] * cloudy
    white = np.array((1, 1, 1) if facts["light"] != "dusk" else (0.75, 0.4, 0.4), dtype=np.float32)
    canvas.pixels[:] = sky * (1 - cover) + white * cover


def _flat(camera: Camera) -> Camera:
    """The same camera over ground that is not turned with the house."""
    return Camera(camera.width, camera.height, camera.focal, camera.horizon, camera.eye, camera.x)


def _ground(house: House) -> None:
    canvas, camera, rng = house.canvas, house.camera, house.rng
    flat = _flat(camera)
    skyline = camera.horizon - camera.focal * 0.03
    foot = camera.horizon + camera.focal * camera.eye / 110
    points: list[Point2] = [(0.0, foot)]
    heights = rng.uniform(-1, 1, 9)
    for i, bump in enumerate(heights):
        points.append((i / 8 * canvas.width, skyline - float(bump) * 0.02 * canvas.height))
    points.append((float(canvas.width), foot))
    canvas.polygon(points, (0.75, 0.8, 0.85) if house.snowy else (0.42, 0.5, 0.46))
    material = materials.snow() if house.snowy else materials.grass()
    near = 0.9 * camera.eye * camera.focal / max(canvas.height - camera.horizon, 1.0)
    far = 140.0
    half = far * canvas.width / camera.focal
    # Two strips, because one homography over this depth would lose its precision in the foreground.
    for start, end in ((far / 4, far), (near, far / 4)):
        canvas.paint(flat, Face((camera.x - half, 0, start), (1, 0, 0), (0, 0, 1), 2 * half, end - start), material)
    if house.has("path") or house.facts["building"] in ("apartment block", "townhouses"):
        _path(house)
    if house.has("pool"):
        _pool(house)


def _path(house: House) -> None:
    """A garden path from the door, or the pavement before a building in town."""
    canvas, camera = house.canvas, house.camera
    z = -house.depth / 2
    stone = materials.paving((0.72, 0.68, 0.6)) if not house.snowy else materials.gravel((0.7, 0.7, 0.72))
    if house.facts["building"] in ("apartment block", "townhouses"):
        wide = house.width * 1.6
        road = materials.gravel((0.33, 0.33, 0.35))
        canvas.paint(camera, Face((-wide, 0, z - 9), (1, 0, 0), (0, 0, 1), wide * 2, 6.4), road)
        canvas.paint(camera, Face((-wide, 0, z - 2.6), (1, 0, 0), (0, 0, 1), wide * 2, 2.2), stone)
    if house.has("path"):
        canvas.paint(camera, Face((-0.9, 0, z - 9), (1, 0, 0), (0, 0, 1), 1.8, 9), stone)


def _pool(house: House) -> None:
    canvas, camera, rng = house.canvas, house.camera, house.rng
    z = -house.depth / 2 - float(rng.uniform(2.0, 2.8))
    x = float(rng.uniform(-0.2, 0.1)) * house.width - 3
    wide, deep = float(rng.uniform(7, 9)), float(rng.uniform(3.2, 4.0))
    deck = Face((x - 1.1, 0, z - deep - 1.0), (1, 0, 0), (0, 0, 1), wide + 2.2, deep + 2.0)
    canvas.paint(camera, deck, materials.paving((0.86, 0.81, 0.72), 0.5))
    rim = Face((x, 0, z - deep), (1, 0, 0), (0, 0, 1), wide, deep)
    canvas.paint(camera, rim, materials.plain((0.95, 0.95, 0.93)))
    canvas.paint(camera, rim.part(0.18, 0.18, wide - 0.18, deep - 0.18), materials.water(), (1.1, 0.9))
    chair_x = x + wide * 0.25
    for i in range(2):
        low = chair_x + i * 1.6
        canvas.box(camera, (low, 0.18, z + 0.15), (low + 0.6, 0.32, z + 1.75), materials.plain((0.97, 0.97, 0.95)))


def _house_shadow(house: House) -> None:
    strength = {"sunny": 0.5, "overcast": 0.3, "dusk": 0.35, "snow": 0.22}[str(house.facts["light"])]
    (x0, _, z0), (x1, _, z1) = house.bounds
    away = 2.4 * (-house.side)
    corners = [(x0 - 0.3, z0 - 0.7), (x1 + 0.3, z0 - 0.7), (x1 + away + 0.3, z1), (x0 + away - 0.3, z1)]
    house.canvas.shadow([house.camera.project((x, 0, z)) for x, z in corners], strength, 0.008)


def _trees(house: House, *, near: bool) -> None:
    """Tall trees behind the house, or one or two in front at the edges of the picture."""
    camera, rng = house.camera, house.rng
    flat = _flat(camera)
    distance = camera.distance
    count = 2 if near else 6
    for i in range(count):
        z = distance * float(rng.uniform(0.62, 0.74)) if near else distance * float(rng.uniform(1.3, 1.7))
        half = z * camera.width / camera.focal / 2
        edge = (-0.96 if i % 2 else 0.98) if near else -0.95 + 1.9 * i / (count - 1)
        x = camera.x + half * (edge + float(rng.uniform(-0.05, 0.05)))
        tall = float(rng.uniform(0.4, 0.6) if near else rng.uniform(0.9, 1.35)) * max(house.height + house.rise, 6.5)
        _tree(house, flat.project((x, 0, z)), tall * camera.focal / z)


def _tree(house: House, foot: Point2, tall: float) -> None:
    rng, canvas = house.rng, house.canvas
    conifer = house.snowy or bool(rng.random() < 0.25)
    tone = rng.uniform((0.1, 0.26, 0.07), (0.24, 0.4, 0.14))
    count = 260
    angle, radius = rng.uniform(0, 2 * math.pi, count), np.sqrt(rng.uniform(0, 1, count))
    radius *= 0.82 + 0.18 * np.sin(angle * 3 + rng.uniform(0, 6))
    places = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
    sizes, lights = rng.uniform(0.025, 0.085, count), rng.uniform(0.62, 1.2, count)
    wide, high = max(int(tall * 0.9), 4), max(int(tall), 4)
    picture = Image.new("RGBA", (wide, high), (60, 90, 40, 0))
    pen = ImageDraw.Draw(picture)
    pen.polygon(
        [(wide * 0.47, high * 0.5), (wide * 0.53, high * 0.5), (wide * 0.56, high), (wide * 0.44, high)],
        fill=(84, 66, 50, 255),
    )
    order = np.argsort(-places[:, 1]) if conifer else np.argsort(places[:, 0] * -0.5 - places[:, 1] * 0.4)
    for i in order:
        px, py = places[i]
        if conifer:
            down = (py + 1) / 2
            x, y = 0.5 + px * 0.42 * down, 0.05 + 0.86 * down
            sunlight = lights[i] * (0.75 + 0.35 * (px < 0))
        else:
            x, y = 0.5 + px * 0.41, 0.36 + py * 0.32
            sunlight = lights[i] * (1.0 - 0.3 * py - 0.22 * px)
        colour = tone * sunlight * 1.25
        if house.snowy and lights[i] > 0.85:
            colour = np.array((0.9, 0.93, 0.97)) * (0.85 + 0.15 * lights[i])
        r = sizes[i] * (0.75 if conifer else 1.0)
        box = ((x - r) * wide, (y - r * 0.7) * high, (x + r) * wide, (y + r * 0.7) * high)
        red, green, blue = (int(255 * min(max(c, 0.0), 1.0)) for c in colour)
        pen.ellipse(box, fill=(red, green, blue, 255))
    canvas.layer(picture, round(foot[0] - wide / 2), round(foot[1] - high))


def _snowflakes(canvas: Canvas, rng: np.random.Generator) -> None:
    picture = Image.new("RGBA", (canvas.width, canvas.height), (255, 255, 255, 0))
    pen = ImageDraw.Draw(picture)
    for x, y, r in rng.random((170, 3)):
        radius = canvas.width * (0.001 + 0.0022 * r * r)
        at_x, at_y = x * canvas.width, y * canvas.height
        pen.ellipse((at_x - radius, at_y - radius, at_x + radius, at_y + radius), fill=(255, 255, 255, 190))
    canvas.layer(picture, 0, 0)
