"""Architects' floor plans: rooms, doors, dimension lines, title block, and symbols to look for.

Everything is placed in sheet units: a sheet is 1000 units wide and 707 high, whatever its size in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from PIL import Image

from imagerag_assets.sample.real_estate.symbols import FURNITURE, SYMBOLS, Box, Pen
from imagerag_assets.sample.scene import Drawing, Facts, Region, Scene

SHEET = (1000.0, 707.0)
SYMBOL_FACTS: dict[str, str] = {
    "piano": "grand piano",
    "spiral_staircase": "spiral staircase",
    "bathtub": "bathtub",
    "sauna": "sauna",
    "fireplace": "fireplace",
    "double_garage": "double garage",
    "pool": "swimming pool",
    "lift": "lift",
    "plants": "indoor plants",
    "pinball": "pinball table",
}
"""Facts of a plan's details, with the label that their regions carry."""
LABEL_PREFIX = "written label "
_NAMES: dict[str, dict[str, str]] = {
    "en": {
        "living": "Living room",
        "kitchen": "Kitchen",
        "bed": "Bedroom",
        "bath": "Bathroom",
        "hall": "Hall",
        "games": "Games room",
        "spa": "Wellness",
        "garage": "Parking",
        "office": "Study",
        "dining": "Dining room",
    },
    "fr": {
        "living": "Séjour",
        "kitchen": "Cuisine",
        "bed": "Chambre",
        "bath": "Salle de bains",
        "hall": "Entrée",
        "games": "Salle de jeux",
        "spa": "Bien-être",
        "garage": "Stationnement",
        "office": "Bureau",
        "dining": "Salle à manger",
    },
}


@dataclass
class _Room:
    kind: str
    box: Box
    items: list[str] = field(default_factory=list)


def draw_plan(scene: Scene, width: int) -> Drawing:
    """The sheet at `width` pixels, and a region for each of its symbols and for its small written label."""
    rng = np.random.default_rng(scene.seed)
    facts = scene.facts
    factor = 2 if width <= 1500 else 1
    pen = Pen.sheet(width * factor, blueprint=facts["style"] == "blueprint")
    house = (120.0, 95.0, 880.0, 418.0 if facts["pool"] else 560.0)
    rooms = _rooms(facts, house, rng)
    regions: list[Region] = []
    _frame(pen)
    if facts["pool"]:
        regions.append(_garden(pen, house, rng))
    for room in rooms:
        _floor_pattern(pen, room)
    for room in rooms:
        regions += _furnish(pen, room, rng)
    _walls(pen, rooms, house, rng)
    regions += _labels(pen, rooms, facts, rng)
    _dimensions(pen, rooms, house)
    _title_block(pen, scene)
    _north_arrow(pen, rng)
    image = _on_paper(pen, rng)
    return Drawing(image.reduce(factor) if factor > 1 else image, tuple(regions))


def _wanted_rooms(facts: Facts) -> list[_Room]:
    """The rooms that the facts ask for, each with the symbols that stand in it."""
    living = [name for name in ("piano", "fireplace") if facts[name]]
    rooms = [
        _Room("living", _NOWHERE, [*living, "sofa"]),
        _Room("kitchen", _NOWHERE, ["counter", "table"]),
        _Room("bed", _NOWHERE, ["bed", "wardrobe"]),
        _Room("bath", _NOWHERE, ["bathtub" if facts["bathtub"] else "shower", "toilet", "basin"]),
        _Room("hall", _NOWHERE, [name for name in ("spiral_staircase", "lift") if facts[name]]),
    ]
    extra = {"double_garage": "garage", "sauna": "spa", "pinball": "games"}
    rooms += [_Room(kind, _NOWHERE, [name]) for name, kind in extra.items() if facts[name]]
    if facts["label"]:
        rooms.append(_Room("label", _NOWHERE, ["wardrobe"]))
    spare = [
        _Room("office", _NOWHERE, ["desk"]),
        _Room("dining", _NOWHERE, ["table"]),
        _Room("bed", _NOWHERE, ["bed"]),
    ]
    if facts["plants"]:
        rooms[0].items.append("plants")
    while len(rooms) < 6 or (len(rooms) % 2 and not facts["pool"]):
        rooms.append(spare.pop(0))
    return rooms


_ALONE = 0.72
"""A room's only item has the upper part of it, and the room's name stands below."""
_NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)


def _rooms(facts: Facts, house: Box, rng: np.random.Generator) -> list[_Room]:
    """Cut the house into columns of one to three rooms each; big rooms come first in their column."""
    wanted = _wanted_rooms(facts)
    columns = 3 if len(wanted) <= 6 else 4
    order = [int(i) for i in rng.permutation(len(wanted))]
    stacks: list[list[_Room]] = [[] for _ in range(columns)]
    for place, index in enumerate(order):
        stacks[place % columns].append(wanted[index])
    big = {"living": 1.35, "garage": 1.4, "spa": 1.05, "bath": 0.95, "label": 0.8}
    widths = np.array([max(big.get(room.kind, 1.0) for room in stack) for stack in stacks])
    edges = house[0] + np.concatenate(([0.0], np.cumsum(widths / widths.sum()))) * (house[2] - house[0])
    placed: list[_Room] = []
    for stack, left, right in zip(stacks, edges, edges[1:], strict=False):
        heights = np.array([big.get(room.kind, 1.0) * rng.uniform(0.9, 1.1) for room in stack])
        levels = house[1] + np.concatenate(([0.0], np.cumsum(heights / heights.sum()))) * (house[3] - house[1])
        for room, top, bottom in zip(stack, levels, levels[1:], strict=False):
            room.box = (float(left), float(top), float(right), float(bottom))
            placed.append(room)
    return placed


def _frame(pen: Pen) -> None:
    pen.rectangle((14, 14, SHEET[0] - 14, SHEET[1] - 14), width=2.2)
    pen.rectangle((20, 20, SHEET[0] - 20, SHEET[1] - 20), width=0.8)


def _garden(pen: Pen, house: Box, rng: np.random.Generator) -> Region:
    """The plot below the house with the pool, the terrace around it, and trees seen from above."""
    plot = (48.0, 29.0, 952.0, 602.0)
    pen.dashed(plot)
    wide = float(rng.uniform(190, 240))
    left = float(rng.uniform(220, 760 - wide))
    pool = (left, 460.0, left + wide, 460.0 + float(rng.uniform(86, 102)))
    pen.hatch((pool[0] - 26, pool[1] - 22, pool[2] + 26, pool[3] + 22), 9)
    SYMBOLS["pool"](pen, pool)
    for i in range(7):
        x = 110 + i * 125 + float(rng.uniform(-20, 20))
        y = float(rng.uniform(462, 566))
        radius = float(rng.uniform(20, 32))
        if x + radius < pool[0] - 30 or x - radius > pool[2] + 30:
            FURNITURE["tree"](pen, (x - radius, y - radius, x + radius, y + radius))
    return _region("swimming pool", pool)


def _region(label: str, box: Box) -> Region:
    return Region(label, (box[0] / SHEET[0], box[1] / SHEET[1], box[2] / SHEET[0], box[3] / SHEET[1]))


def _floor_pattern(pen: Pen, room: _Room) -> None:
    if room.kind in ("kitchen", "bath", "spa"):
        pen.grid(room.box, 14)
    elif room.kind in ("living", "dining"):
        pen.boards(room.box, 9)


def _furnish(pen: Pen, room: _Room, rng: np.random.Generator) -> list[Region]:
    """Stand the room's items in its corners, the first in the largest."""
    regions: list[Region] = []
    x0, y0, x1, y1 = room.box
    x0, y0, x1, y1 = x0 + 13, y0 + 13, x1 - 13, y1 - 13
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    corners: list[Box] = [
        (x0, y0, middle_x - 5, middle_y - 12),
        (middle_x + 5, y0, x1, middle_y - 12),
        (x0, middle_y + 16, middle_x - 5, y1),
        (middle_x + 5, middle_y + 16, x1, y1),
    ]
    rng.shuffle(corners)
    if len(room.items) == 1:
        corners = [(x0, y0, x1, y0 + (y1 - y0) * _ALONE)]
    for item, corner in zip(room.items, corners, strict=False):
        box = _fitting(item, corner)
        if item in SYMBOL_FACTS:
            pen.clear((box[0] - 3, box[1] - 3, box[2] + 3, box[3] + 3))
            SYMBOLS[item](pen, box)
            regions.append(_region(SYMBOL_FACTS[item], box))
        else:
            FURNITURE[item](pen, box)
    return regions


_SHAPES: dict[str, tuple[float, float]] = {
    # largest width and height, in units
    "piano": (84, 92),
    "spiral_staircase": (84, 84),
    "bathtub": (92, 48),
    "sauna": (150, 96),
    "fireplace": (86, 46),
    "double_garage": (190, 190),
    "lift": (70, 70),
    "plants": (80, 76),
    "pinball": (50, 96),
    "sofa": (90, 44),
    "bed": (72, 84),
    "wardrobe": (84, 28),
    "counter": (90, 66),
    "table": (80, 64),
    "shower": (52, 52),
    "toilet": (28, 42),
    "basin": (44, 30),
    "desk": (80, 50),
}


def _fitting(item: str, corner: Box) -> Box:
    """As large as the item may be inside the corner, keeping its proportions, in the corner's middle."""
    wide, tall = _SHAPES[item]
    scale = min(1.0, (corner[2] - corner[0]) / wide, (corner[3] - corner[1]) / tall)
    x, y = (corner[0] + corner[2]) / 2, (corner[1] + corner[3]) / 2
    return x - wide * scale / 2, y - tall * scale / 2, x + wide * scale / 2, y + tall * scale / 2


def _walls(pen: Pen, rooms: Sequence[_Room], house: Box, rng: np.random.Generator) -> None:
    for room in rooms:
        pen.rectangle(room.box, width=5.5)
    pen.rectangle(house, width=10)
    for i, room in enumerate(rooms):
        x0, y0, x1, y1 = room.box
        if y1 < house[3] - 1:
            _door(pen, (x0 + (x1 - x0) * float(rng.uniform(0.05, 0.1)), y1), along="x")
        if x1 < house[2] - 1:
            neighbours = [r.box for r in rooms if abs(r.box[0] - x1) < 1 and r.box[1] < y1 - 60 and r.box[3] > y0 + 60]
            if neighbours and (i % 2 == 0 or y0 < house[1] + 1):
                low, high = max(y0, neighbours[0][1]), min(y1, neighbours[0][3])
                _door(pen, (x1, (low + high) / 2 - 16), along="y")
        if y0 < house[1] + 1:
            _window(pen, ((x0 + x1) / 2, y0), along="x")
        if y1 > house[3] - 1:
            (_entrance if room.kind == "hall" else _window)(pen, ((x0 + x1) / 2, y1), "x")
        if x0 < house[0] + 1:
            _window(pen, (x0, (y0 + y1) / 2), along="y")
        if x1 > house[2] - 1:
            _window(pen, (x1, (y0 + y1) / 2), along="y")


def _door(pen: Pen, at: tuple[float, float], along: str) -> None:
    """A gap of 32 units in an inner wall, its leaf open at a right angle, and the arc of its swing."""
    x, y = at
    if along == "x":
        pen.clear((x, y - 4, x + 32, y + 4))
        pen.line([(x, y), (x, y - 32)], 2.2)
        pen.arc((x - 32, y - 32, x + 32, y + 32), 270, 360, 0.9)
    else:
        pen.clear((x - 4, y, x + 4, y + 32))
        pen.line([(x, y), (x - 32, y)], 2.2)
        pen.arc((x - 32, y - 32, x + 32, y + 32), 90, 180, 0.9)


def _entrance(pen: Pen, at: tuple[float, float], along: str) -> None:
    x, y = at
    pen.clear((x - 22, y - 6, x + 22, y + 6))
    pen.line([(x - 22, y), (x - 22, y - 44)], 2.4)
    pen.arc((x - 66, y - 44, x + 22, y + 44), 270, 360, 0.9)
    pen.line([(x, y + 30), (x - 7, y + 18), (x + 7, y + 18), (x, y + 30)], 1.2)


def _window(pen: Pen, at: tuple[float, float], along: str) -> None:
    x, y = at
    long, thick = 30.0, 5.0
    box = (x - long, y - thick, x + long, y + thick) if along == "x" else (x - thick, y - long, x + thick, y + long)
    pen.clear(box)
    pen.rectangle(box, 1.0)
    pen.line([(box[0], y), (box[2], y)] if along == "x" else [(x, box[1]), (x, box[3])], 0.8)


def _labels(pen: Pen, rooms: Sequence[_Room], facts: Facts, rng: np.random.Generator) -> list[Region]:
    """The name and the area of every room; the room with the special label has it in small letters."""
    regions: list[Region] = []
    language = str(facts["language"])
    bedrooms = 0
    for room in rooms:
        x0, y0, x1, y1 = room.box
        area = (x1 - x0) * (y1 - y0) / 2400
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        if len(room.items) == 1:
            y = y0 + (y1 - y0) * (_ALONE + 1) / 2
        size = 13.0
        if room.kind == "label":
            name, size = str(facts["label"]), 9.5
            half = len(name) * size * 0.3
            regions.append(_region(LABEL_PREFIX + name, (x - half, y - 8, x + half, y + 8)))
        else:
            name = _NAMES[language][room.kind]
        if room.kind == "bed":
            bedrooms += 1
            name = f"{name} {bedrooms}"
        pen.text((x, y - 5), name, size, plate=True)
        figure = f"{area:.1f} m²"
        pen.text((x, y + 9), figure.replace(".", ",") if language == "fr" else figure, 8.5, plate=True)
    return regions


def _dimensions(pen: Pen, rooms: Sequence[_Room], house: Box) -> None:
    """Chains of dimensions above and to the left: columns, the first column's rooms, the whole."""
    xs = sorted({round(v, 3) for room in rooms for v in (room.box[0], room.box[2])})
    ys = sorted({round(v, 3) for room in rooms if room.box[0] == house[0] for v in (room.box[1], room.box[3])})
    for values, at in ((xs, 66.0), ([house[0], house[2]], 44.0)):
        pen.line([(values[0], at), (values[-1], at)], 0.8)
        for a, b in pairwise(values):
            pen.text(((a + b) / 2, at - 7), f"{(b - a) / 49:.2f}", 8.5)
        for value in values:
            pen.line([(value - 4, at + 4), (value + 4, at - 4)], 1.6)
            pen.line([(value, at - 6), (value, at + 16)], 0.6)
    pen.line([(88, ys[0]), (88, ys[-1])], 0.8)
    for a, b in pairwise(ys):
        pen.text((70, (a + b) / 2), f"{(b - a) / 49:.2f}", 8.5)
    for value in ys:
        pen.line([(84, value + 4), (92, value - 4)], 1.6)
        pen.line([(82, value), (104, value)], 0.6)


def _title_block(pen: Pen, scene: Scene) -> None:
    """Title, architect, number, scale and date of the drawing, in the lower right corner."""
    x0, y0, x1, y1 = 560.0, 612.0, 980.0, 687.0
    pen.clear((x0, y0, x1, y1))
    pen.rectangle((x0, y0, x1, y1), 1.6)
    pen.line([(x0, y0 + 44), (x1, y0 + 44)], 1.0)
    pen.line([(x0 + 270, y0), (x0 + 270, y1)], 1.0)
    title, architect, number, scale, date = scene.text[:5]
    pen.text((x0 + 135, y0 + 22), title, 19, bold=True)
    pen.text((x0 + 135, y0 + 60), architect, 12)
    pen.text((x0 + 345, y0 + 22), number, 19, bold=True)
    pen.text((x0 + 345, y0 + 60), f"{scale}   {date}", 11)
    for i in range(5):
        bar = (60.0 + i * 44, 660.0, 60.0 + (i + 1) * 44, 667.0)
        (pen.rectangle if i % 2 else pen.filled)(bar, 0.8)
        pen.text((60.0 + i * 44, 652.0), str(i), 8)
    pen.text((296, 652), "5 m", 8)


def _north_arrow(pen: Pen, rng: np.random.Generator) -> None:
    x, y, r = 455.0, 650.0, 25.0
    turn = float(rng.uniform(-0.6, 0.6))

    def at(angle: float, length: float) -> tuple[float, float]:
        return x + length * math.sin(angle + turn), y - length * math.cos(angle + turn)

    pen.ellipse((x - r, y - r, x + r, y + r), 1.2)
    pen.polygon([at(0, r), at(2.6, r * 0.8), at(math.pi, r * 0.4)], fill=True)
    pen.polygon([at(0, r), at(-2.6, r * 0.8), at(math.pi, r * 0.4)])
    pen.text(at(0, r + 9), "N", 12, bold=True)


def _on_paper(pen: Pen, rng: np.random.Generator) -> Image.Image:
    """Stains and folds of paper, drawn coarsely and stretched over the sheet."""
    grid = rng.random((40, 56)).astype(np.float32)
    shade = np.clip(242 + 12 * grid, 0, 255).astype(np.uint8)
    shade[:, 27] -= 4
    veil = Image.fromarray(shade).resize(pen.image.size, Image.Resampling.BICUBIC)
    channels = [_multiplied(channel, veil) for channel in pen.image.split()]
    return Image.merge("RGB", channels)


def _multiplied(channel: Image.Image, veil: Image.Image) -> Image.Image:
    product = np.asarray(channel, dtype=np.uint16) * np.asarray(veil, dtype=np.uint16) // 255
    return Image.fromarray(product.astype(np.uint8))
