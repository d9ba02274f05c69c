"""The shape of each object that the shop sells, and of the props beside them, as parts of a `Sprite`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imagerag_assets.sample import drawing
from imagerag_assets.sample.drawing import as_float32
from imagerag_assets.sample.products.sprite import Look, Sprite, contrast, tone_of

# width and upper edge of an object as fractions of its sprite
EXTENT: dict[str, tuple[float, float]] = {
    "mug": (0.76, 0.29), "vase": (0.62, 0.08), "lamp": (0.68, 0.08), "bottle": (0.36, 0.05),
    "teapot": (0.96, 0.23), "tote": (0.84, 0.06), "sneaker": (0.98, 0.42), "chair": (0.66, 0.06),
    "sofa": (0.98, 0.40), "watch": (0.58, 0.02), "backpack": (0.80, 0.03), "cushion": (0.90, 0.05),
}  # fmt: skip


def _mug(s: Sprite) -> None:
    ring = np.clip(s.ellipse(0.60, 0.42, 0.94, 0.80) - s.ellipse(0.66, 0.49, 0.87, 0.73), 0, 1)
    s.solid(as_float32(ring), 0.035)
    taper = float(s.rng.uniform(-0.015, 0.03))
    s.lathe([(0.34, 0.26), (0.75, 0.26 - taper), (0.86, 0.245 - taper), (0.89, 0.21 - taper)],
            cx=0.44, pattern=s.look.pattern, open_top=True)  # fmt: skip
    if s.look.print:
        s.words(s.look.print, (0.23, 0.48, 0.65, 0.76), contrast(s.look.colour))


def _vase(s: Sprite) -> None:
    profiles = (
        [(0.10, 0.11), (0.22, 0.075), (0.34, 0.12), (0.58, 0.27), (0.78, 0.20), (0.89, 0.12), (0.90, 0.12)],
        [(0.08, 0.16), (0.20, 0.11), (0.45, 0.14), (0.72, 0.20), (0.85, 0.17), (0.90, 0.13)],
        [(0.14, 0.10), (0.30, 0.06), (0.46, 0.17), (0.64, 0.30), (0.80, 0.26), (0.90, 0.13)],
    )
    s.lathe(profiles[int(s.rng.integers(3))], pattern=s.look.pattern, open_top=True)
    if s.look.print:
        s.words(s.look.print, (0.32, 0.56, 0.68, 0.74), contrast(s.look.colour))


def _lamp(s: Sprite) -> None:
    base_tone = {"wood": "oak", "metal": "brass", "ceramic": "white"}[s.look.material]
    bulge = float(s.rng.uniform(0.03, 0.12))
    s.lathe([(0.42, 0.02), (0.55, 0.03), (0.70, 0.03 + bulge), (0.82, 0.04), (0.86, 0.15), (0.91, 0.17)],
            tone=drawing.colour(base_tone))  # fmt: skip
    s.lathe([(0.10, 0.19), (0.48, 0.33)], material="fabric", pattern=s.look.pattern, tilt=0.12, open_top=True)
    y = np.linspace(0, 1, s.n, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, s.n, dtype=np.float32)[None, :]
    glow = np.clip(1 - ((y - 0.34) / 0.2) ** 2 - (x / 0.45) ** 2, 0, 1) * 0.34
    s.put(as_float32(glow), (1.0, 0.93, 0.72))


def _bottle(s: Sprite) -> None:
    cork = drawing.colour("pine") if s.look.material == "glass" else drawing.colour("steel")
    s.lathe([(0.05, 0.048), (0.13, 0.045)], material="wood" if s.look.material == "glass" else "metal", tone=cork)
    s.lathe([(0.10, 0.06), (0.14, 0.055), (0.30, 0.06), (0.42, 0.165), (0.50, 0.17), (0.88, 0.17), (0.90, 0.15)])
    if s.look.print:
        arc = [(0.5 - 0.168 * np.cos(a), 0.034 * np.sin(a)) for a in np.linspace(0, np.pi, 20)]
        edge = [(x, 0.53 + y) for x, y in arc] + [(x, 0.80 + y) for x, y in reversed(arc)]
        s.solid(s.polygon(edge), 0.015, material="rubber", tone=(0.96, 0.94, 0.88))
        s.words(tuple(s.look.print[0].split(" ", 1)), (0.35, 0.58, 0.65, 0.80), (0.15, 0.12, 0.10))


def _teapot(s: Sprite) -> None:
    handle = np.clip(s.ellipse(0.66, 0.40, 0.98, 0.82) - s.ellipse(0.70, 0.465, 0.92, 0.755), 0, 1)
    s.solid(as_float32(handle), 0.03)
    spout = s.polygon([(0.30, 0.60), (0.16, 0.52), (0.10, 0.37), (0.03, 0.335), (0.045, 0.315), (0.13, 0.32),
                       (0.17, 0.38), (0.32, 0.78)], rounding=3)  # fmt: skip
    s.solid(spout, 0.04)
    s.lathe([(0.36, 0.13), (0.40, 0.19), (0.52, 0.28), (0.64, 0.31), (0.78, 0.25), (0.88, 0.16),
             (0.90, 0.155)], pattern=s.look.pattern)  # fmt: skip
    s.lathe([(0.31, 0.02), (0.345, 0.11), (0.385, 0.15)])
    s.lathe([(0.235, 0.008), (0.265, 0.04), (0.295, 0.035), (0.315, 0.02)])
    if s.look.print:
        s.words(s.look.print, (0.30, 0.60, 0.70, 0.78), contrast(s.look.colour))


def _tote(s: Sprite) -> None:
    strap = tuple(c * 0.7 for c in tone_of(s.look))
    tone = (strap[0], strap[1], strap[2])
    arc = [(0.5 + 0.17 * np.cos(a), 0.42 - 0.32 * np.sin(a)) for a in np.linspace(0, np.pi, 24)]
    s.solid(s.strokes([[(x + 0.02, y - 0.03) for x, y in arc]], 0.026), 0.012, tone=tone)
    s.solid(s.polygon([(0.17, 0.38), (0.83, 0.38), (0.83, 0.385), (0.91, 0.86), (0.90, 0.94), (0.86, 0.945),
                       (0.14, 0.945), (0.10, 0.94), (0.09, 0.86), (0.17, 0.385)], rounding=1),
            0.09, pattern=s.look.pattern)  # fmt: skip
    s.put(as_float32(s.strokes([[(0.17, 0.425), (0.83, 0.425)]], 0.005) * 0.5), tone)
    s.solid(s.strokes([[(x, y + 0.06) for x, y in arc]], 0.03), 0.014, tone=tone)
    if s.look.print:
        s.words(s.look.print, (0.22, 0.55, 0.78, 0.82), contrast(s.look.colour))


def _sneaker(s: Sprite) -> None:
    upper = s.polygon([(0.06, 0.52), (0.07, 0.44), (0.16, 0.42), (0.22, 0.50), (0.34, 0.49), (0.44, 0.42),
                       (0.50, 0.46), (0.66, 0.62), (0.84, 0.66), (0.96, 0.74), (0.97, 0.90), (0.05, 0.90),
                       (0.05, 0.66)], rounding=3)  # fmt: skip
    s.solid(upper, 0.13, pattern=s.look.pattern)
    toe = as_float32(s.ellipse(0.78, 0.64, 1.10, 1.0) * upper)
    s.solid(toe, 0.05, material="rubber", tone=(0.93, 0.93, 0.91))
    heel = as_float32(s.polygon([(0.02, 0.56), (0.16, 0.56), (0.18, 0.9), (0.02, 0.9)]) * upper)
    dark = tuple(c * 0.55 for c in tone_of(s.look))
    s.solid(heel, 0.03, tone=(dark[0], dark[1], dark[2]))
    s.put(s.ellipse(0.10, 0.435, 0.42, 0.50), (dark[0] * 0.5, dark[1] * 0.5, dark[2] * 0.5))
    bands = s.strokes([[(0.30, 0.56), (0.36, 0.80)], [(0.36, 0.56), (0.42, 0.80)]], 0.022)
    s.put(as_float32(bands * (upper > 0.5) * 0.85), contrast(s.look.colour))
    laces = [[(0.46 + k * 0.047, 0.47 + k * 0.042), (0.40 + k * 0.047, 0.565 + k * 0.036)] for k in range(5)]
    s.solid(s.strokes(laces, 0.018), 0.01, material="rubber", tone=(0.97, 0.97, 0.95))
    sole = s.rounded(0.035, 0.785, 0.985, 0.94, 0.045)
    s.solid(sole, 0.03, material="rubber", tone=(0.93, 0.93, 0.91))
    s.put(as_float32(s.strokes([[(0.04, 0.895), (0.975, 0.895)]], 0.008) * sole), tone_of(s.look))


def _chair(s: Sprite) -> None:
    lean = float(s.rng.uniform(0.02, 0.06))
    deep = tuple(c * 0.72 for c in tone_of(s.look))
    shade = (deep[0], deep[1], deep[2])
    for x in (0.34, 0.67):
        s.solid(s.polygon([(x, 0.58), (x + 0.045, 0.58), (x + 0.04, 0.86), (x + 0.01, 0.86)]), 0.02, tone=shade)
    for left, right in ((0.29, 0.335), (0.685, 0.73)):
        s.solid(s.polygon([(left - lean, 0.06), (right - lean, 0.06), (right, 0.62), (left, 0.62)]), 0.02)
    for top in (0.09, 0.22, 0.35):
        rail = [(0.28 - lean * 0.8, top), (0.74 - lean * 0.8, top), (0.74 - lean * 0.6, top + 0.075),
                (0.28 - lean * 0.6, top + 0.075)]  # fmt: skip
        s.solid(s.polygon(rail), 0.02)
    s.solid(s.polygon([(0.25, 0.635), (0.79, 0.635), (0.77, 0.69), (0.27, 0.69)]), 0.02, tone=shade)
    s.solid(s.polygon([(0.30, 0.53), (0.72, 0.53), (0.82, 0.64), (0.22, 0.64)], rounding=1), 0.02)
    for x in (0.245, 0.745):
        s.solid(s.polygon([(x, 0.655), (x + 0.05, 0.655), (x + 0.042, 0.94), (x + 0.01, 0.94)]), 0.022)
    s.solid(s.polygon([(0.26, 0.80), (0.78, 0.80), (0.78, 0.825), (0.26, 0.825)]), 0.012, tone=shade)


def _sofa(s: Sprite) -> None:
    feet = drawing.colour("walnut")
    for x in (0.08, 0.88):
        s.solid(s.polygon([(x, 0.86), (x + 0.05, 0.86), (x + 0.038, 0.94), (x + 0.012, 0.94)]), 0.02, "wood", feet)
    s.solid(s.rounded(0.06, 0.40, 0.94, 0.80, 0.07), 0.07, pattern=s.look.pattern)
    s.solid(s.rounded(0.10, 0.75, 0.90, 0.895, 0.02), 0.03)
    seats = 2 + int(s.rng.integers(2))
    for k in range(seats):
        left, right = 0.13 + 0.74 * k / seats, 0.13 + 0.74 * (k + 1) / seats
        s.solid(s.rounded(left + 0.004, 0.45, right - 0.004, 0.69, 0.04), 0.06, pattern=s.look.pattern)
        s.solid(s.rounded(left + 0.002, 0.665, right - 0.002, 0.79, 0.03), 0.04, pattern=s.look.pattern)
    for left, right in ((0.02, 0.15), (0.85, 0.98)):
        s.solid(s.rounded(left, 0.54, right, 0.90, 0.05), 0.055)


def _watch(s: Sprite) -> None:
    strap = s.polygon([(0.385, 0.02), (0.615, 0.02), (0.645, 0.30), (0.645, 0.66), (0.605, 0.95),
                       (0.395, 0.95), (0.355, 0.66), (0.355, 0.30)])  # fmt: skip
    s.solid(strap, 0.03)
    if s.look.material == "metal":
        links = [[(0.35, y), (0.65, y)] for y in np.arange(0.06, 0.95, 0.045)]
        s.put(as_float32(s.strokes(links, 0.007) * strap * 0.7), (0.12, 0.12, 0.13))
    else:
        for x in (0.405, 0.595):
            s.put(as_float32(s.strokes([[(x, 0.05), (x, 0.93)]], 0.005) * 0.6), (0.9, 0.85, 0.7))
        s.put(s.ellipse(0.485, 0.86, 0.515, 0.89), (0.05, 0.05, 0.05))
        s.put(s.ellipse(0.485, 0.80, 0.515, 0.83), (0.05, 0.05, 0.05))
    s.solid(s.rounded(0.735, 0.45, 0.80, 0.51, 0.01), 0.012, "metal", drawing.colour("steel"))
    s.solid(s.ellipse(0.24, 0.22, 0.76, 0.74), 0.05, "metal", drawing.colour("steel"))
    dial_dark = bool(s.rng.integers(2))
    dial, ink = ((0.08, 0.09, 0.12), (0.95, 0.95, 0.95)) if dial_dark else ((0.96, 0.96, 0.94), (0.08, 0.08, 0.09))
    s.put(s.ellipse(0.285, 0.265, 0.715, 0.695), dial)
    around = [(np.sin(a), -np.cos(a)) for a in np.arange(12) * np.pi / 6]
    hours = [[(0.5 + r * x, 0.48 + r * y) for r in (0.17, 0.198)] for x, y in around]
    s.put(s.strokes(hours, 0.012), ink)
    hour = s.rng.uniform(0, 2 * np.pi)
    for turn, reach, width in ((hour, 0.10, 0.02), (hour * 12, 0.155, 0.012)):
        s.put(s.strokes([[(0.5, 0.48), (0.5 + reach * np.sin(turn), 0.48 - reach * np.cos(turn))]], width), ink)
    s.put(s.ellipse(0.483, 0.463, 0.517, 0.497), ink)
    s.put(
        as_float32(s.polygon([(0.36, 0.30), (0.50, 0.27), (0.36, 0.58), (0.30, 0.46)], 2) * 0.16),
        (1.0, 1.0, 1.0),
    )


def _backpack(s: Sprite) -> None:
    deep = tuple(c * 0.6 for c in tone_of(s.look))
    dark = (deep[0], deep[1], deep[2])
    loop = [(0.5 + 0.08 * np.cos(a), 0.12 - 0.09 * np.sin(a)) for a in np.linspace(0, np.pi, 16)]
    s.solid(s.strokes([loop], 0.028), 0.014, tone=dark)
    straps = [[(0.24, 0.25), (0.12, 0.45), (0.13, 0.80)], [(0.76, 0.25), (0.88, 0.45), (0.87, 0.80)]]
    s.solid(s.strokes(straps, 0.05), 0.02, tone=dark)
    body = s.polygon([(0.5, 0.07), (0.74, 0.09), (0.82, 0.30), (0.85, 0.70), (0.84, 0.96), (0.5, 0.95),
                      (0.16, 0.96), (0.15, 0.70), (0.18, 0.30), (0.26, 0.09)], rounding=3)  # fmt: skip
    s.solid(body, 0.13, pattern=s.look.pattern)
    zip_arc = [(0.5 + 0.27 * np.cos(a), 0.40 - 0.21 * np.sin(a)) for a in np.linspace(0, np.pi, 30)]
    s.put(s.strokes([zip_arc], 0.012), (0.12, 0.12, 0.13))
    pocket = s.rounded(0.24, 0.52, 0.76, 0.87, 0.07)
    s.put(as_float32(s.rounded(0.23, 0.515, 0.77, 0.885, 0.07) * 0.55), dark)
    s.solid(pocket, 0.06, pattern=s.look.pattern)
    s.put(s.strokes([[(0.28, 0.585), (0.72, 0.585)]], 0.012), (0.12, 0.12, 0.13))
    s.solid(s.strokes([[(0.70, 0.585), (0.71, 0.65)]], 0.016), 0.008, "metal", drawing.colour("steel"))
    if s.look.print:
        s.words(s.look.print, (0.29, 0.63, 0.69, 0.82), contrast(s.look.colour), "sans")


def _cushion(s: Sprite) -> None:
    corner, middle = 0.06, 0.115
    square = s.polygon([(corner, corner), (0.5, middle), (1 - corner, corner), (1 - middle, 0.5),
                        (1 - corner, 0.96), (0.5, 0.915), (corner, 0.96), (middle, 0.5)])  # fmt: skip
    curved = s.polygon([(corner, corner + 0.01), (0.2, 0.09), (0.5, middle), (0.8, 0.09),
                        (1 - corner, corner + 0.01), (0.91, 0.2), (1 - middle, 0.5), (0.91, 0.8),
                        (1 - corner, 0.95), (0.8, 0.93), (0.5, 0.915), (0.2, 0.93), (corner, 0.95),
                        (0.09, 0.8), (middle, 0.5), (0.09, 0.2)], rounding=2)  # fmt: skip
    deep = tuple(c * 0.7 for c in tone_of(s.look))
    s.solid(as_float32(np.maximum(square, curved)), 0.02, tone=(deep[0], deep[1], deep[2]))
    s.solid(curved, 0.36, pattern=s.look.pattern)
    if s.look.print:
        s.words(s.look.print, (0.2, 0.36, 0.8, 0.66), contrast(s.look.colour))


_OBJECTS: dict[str, Callable[[Sprite], None]] = {
    "mug": _mug, "vase": _vase, "lamp": _lamp, "bottle": _bottle, "teapot": _teapot, "tote": _tote,
    "sneaker": _sneaker, "chair": _chair, "sofa": _sofa, "watch": _watch, "backpack": _backpack,
    "cushion": _cushion,
}  # fmt: skip


def object_sprite(name: str, n: int, rng: np.random.Generator, look: Look) -> Sprite:
    sprite = Sprite(n, rng, look)
    _OBJECTS[name](sprite)
    return sprite


def prop_sprite(rng: np.random.Generator, name: str, n: int, sun: tuple[float, float, float]) -> Sprite:
    s = Sprite(n, rng, Look("yellow", "rubber", "plain", sun))
    if name == "lemons":
        for x, y in ((0.10, 0.62), (0.46, 0.66)):
            s.solid(s.polygon([(x, y + 0.14), (x + 0.05, y + 0.05), (x + 0.20, y), (x + 0.36, y + 0.05),
                               (x + 0.44, y + 0.14), (x + 0.36, y + 0.24), (x + 0.20, y + 0.28),
                               (x + 0.05, y + 0.24)], rounding=2), 0.12, tone=(0.96, 0.82, 0.10))  # fmt: skip
        return s
    if name == "books":
        covers = ("blue", "beige", "orange", "green")
        for k, cover in enumerate(covers):
            left, top = 0.10 + 0.05 * float(rng.random()), 0.80 - 0.13 * k
            s.solid(s.rounded(left, top, left + 0.78, top + 0.13, 0.012), 0.03, tone=drawing.colour(cover))
            s.put(s.rounded(left + 0.66, top + 0.02, left + 0.785, top + 0.11, 0.004), (0.93, 0.91, 0.85))
        return s
    for turn in np.linspace(-1.25, 1.25, 9):
        reach = 0.50 + 0.12 * float(rng.random())
        tip = (0.5 + reach * np.sin(turn) * 0.85, 0.66 - reach * np.cos(turn))
        side = (0.075 * np.cos(turn), 0.075 * np.sin(turn))
        middle = ((0.5 + tip[0]) / 2, (0.66 + tip[1]) / 2)
        leaf = [(0.5, 0.66), (middle[0] - side[0], middle[1] - side[1]), tip,
                (middle[0] + side[0], middle[1] + side[1])]  # fmt: skip
        s.solid(s.polygon(leaf, rounding=2), 0.05, tone=(0.12, 0.36 + 0.2 * float(rng.random()), 0.15))
    s.lathe([(0.64, 0.19), (0.70, 0.18), (0.92, 0.13)], material="ceramic", tone=(0.70, 0.40, 0.28), open_top=True)
    return s
