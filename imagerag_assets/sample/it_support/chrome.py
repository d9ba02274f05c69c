"""What screens have in common: themes, desktops, window frames, buttons, icons. No kind of window here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imagerag_assets.sample.it_support.painter import RGB, Painter, measure, mix
from imagerag_assets.sample.scene import Facts

WHITE: RGB = (255, 255, 255)
RED: RGB = (209, 36, 47)
YELLOW: RGB = (250, 190, 20)
GREEN: RGB = (30, 152, 78)
ACCENTS: dict[str, RGB] = {
    "blue": (0, 103, 192), "green": (24, 140, 74), "purple": (122, 70, 200), "orange": (230, 104, 24),
    "red": (200, 38, 52),
}  # fmt: skip
WALLPAPERS: dict[str, tuple[RGB, RGB]] = {
    "blue": ((16, 62, 140), (110, 178, 236)), "green": ((18, 82, 58), (150, 206, 130)),
    "purple": ((58, 26, 110), (196, 132, 220)), "orange": ((150, 52, 30), (250, 190, 110)),
    "grey": ((70, 74, 80), (170, 174, 180)), "pink": ((150, 40, 96), (250, 176, 196)),
}  # fmt: skip


@dataclass(frozen=True)
class Theme:
    """Colours of a desktop's windows."""

    os: str
    dark: bool
    window: RGB
    panel: RGB
    field: RGB
    text: RGB
    muted: RGB
    border: RGB
    accent: RGB


def theme(facts: Facts) -> Theme:
    """Return the theme that a scene's facts ask for."""
    os, accent = str(facts.get("os", "windows")), ACCENTS[str(facts["accent"])]
    if facts["mode"] == "dark":
        window: RGB = {"windows": (32, 32, 34), "macos": (42, 40, 44), "linux": (48, 44, 46)}.get(os, (30, 32, 36))
        return Theme(
            os, True, window, mix(window, WHITE, 0.07), mix(window, (0, 0, 0), 0.35), (240, 240, 242),
            (168, 170, 176), mix(window, WHITE, 0.2), mix(accent, WHITE, 0.18),
        )  # fmt: skip
    window = {"windows": (249, 249, 250), "macos": (236, 236, 238), "linux": (246, 244, 242)}.get(os, (250, 250, 252))
    return Theme(
        os,
        False,
        window,
        mix(window, (0, 0, 0), 0.05),
        WHITE,
        (26, 28, 32),
        (98, 102, 110),
        (200, 202, 208),
        accent,
    )


def wallpaper(p: Painter, colour: str, style: str, rng: np.random.Generator) -> None:
    """Paint a desktop background: "plain", "waves" or "mountains" in one colour family."""
    dark, bright = (np.array(c, dtype=np.float32) / 255 for c in WALLPAPERS[colour])
    y, x = np.meshgrid(np.linspace(0, 1, 80), np.linspace(0, 1, 128), indexing="ij")
    phase, tilt = rng.uniform(0, 6.28, 3), rng.uniform(-0.6, 0.6)
    t = np.clip(1 - y + tilt * (x - 0.5), 0, 1)
    if style == "waves":
        t = t * 0.5 + 0.5 * (0.5 + 0.5 * np.sin(7 * x + phase[0] + 5 * np.sin(3 * y + phase[1] + 2 * x)))
    elif style == "plain":
        t = 0.25 + 0.12 * t
    p.backdrop((dark + t[..., None] * (bright - dark)).astype(np.float32))
    if style == "mountains":
        low, high = WALLPAPERS[colour]
        height = 0.12 if p.width > p.height else 0.27  # below the clock of a phone
        p.ellipse(p.width * rng.uniform(0.1, 0.8), p.height * height, 90, 90, mix(high, WHITE, 0.7))
        for layer in range(4):
            _ridge(
                p,
                p.height * (0.42 + 0.13 * layer),
                mix(high, mix(low, (0, 0, 0), 0.35), 0.25 + 0.25 * layer),
                rng,
            )


def _ridge(p: Painter, base: float, fill: RGB, rng: np.random.Generator) -> None:
    xs = np.linspace(0, p.width, 15)
    ys = base + rng.uniform(-0.16, 0.1, 15) * min(p.width, p.height) * 0.7
    p.polygon([(0, p.height), *zip(xs.tolist(), ys.tolist(), strict=True), (p.width, p.height)], fill)


def desktop(p: Painter, t: Theme, facts: Facts, rng: np.random.Generator) -> None:
    """Wallpaper, some desktop icons, and the bar with clock and tray that the operating system has."""
    wallpaper(p, str(facts["wallpaper"]), str(facts["wallpaper_style"]), rng)
    clock = f"{rng.integers(8, 18):02d}:{rng.integers(0, 60):02d}"
    tray = str(facts["tray"])
    {"windows": _taskbar, "macos": _menu_bar, "linux": _top_panel}[t.os](p, t, clock, rng)
    size = 32.0
    y = p.height - 42 if t.os == "windows" else 7
    x = p.width - 128 - size
    ink = t.text if t.os != "linux" else WHITE
    tray_icon(p, tray, x, y, size, ink)
    if tray != "calm":
        p.mark(tray, x - 24, y - 24, size + 48, size + 48)


def _taskbar(p: Painter, t: Theme, clock: str, rng: np.random.Generator) -> None:
    for i in range(int(rng.integers(2, 6))):
        folder(p, 28, 34 + i * 108, 56, YELLOW if rng.random() < 0.5 else WALLPAPERS["blue"][1])
    bar = mix(t.window, t.accent, 0.08)
    p.rect(0, p.height - 56, p.width, 56, bar)
    x = p.width / 2 - 190
    for i, fill in enumerate(_app_colours(rng)):
        p.rect(x + i * 56, p.height - 46, 36, 36, fill, radius=7)
    for i in range(4):  # the start button: four panes
        p.rect(x - 56 + 18 * (i % 2), p.height - 46 + 18 * (i // 2), 16, 16, ACCENTS["blue"])
    p.text(p.width - 20, p.height - 28, clock, 20, t.text, anchor="rm")


def _menu_bar(p: Painter, t: Theme, clock: str, rng: np.random.Generator) -> None:
    p.rect(0, 0, p.width, 44, mix(t.window, WHITE, 0.1))
    p.ellipse(20, 12, 20, 20, t.text)
    for i in range(5):
        p.rect(64 + i * 76, 17, 48, 10, t.muted, radius=4)
    p.text(p.width - 20, 22, clock, 20, t.text, anchor="rm")
    colours = _app_colours(rng)
    width = len(colours) * 66 + 20
    x = (p.width - width) / 2
    p.rect(x, p.height - 84, width, 74, mix(t.panel, WHITE, 0.2), radius=18)
    for i, fill in enumerate(colours):
        p.rect(x + 18 + i * 66, p.height - 74, 52, 52, fill, radius=13)


def _top_panel(p: Painter, t: Theme, clock: str, rng: np.random.Generator) -> None:
    p.rect(0, 0, p.width, 44, mix((24, 20, 24), t.window, 0.1 if t.dark else 0.0))
    p.text(p.width - 20, 22, clock, 20, WHITE, anchor="rm")
    p.rect(20, 12, 60, 20, (150, 150, 150), radius=10)
    p.rect(0, 44, 76, p.height - 44, (36, 28, 34))
    for i, fill in enumerate(_app_colours(rng)):
        p.rect(14, 62 + i * 66, 48, 48, fill, radius=10)


def _app_colours(rng: np.random.Generator) -> list[RGB]:
    every = [*ACCENTS.values(), YELLOW, (60, 66, 74), (240, 242, 245), (20, 160, 180)]
    return [every[int(i)] for i in rng.permutation(len(every))[: int(rng.integers(5, 8))]]


def tray_icon(p: Painter, name: str, x: float, y: float, size: float, ink: RGB) -> None:
    """Paint "battery_low" (red), "wifi_off" (crossed out), "update" (orange badge), or a calm wifi sign."""
    if name == "battery_low":
        p.rect(x, y + size * 0.22, size * 0.9, size * 0.5, None, radius=4, outline=RED, width=3)
        p.rect(x + size * 0.9, y + size * 0.36, size * 0.1, size * 0.22, RED)
        p.rect(x + size * 0.1, y + size * 0.32, size * 0.18, size * 0.3, RED)
        return
    wifi(p, x + size / 2, y + size * 0.85, size * 0.8, ink, 3)
    if name == "wifi_off":
        p.line([(x, y + size), (x + size, y)], RED, 4.5)
    elif name == "update":
        p.ellipse(x + size * 0.5, y + size * 0.45, size * 0.55, size * 0.55, ACCENTS["orange"])


def window(p: Painter, t: Theme, x: float, y: float, w: float, h: float, title: str) -> float:
    """Paint a window with its shadow and title bar; returns the y where its content starts."""
    p.shadow(x, y, w, h)
    radius = {"windows": 8, "macos": 14, "linux": 12}[t.os]
    bar, height = mix(t.window, (0, 0, 0), 0.04 if t.os == "windows" else 0.09), 46
    p.rect(x, y, w, h, t.window, radius=radius)
    p.rect(x, y, w, height, bar, radius=radius)
    p.rect(x, y + height - 14, w, 14, bar)
    p.rect(x, y, w, h, None, radius=radius, outline=t.border)
    middle = y + height / 2
    if t.os == "windows":
        p.rect(x + 16, middle - 9, 18, 18, t.accent, radius=3)
        p.text(x + 44, middle, title, 20, t.text, anchor="lm", room=w - 220)
        _caption_buttons(p, t, x + w, middle)
    elif t.os == "macos":
        for i, light in enumerate([(255, 95, 87), (254, 188, 46), (40, 200, 64)]):
            p.ellipse(x + 16 + i * 26, middle - 8, 17, 17, light)
        p.text(x + w / 2, middle, title, 20, t.text, bold=True, anchor="mm", room=w - 220)
    else:
        p.text(x + w / 2, middle, title, 20, t.text, bold=True, anchor="mm", room=w - 160)
        p.ellipse(x + w - 38, middle - 12, 24, 24, ACCENTS["orange"])
        p.line([(x + w - 31, middle - 5), (x + w - 21, middle + 5)], WHITE, 2)
        p.line([(x + w - 31, middle + 5), (x + w - 21, middle - 5)], WHITE, 2)
    return y + height


def _caption_buttons(p: Painter, t: Theme, right: float, middle: float) -> None:
    p.line([(right - 118, middle), (right - 104, middle)], t.text, 1.6)
    p.rect(right - 77, middle - 7, 14, 14, None, outline=t.text, width=1.6)
    p.line([(right - 35, middle - 7), (right - 21, middle + 7)], t.text, 1.8)
    p.line([(right - 35, middle + 7), (right - 21, middle - 7)], t.text, 1.8)


def button(p: Painter, t: Theme, x: float, y: float, label: str, *, primary: bool = False, height: float = 44) -> float:
    """Paint a push button whose right edge is at `x`; returns its left edge."""
    width = measure(label, 20) + 52
    fill = t.accent if primary else t.panel
    p.rect(x - width, y, width, height, fill, radius=7, outline=None if primary else t.border)
    p.text(x - width / 2, y + height / 2, label, 20, WHITE if primary else t.text, anchor="mm")
    return x - width


def toggle(p: Painter, t: Theme, x: float, y: float, on: bool) -> None:
    """Paint a sliding switch, 54 x 28."""
    p.rect(x, y, 54, 28, t.accent if on else t.muted, radius=14)
    p.ellipse(x + (28 if on else 2), y + 2, 24, 24, WHITE)


def message_icon(p: Painter, name: str, x: float, y: float, size: float) -> None:
    """Paint the icon of a message: error, warning, information, question."""
    if name == "warning":
        p.polygon([(x + size / 2, y), (x + size, y + size * 0.9), (x, y + size * 0.9)], YELLOW)
        p.rect(x + size * 0.455, y + size * 0.3, size * 0.09, size * 0.32, (40, 30, 0))
        p.rect(x + size * 0.455, y + size * 0.69, size * 0.09, size * 0.1, (40, 30, 0))
        return
    p.ellipse(x, y, size, size, RED if name == "error" else ACCENTS["blue"])
    a, b = 0.3 * size, 0.7 * size
    if name == "error":
        p.line([(x + a, y + a), (x + b, y + b)], WHITE, size * 0.11)
        p.line([(x + a, y + b), (x + b, y + a)], WHITE, size * 0.11)
    elif name == "information":
        p.rect(x + size * 0.44, y + size * 0.42, size * 0.12, size * 0.36, WHITE)
        p.ellipse(x + size * 0.43, y + size * 0.2, size * 0.14, size * 0.14, WHITE)
    else:
        p.arc(x + size / 2, y + size * 0.38, size * 0.17, 180, 430, WHITE, size * 0.1)
        p.rect(x + size * 0.45, y + size * 0.5, size * 0.1, size * 0.12, WHITE)
        p.ellipse(x + size * 0.44, y + size * 0.7, size * 0.12, size * 0.12, WHITE)


def folder(p: Painter, x: float, y: float, size: float, fill: RGB) -> None:
    """Paint a folder as on a desktop."""
    p.rect(x, y, size * 0.45, size * 0.3, mix(fill, (0, 0, 0), 0.2), radius=4)
    p.rect(x, y + size * 0.12, size, size * 0.68, fill, radius=5)


def wifi(p: Painter, cx: float, bottom: float, size: float, ink: RGB, width: float) -> None:
    """Paint three arcs over a dot."""
    for r in (0.35, 0.65, 0.95):
        p.arc(cx, bottom - size * 0.05, size * r, 225, 315, ink, width)
    p.ellipse(cx - size * 0.09, bottom - size * 0.15, size * 0.18, size * 0.18, ink)


def padlock(p: Painter, cx: float, y: float, size: float, ink: RGB) -> None:
    """Paint a closed padlock."""
    p.arc(cx, y + size * 0.36, size * 0.25, 180, 360, ink, size * 0.1)
    p.rect(cx - size * 0.36, y + size * 0.4, size * 0.72, size * 0.55, ink, radius=size * 0.08)


def avatar(p: Painter, cx: float, cy: float, size: float, back: RGB, ink: RGB = WHITE) -> None:
    """Paint a round portrait placeholder: head and shoulders."""
    p.ellipse(cx - size / 2, cy - size / 2, size, size, back)
    p.ellipse(cx - size * 0.16, cy - size * 0.3, size * 0.32, size * 0.32, ink)
    p.slice(cx, cy + size * 0.38, size * 0.3, 180, 360, ink)


def printer(p: Painter, x: float, y: float, size: float, body: RGB, ink: RGB) -> None:
    """Paint a desktop printer with paper in it."""
    p.rect(x + size * 0.25, y, size * 0.5, size * 0.4, WHITE, outline=ink, width=1.5)
    p.rect(x, y + size * 0.3, size, size * 0.42, body, radius=size * 0.07)
    p.rect(x + size * 0.18, y + size * 0.54, size * 0.64, size * 0.08, ink)
    p.polygon(
        [
            (x + size * 0.22, y + size * 0.58),
            (x + size * 0.78, y + size * 0.58),
            (x + size * 0.86, y + size),
            (x + size * 0.14, y + size),
        ],
        (240, 241, 244),
    )
    for i in range(3):
        p.rect(x + size * 0.28, y + size * (0.68 + 0.09 * i), size * 0.44, size * 0.03, (170, 174, 182))
    p.ellipse(x + size * 0.84, y + size * 0.38, size * 0.07, size * 0.07, GREEN)
