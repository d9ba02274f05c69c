"""Windows on a desktop: error dialogs, settings, installers, the login page. Each fills a screen."""

from __future__ import annotations

import numpy as np

from imagerag_assets.sample.it_support import chrome
from imagerag_assets.sample.it_support.chrome import WHITE, Theme
from imagerag_assets.sample.it_support.content import words
from imagerag_assets.sample.it_support.painter import RGB, Painter, measure, mix
from imagerag_assets.sample.scene import Facts


def error_dialog(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a message box with an icon, a headline, an explanation, and buttons."""
    t, w = chrome.theme(facts), words("error_dialog", str(facts["message"]))
    chrome.desktop(p, t, facts, rng)
    width, height = 690.0, 300.0 + 30 * len(w.lines)
    x, y = rng.uniform(160, p.width - width - 60), rng.uniform(90, p.height - height - 100)
    top = chrome.window(p, t, x, y, width, height, w.title)
    centred = t.os == "macos"
    icon = (x + width / 2 - 40, top + 14) if centred else (x + 34, top + 34)
    chrome.message_icon(p, str(facts["icon"]), *icon, 80)
    left = x + (40 if centred else 146)
    below = p.paragraph(
        left,
        top + (106 if centred else 30),
        x + width - 40 - left,
        w.heading,
        27,
        t.text,
        bold=t.os != "windows",
    )
    for line in w.lines:
        below = p.paragraph(left, below + 6, x + width - 40 - left, line, 22, mix(t.text, t.muted, 0.4))
    right = x + width - 24
    for i, label in enumerate(reversed(w.labels)):
        right = chrome.button(p, t, right, y + height - 62, label, primary=i == len(w.labels) - 1) - 14


def _settings_frame(p: Painter, t: Theme, title: str, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Paint a large settings window with a side list; returns the box of its content."""
    x, y, width, height = rng.uniform(96, 130), rng.uniform(56, 66), 1000.0, 590.0
    top = chrome.window(p, t, x, y, width, height, title)
    p.rect(x + 1, top, 200, y + height - top - 8, t.panel)
    chosen = int(rng.integers(0, 7))
    for i in range(8):
        line = top + 26 + i * 58
        if i == chosen:
            p.rect(x + 10, line - 12, 180, 44, mix(t.panel, t.accent, 0.25), radius=6)
            p.rect(x + 10, line - 2, 5, 24, t.accent, radius=2)
        p.rect(x + 28, line - 2, 24, 24, mix(t.accent, t.muted, 0.2 * (i % 4)), radius=6)
        p.rect(x + 66, line + 4, 62 + 13.0 * (i * 5 % 4), 11, t.muted, radius=4)
    return x + 232, top + 22, width - 262, y + height - top - 40


def printer_settings(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a printer's page in the settings, with its picture, status, and options."""
    t, w = chrome.theme(facts), words("printer_settings", str(facts["message"]))
    chrome.desktop(p, t, facts, rng)
    x, y, width, _ = _settings_frame(p, t, w.title, rng)
    body: RGB = (70, 74, 82) if facts["printer"] == "black" else (206, 210, 216)
    chrome.printer(p, x + 10, y + 6, 150, body, (40, 42, 48))
    p.text(x + 190, y + 8, w.heading, 27, t.text, bold=True, room=width - 190)
    alarm: RGB = (255, 160, 150) if t.dark else (150, 16, 28)
    for i, line in enumerate(w.lines):
        p.text(x + 190, y + 54 + i * 32, line, 22, alarm if i == 0 else t.muted)
    right = x + width
    for label in w.labels[2::-1]:
        right = chrome.button(p, t, right, y + 176, label) - 12
    for i, label in enumerate(w.labels[3:]):
        row = y + 244 + i * 88
        p.rect(x, row, width, 74, t.panel, radius=8, outline=t.border)
        p.text(x + 24, row + 37, label, 22, t.text, anchor="lm")
        if i == 0:
            p.rect(x + width - 210, row + 16, 186, 42, t.field, radius=6, outline=t.border)
            p.text(x + width - 194, row + 37, "A4", 20, t.text, anchor="lm")
            p.polygon([(x + width - 56, row + 32), (x + width - 40, row + 32), (x + width - 48, row + 42)], t.muted)
        else:
            chrome.toggle(p, t, x + width - 80, row + 23, bool(rng.random() < 0.5))


def network_settings(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint the network page: a status banner, a list of wireless networks, switches, and an address."""
    t, w = chrome.theme(facts), words("network_settings", str(facts["message"]))
    chrome.desktop(p, t, facts, rng)
    x, y, width, height = _settings_frame(p, t, w.title, rng)
    banner = chrome.YELLOW if facts["banner"] == "yellow" else chrome.RED
    p.rect(x, y, width, 84, mix(t.window, banner, 0.35 if t.dark else 0.22), radius=8, outline=banner, width=2)
    chrome.message_icon(p, "warning" if facts["banner"] == "yellow" else "error", x + 20, y + 18, 48)
    p.text(x + 92, y + 42, w.heading, 27, t.text, bold=True, anchor="lm")
    for i, label in enumerate(w.labels[:2]):
        p.text(x + 8 + i * width / 2, y + 120, label, 22, t.text, anchor="lm")
        chrome.toggle(p, t, x + (i + 1) * width / 2 - 90, y + 106, i == 0)
    for i, name in enumerate(w.lines):
        line = y + 152 + i * 66
        p.rect(
            x,
            line,
            width,
            58,
            mix(t.panel, t.accent, 0.22) if i == 0 else t.panel,
            radius=6,
            outline=t.border,
        )
        chrome.wifi(p, x + 40, line + 44, 30, t.text if i == 0 else t.muted, 4)
        p.text(x + 84, line + 29, name, 22, t.text, anchor="lm")
        chrome.padlock(p, x + width - 36, line + 14, 28, t.muted)
    p.text(x + 8, y + height - 44, w.labels[2], 22, t.muted)
    p.text(x + width - 8, y + height - 44, w.labels[3], 22, t.text, family="mono", anchor="ra")


def installer(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a progress window: a bar or a ring, filled to `percent`, and maybe a picture at its side."""
    t, w = chrome.theme(facts), words("installer", str(facts["message"]))
    chrome.desktop(p, t, facts, rng)
    width, height = 820.0, 430.0
    x, y = rng.uniform(150, p.width - width - 60), rng.uniform(80, p.height - height - 110)
    top = chrome.window(p, t, x, y, width, height, w.title)
    left, percent = x + 40, int(facts["percent"])
    if facts["art"] == "box":
        p.rect(x + 1, top, 210, height - 60, mix(t.accent, (0, 0, 0), 0.25))
        _parcel(p, x + 106, top + 160, t.accent)
        left = x + 246
    room = x + width - 40 - left
    if facts["progress"] == "ring":
        _ring(p, t, left + room / 2, top + 92, percent)
        below = top + 176
    else:
        below = p.paragraph(left, top + 30, room, w.heading, 30, t.text, bold=True) + 16
        p.rect(left, below, room, 30, t.field, radius=6, outline=t.border)
        p.rect(
            left + 2,
            below + 2,
            (room - 4) * percent / 100,
            26,
            chrome.GREEN if t.os == "windows" else t.accent,
            radius=5,
        )
        below += 52
    if facts["progress"] == "ring":
        p.text(left, below, w.heading, 27, t.text, bold=True, room=room)
        below += 44
    for line in (f"{percent} %", *w.lines):
        p.text(left, below, line, 22, t.muted if "%" not in line else t.text, room=room)
        below += 36
    right = x + width - 24
    for label in reversed(w.labels):
        right = chrome.button(p, t, right, y + height - 60, label) - 14


def _ring(p: Painter, t: Theme, cx: float, cy: float, percent: int) -> None:
    p.arc(cx, cy, 70, 0, 360, t.border, 16)
    p.arc(cx, cy, 70, -90, -90 + 3.6 * percent, t.accent, 16)


def _parcel(p: Painter, cx: float, cy: float, tint: RGB) -> None:
    """Paint an open cardboard box seen from a corner."""
    side, front = (176, 128, 78), (206, 158, 104)
    p.polygon([(cx - 66, cy - 30), (cx, cy - 60), (cx + 66, cy - 30), (cx, cy)], mix(side, (0, 0, 0), 0.5))
    p.polygon([(cx - 66, cy - 30), (cx, cy), (cx, cy + 80), (cx - 66, cy + 46)], side)
    p.polygon([(cx + 66, cy - 30), (cx, cy), (cx, cy + 80), (cx + 66, cy + 46)], front)
    p.polygon([(cx - 66, cy - 30), (cx, cy), (cx - 26, cy + 26), (cx - 92, cy - 6)], mix(side, WHITE, 0.25))
    p.polygon([(cx + 66, cy - 30), (cx, cy), (cx + 26, cy + 26), (cx + 92, cy - 6)], mix(front, WHITE, 0.25))
    p.polygon(
        [(cx - 20, cy - 110), (cx + 20, cy - 110), (cx + 20, cy - 60), (cx - 20, cy - 60)],
        mix(tint, WHITE, 0.6),
    )
    p.polygon([(cx - 40, cy - 62), (cx + 40, cy - 62), (cx, cy - 22)], mix(tint, WHITE, 0.6))


def login_form(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a sign-in page: a card on a coloured ground, or a form beside a picture."""
    t, w = chrome.theme(facts), words("login_form", str(facts["message"]))
    if facts["layout"] == "card":
        chrome.wallpaper(p, str(facts["wallpaper"]), "plain" if t.dark else "waves", rng)
        x = p.width / 2 - 230
        p.shadow(x, 50, 460, 650)
        p.rect(x, 50, 460, 650, t.window, radius=16)
    else:
        chrome.wallpaper(p, str(facts["wallpaper"]), "mountains", rng)
        x = p.width - 500.0
        p.rect(x - 40, 0, 540, p.height, t.window)
    y = 80.0
    if facts["emblem"] == "avatar":
        chrome.avatar(p, x + 230, y + 52, 104, mix(t.accent, t.muted, 0.3))
    else:
        chrome.padlock(p, x + 230, y, 104, t.accent)
    p.text(x + 230, y + 136, w.title, 25, t.muted, anchor="mm")
    p.text(x + 230, y + 176, w.heading, 36, t.text, bold=True, anchor="mm")
    p.rect(x + 40, y + 212, 380, 84, mix(t.window, chrome.RED, 0.2), radius=8, outline=chrome.RED)
    p.paragraph(x + 58, y + 222, 350, w.lines[0], 22, t.text)
    for i, label in enumerate(w.labels[:2]):
        p.text(x + 40, y + 316 + i * 92, label, 20, t.text)
        p.rect(x + 40, y + 344 + i * 92, 380, 50, t.field, radius=7, outline=t.border, width=1.5)
        filler = str(rng.choice(["mhughes", "c.lefevre", "dana.novak", "okafor"])) if i == 0 else "•" * 9
        p.text(x + 56, y + 369 + i * 92, filler, 22, t.text, anchor="lm")
    p.rect(x + 40, y + 516, 380, 54, t.accent, radius=8)
    p.text(x + 230, y + 543, w.labels[2], 24, WHITE, bold=True, anchor="mm")
    p.text(x + 230 - measure(w.labels[3], 20) / 2, y + 582, w.labels[3], 20, t.accent)
