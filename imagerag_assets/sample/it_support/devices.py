"""Screens of other devices: a phone's screenshot, and the photo that someone took of a monitor or laptop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from imagerag_assets.sample import drawing
from imagerag_assets.sample.it_support import chrome
from imagerag_assets.sample.it_support.chrome import WHITE, Theme
from imagerag_assets.sample.it_support.content import words
from imagerag_assets.sample.it_support.painter import RGB, Painter, mix
from imagerag_assets.sample.scene import Facts

Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]
"""Corners of a tilted rectangle: top left, top right, bottom right, bottom left."""
MUGS: dict[str, RGB] = {"red": (190, 40, 44), "white": (232, 230, 226), "yellow": (232, 180, 40)}


def phone(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a phone's screen: a message over the home screen or a list, or a note on the lock screen."""
    t, w = chrome.theme(facts), words("phone", str(facts["message"]))
    screen, clock = str(facts["screen"]), f"{rng.integers(7, 20):02d}:{rng.integers(0, 60):02d}"
    if screen == "list":
        _phone_list(p, t, w.title, rng)
    else:
        chrome.wallpaper(p, str(facts["wallpaper"]), "mountains" if screen == "lock" else "waves", rng)
    ink = t.text if screen == "list" else WHITE
    p.text(40, 36, clock, 26, ink, bold=True, anchor="lm")
    chrome.wifi(p, p.width - 110, 48, 28, ink, 3)
    p.rect(p.width - 80, 26, 42, 22, None, radius=5, outline=ink, width=2)
    p.rect(p.width - 77, 29, 24, 16, ink, radius=3)
    if screen == "lock":
        p.text(p.width / 2, 220, clock, 150, WHITE, anchor="mm")
        y = 560.0
    else:
        if screen == "home":
            _app_grid(p, rng)
        y = 420.0
    _phone_message(p, t, w.heading, w.lines[0], w.labels, y, str(facts["icon"]))
    p.rect(p.width / 2 - 100, p.height - 22, 200, 8, ink, radius=4)


def _phone_message(p: Painter, t: Theme, heading: str, body: str, labels: tuple[str, ...], y: float, icon: str) -> None:
    x, width = 50.0, p.width - 100.0
    p.shadow(x, y, width, 330, strength=0.5)
    p.rect(x, y, width, 330, t.panel, radius=32)
    chrome.message_icon(p, icon, x + 30, y + 30, 56)
    below = p.paragraph(x + 104, y + 32, width - 130, heading, 29, t.text, bold=True)
    p.paragraph(x + 30, max(below, y + 100) + 10, width - 60, body, 25, t.text)
    p.line([(x, y + 256), (x + width, y + 256)], t.border, 2)
    p.line([(x + width / 2, y + 256), (x + width / 2, y + 330)], t.border, 2)
    for i, label in enumerate(labels):
        p.text(x + width * (0.25 + 0.5 * i), y + 293, label, 27, t.accent, bold=i == 0, anchor="mm")


def _app_grid(p: Painter, rng: np.random.Generator) -> None:
    fills = [*chrome.ACCENTS.values(), chrome.YELLOW, (240, 242, 245), (50, 54, 62), (24, 170, 190)]
    for i in range(24):
        x, y = 44 + (i % 4) * 138.0, 110 + (i // 4) * 160.0
        fill = fills[int(rng.integers(0, len(fills)))]
        p.rect(x, y, 98, 98, fill, radius=24)
        glyph = mix(fill, WHITE if sum(fill) < 500 else (0, 0, 0), 0.7)
        if i % 3 == 0:
            p.ellipse(x + 28, y + 28, 42, 42, glyph)
        else:
            p.rect(x + 28, y + 32, 42, 34, glyph, radius=8)
    p.rect(20, p.height - 180, p.width - 40, 140, (200, 204, 214), radius=40)
    for i in range(4):
        p.rect(44 + i * 138, p.height - 160, 98, 98, fills[i], radius=24)


def _phone_list(p: Painter, t: Theme, title: str, rng: np.random.Generator) -> None:
    p.fill(mix(t.window, (0, 0, 0), 0.06))
    p.text(40, 90, title, 44, t.text, bold=True)
    for group, (top, rows) in enumerate(((170, 3), (470, 4), (860, 4))):
        p.rect(30, top, p.width - 60, rows * 84, t.panel if t.dark else WHITE, radius=20)
        for i in range(rows):
            y = top + i * 84
            fill = list(chrome.ACCENTS.values())[int(rng.integers(0, 5))]
            p.rect(54, y + 18, 48, 48, fill, radius=12)
            p.rect(126, y + 34, 130 + 30.0 * ((i + group) % 4), 15, t.muted, radius=5)
            p.line([(126, y + 84), (p.width - 30, y + 84)], t.border, 1.5)
            if rng.random() < 0.5:
                chrome.toggle(p, t, p.width - 110, y + 28, bool(rng.random() < 0.5))


def photographed(inner: Painter, p: Painter, facts: Facts, rng: np.random.Generator) -> Image.Image:
    """Return what a camera sees of the screen `inner` on a desk; `p` paints the room and gives the size."""
    quad = _screen_quad(str(facts["side"]), str(facts["device"]), rng)
    _device(p, quad, facts, rng)
    if p.dry:
        return p.image
    w, h = p.size
    scale = w / p.width
    room = np.asarray(p.finish(), dtype=np.float32) / 255
    room = room * drawing.as_float32(0.82 + 0.36 * drawing.fractal_noise(rng, h, w, 3))[..., None]
    dim = facts["room"] == "dim"
    if dim:
        room *= np.array((0.27, 0.28, 0.36), dtype=np.float32)
    corners = [(x * scale, y * scale) for x, y in quad]
    screen, mask = _warped(inner.finish(), corners, (w, h))
    screen = screen * _moire(rng, h, w, scale)
    canvas = room * (1 - mask) + (screen * (1.05 if dim else 0.92)) * mask
    if dim:
        glow = ndimage.zoom(ndimage.gaussian_filter(mask[::4, ::4, 0], 24 * scale), 4, order=1)[:h, :w]
        canvas = canvas + np.pad(glow, ((0, h - glow.shape[0]), (0, w - glow.shape[1])), "edge")[..., None] * 0.09
    else:
        canvas = canvas + _glare(rng, h, w)[..., None] * mask * 0.3
    return drawing.photo_finish(
        rng,
        drawing.as_float32(canvas),
        noise=0.03 if dim else 0.009,
        vignette=0.3,
        blur=0.7 * scale,
        warmth=0.25,
    )


def _screen_quad(side: str, device: str, rng: np.random.Generator) -> Quad:
    """Where the screen is in a 960 x 720 photo; its near edge is at `side`."""
    jitter = rng.uniform(-14, 14, 8)
    near, far = (60.0, 500.0), (122.0, 452.0)
    if device == "laptop":
        near, far = (50.0, 440.0), (104.0, 410.0)
    (lt, lb), (rt, rb) = (near, far) if side == "left" else (far, near)
    x0, x1 = (110.0, 800.0) if side == "left" else (160.0, 850.0)
    return (
        (x0 + jitter[0], lt + jitter[1]), (x1 + jitter[2], rt + jitter[3]),
        (x1 + jitter[4], rb + jitter[5]), (x0 + jitter[6], lb + jitter[7]),
    )  # fmt: skip


def _device(p: Painter, quad: Quad, facts: Facts, rng: np.random.Generator) -> None:
    """Wall, desk, the monitor or laptop around the screen, a mug, a keyboard or the laptop's own."""
    wall = mix((150, 156, 170), (222, 206, 184), float(rng.random()))
    p.rect(0, 0, p.width, 480, wall)
    p.rect(0, 0, p.width, 90, mix(wall, (0, 0, 0), 0.08))
    wood: RGB = ((150, 108, 70), (196, 160, 118), (92, 70, 54))[int(rng.integers(0, 3))]
    p.rect(0, 470, p.width, 250, wood)
    for i in range(40):
        y = 474 + i * 6.2
        p.line(
            [(0, y), (p.width, y + float(rng.normal(0, 4)))],
            mix(wood, (0, 0, 0), float(rng.uniform(0, 0.16))),
            2,
        )
    (_, _, right, left) = quad
    middle = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    case: RGB = (24, 25, 28)
    if facts["device"] == "laptop":
        shift = 60.0 if facts["side"] == "right" else -60.0
        deck = (left, right, (right[0] + 70 + shift, 672.0), (left[0] - 70 + shift, 672.0))
        p.polygon([(x + 12, y + 16) for x, y in deck], mix(wood, (0, 0, 0), 0.5))
        p.polygon(deck, (172, 174, 180))
        _keys(p, (_at(deck, 0.06, 0.12), _at(deck, 0.94, 0.12), _at(deck, 0.94, 0.6), _at(deck, 0.06, 0.6)))
        pad = (_at(deck, 0.36, 0.66), _at(deck, 0.64, 0.66), _at(deck, 0.66, 0.95), _at(deck, 0.35, 0.95))
        p.polygon(pad, (150, 152, 158))
    else:
        p.ellipse(middle[0] - 130, 570, 260, 60, mix(wood, (0, 0, 0), 0.5))
        p.polygon(
            [
                (middle[0] - 34, middle[1]),
                (middle[0] + 34, middle[1]),
                (middle[0] + 44, 590),
                (middle[0] - 44, 590),
            ],
            case,
        )
        p.ellipse(middle[0] - 124, 562, 248, 52, mix(case, WHITE, 0.12))
        x = middle[0] - 210
        board = ((x + 30, 634.0), (x + 400, 634.0), (x + 440, 706.0), (x - 10, 706.0))
        p.polygon(board, (44, 46, 50))
        _keys(p, board)
    _mug(p, MUGS[str(facts["mug"])] if facts["mug"] != "none" else None, left, right, str(facts["side"]), wood)
    bezel = [_at(quad, u, v) for u, v in ((-0.025, -0.04), (1.025, -0.04), (1.025, 1.05), (-0.025, 1.05))]
    p.polygon(bezel, case)
    p.line([*bezel, bezel[0]], mix(case, WHITE, 0.25), 2)


def _mug(p: Painter, fill: RGB | None, left: Point, right: Point, side: str, wood: RGB) -> None:
    if fill is None:
        return
    x = left[0] - 86 if side == "right" else right[0] + 28
    x = min(max(x, 10.0), p.width - 120.0)
    p.ellipse(x - 4, 606, 120, 34, mix(wood, (0, 0, 0), 0.5))
    p.arc(x + 92, 560, 26, -100, 100, mix(fill, (0, 0, 0), 0.2), 11)
    for i in range(30):
        bulge = 14 * np.sqrt(1 - ((i - 14.5) / 15) ** 2)
        p.rect(x + i * 3, 508, 3.4, 100 + float(bulge), mix(fill, (0, 0, 0), min(abs(i - 10) / 23, 0.6)))
    p.ellipse(x, 494, 90, 28, mix(fill, WHITE, 0.25))
    p.ellipse(x + 8, 498, 74, 21, (58, 36, 22))


def _keys(p: Painter, board: Quad) -> None:
    for row in range(5):
        for column in range(15):
            u, v = (column + 0.1) / 15, (row + 0.12) / 5
            corners = [_at(board, u + du / 15, v + dv / 5) for du, dv in ((0, 0), (0.8, 0), (0.8, 0.76), (0, 0.76))]
            p.polygon(corners, (26, 27, 30))


def _at(quad: Quad, u: float, v: float) -> Point:
    """Return the point at fractions (u, v) of a quad, by bilinear interpolation (also a little outside)."""
    (a, b, c, d) = quad
    top, bottom = [(q + (r - q) * u, s + (e - s) * u) for (q, s), (r, e) in ((a, b), (d, c))]
    return top[0] + (bottom[0] - top[0]) * v, top[1] + (bottom[1] - top[1]) * v


def _warped(
    screen: Image.Image, corners: list[Point], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the screen in perspective on an empty canvas of `size`, and its mask (h, w, 1)."""
    width, height = screen.size
    source = [(0, 0), (width, 0), (width, height), (0, height)]
    rows, wanted = [], []
    for (x, y), (u, v) in zip(corners, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    coefficients = np.linalg.solve(np.array(rows, dtype=float), np.array(wanted, dtype=float)).tolist()
    layer = screen.convert("RGBA").transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    pixels = np.asarray(layer, dtype=np.float32) / 255
    return drawing.as_float32(pixels[..., :3]), drawing.as_float32(pixels[..., 3:])


def _moire(rng: np.random.Generator, h: int, w: int, scale: float) -> NDArray[np.float32]:
    """Faint curved fringes where the sensor's grid meets the screen's."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) / scale
    bend = x + 0.0006 * (y - rng.uniform(100, 500)) ** 2 + rng.uniform(0.1, 0.5) * y
    fringes = 1 + 0.022 * np.sin(bend * 6.28 / rng.uniform(12, 22))
    return drawing.as_float32(fringes)[..., None]


def _glare(rng: np.random.Generator, h: int, w: int) -> NDArray[np.float32]:
    """Return a soft slanted reflection of a window."""
    y, x = np.meshgrid(np.linspace(0, 1, h), np.linspace(0, 1, w), indexing="ij")
    place = x + 0.5 * y - rng.uniform(0.5, 1.1)
    return drawing.as_float32(np.exp(-((place / 0.07) ** 2)) + 0.6 * np.exp(-(((place - 0.2) / 0.04) ** 2)))
