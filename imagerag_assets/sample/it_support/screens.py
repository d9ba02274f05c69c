"""What fills the screen: crash screen, terminal, browser, spreadsheet, mail, chat, dashboard."""

from __future__ import annotations

import numpy as np

from imagerag_assets.sample.it_support import chrome, content
from imagerag_assets.sample.it_support.charts import CHARTS, legend
from imagerag_assets.sample.it_support.chrome import WHITE, Theme
from imagerag_assets.sample.it_support.content import words
from imagerag_assets.sample.it_support.painter import RGB, Painter, measure, mix
from imagerag_assets.sample.scene import Facts

SCREEN_COLOURS: dict[str, RGB] = {"blue": (0, 102, 190), "green": (18, 112, 52), "black": (8, 8, 10)}
BLACK: RGB = (18, 20, 24)


def blue_screen(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a crash screen: a sad face and a code square, or only lines of white text."""
    w = words("blue_screen", str(facts["message"]))
    p.fill(SCREEN_COLOURS[str(facts["colour"])])
    percent = f"{int(rng.integers(0, 10)) * 10} % {w.labels[0]}"
    if facts["face"]:
        x, y = 130.0, 90.0
        p.ellipse(x, y + 8, 24, 24, WHITE)
        p.ellipse(x, y + 96, 24, 24, WHITE)
        p.arc(x + 146, y + 64, 82, 118, 242, WHITE, 15)
        y = p.paragraph(x, y + 190, 940, w.heading, 36, WHITE)
        y = p.paragraph(x, y + 4, 940, w.lines[0], 26, WHITE)
        p.text(x, y + 22, percent, 34, WHITE)
        _code_square(p, x, y + 90, 150, SCREEN_COLOURS[str(facts["colour"])], rng)
        p.text(x + 180, y + 200, w.labels[1], 25, WHITE)
        return
    y = 60.0
    for line in (w.heading, "", w.labels[1], "", w.lines[0], ""):
        y = p.paragraph(50, y, p.width - 100, line, 26, WHITE, family="mono") if line else y + 30
    for _ in range(6):
        address = " ".join(f"0x{int(v):08X}" for v in rng.integers(0, 2**32, 4))
        p.text(50, y, address, 24, WHITE, family="mono")
        y += 40
    p.text(50, y + 20, percent, 26, WHITE, family="mono")


def _code_square(p: Painter, x: float, y: float, size: float, dark: RGB, rng: np.random.Generator) -> None:
    """Paint a square that looks like a QR code."""
    p.rect(x, y, size, size, WHITE)
    cell = (size - 16) / 21
    cells = rng.random((21, 21)) < 0.48
    for row, column in zip(*np.nonzero(cells), strict=True):
        p.rect(x + 8 + column * cell, y + 8 + row * cell, cell, cell, dark)
    for row, column in ((0, 0), (0, 14), (14, 0)):
        left, top = x + 8 + column * cell, y + 8 + row * cell
        p.rect(left, top, 7 * cell, 7 * cell, WHITE)
        p.rect(left, top, 6.6 * cell, 6.6 * cell, None, outline=dark, width=cell)
        p.rect(left + 2 * cell, top + 2 * cell, 2.8 * cell, 2.8 * cell, dark)


def terminal(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a console full of output with an error near its end."""
    t, w = chrome.theme(facts), words("terminal", str(facts["message"]))
    ground: RGB = (14, 16, 20) if t.dark else (252, 251, 246)
    if facts["full_screen"]:
        p.fill(ground)
        x, y, rows = 24.0, 20.0, 23
    else:
        chrome.desktop(p, t, facts, rng)
        x, y, rows = 110.0, 62.0, 16
        top = chrome.window(p, t, x, y, 1000, 590, w.title)
        p.rect(x, top, 1000, 536, ground)
        x, y = x + 20, top + 14
    plain, log, error = _terminal_inks(str(facts["ink"]), t.dark)
    before = [str(rng.choice(content.LOG_LINES[w.language])) for _ in range(rows - len(w.lines) - 2)]
    room = p.width - 2 * x
    for i, line in enumerate([*before, w.heading, *w.lines, "$ "]):
        failed = len(before) < i <= len(before) + len(w.lines)
        p.text(x, y, line, 22, error if failed else log[i % len(log)], family="mono", room=room)
        y += 31
    p.rect(x + 30, y - 30, 12, 24, plain)


def _terminal_inks(ink: str, dark: bool) -> tuple[RGB, tuple[RGB, ...], RGB]:
    """Return the colours of the prompt, of the log's lines in turn, and of errors."""
    if ink == "green":
        green: RGB = (70, 235, 110)
        return green, (green, mix(green, BLACK, 0.25)), green
    plain: RGB = (222, 224, 228) if dark else (40, 42, 46)
    if ink == "plain":
        return plain, (plain,), plain
    cyan, amber, violet = (60, 190, 220), (226, 180, 60), (190, 140, 240)
    if not dark:
        cyan, amber, violet = (0, 110, 140), (140, 96, 0), (110, 50, 170)
    return plain, (plain, cyan, amber, plain, violet), (255, 96, 90) if dark else chrome.RED


def browser_error(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a browser whose page is an error, with an illustration or without."""
    t, w = chrome.theme(facts), words("browser_error", str(facts["message"]))
    p.fill(t.field)
    _browser_bars(p, t, w.title, rng)
    art, centre = str(facts["art"]), p.width / 2
    y = 150.0
    if art == "none":
        y += 40
    else:
        {"robot": _robot, "cloud": _cloud, "plug": _plug}[art](p, centre, y + 110, t)
        y += 240
    size = 110 if len(w.heading) < 5 else 42
    p.text(centre, y, w.heading, size, t.accent if art != "none" else t.text, bold=True, anchor="ma")
    p.text(centre, y + size * 1.2, w.lines[0], 34, t.text, anchor="ma", room=1000)
    p.text(centre, y + size * 1.2 + 54, w.lines[1], 23, t.muted, anchor="ma", room=1000)
    chrome.button(p, t, centre - 8, y + size * 1.2 + 104, w.labels[0], primary=True)
    chrome.button(p, t, centre + 60 + measure(w.labels[1], 20), y + size * 1.2 + 104, w.labels[1])


def _browser_bars(p: Painter, t: Theme, url: str, rng: np.random.Generator) -> None:
    p.rect(0, 0, p.width, 50, mix(t.window, t.muted, 0.3))
    for i in range(int(rng.integers(1, 4))):
        p.rect(16 + i * 230, 10, 222, 40, t.window if i == 0 else mix(t.window, t.muted, 0.15), radius=8)
        p.ellipse(30 + i * 230, 20, 20, 20, chrome.ACCENTS[["blue", "orange", "green"][i]])
        p.rect(60 + i * 230, 25, 110, 10, t.muted, radius=4)
    p.rect(0, 50, p.width, 60, t.window)
    for i in range(3):
        p.arc(36 + i * 46, 80, 11, 40 + i * 90, 320 + i * 90, t.muted, 3)
    p.rect(164, 60, p.width - 240, 40, t.panel, radius=20)
    chrome.padlock(p, 190, 68, 22, t.muted)
    p.text(212, 80, url, 22, t.text, anchor="lm")
    p.ellipse(p.width - 58, 64, 34, 34, t.accent)


def _robot(p: Painter, cx: float, cy: float, t: Theme) -> None:
    body = mix(t.muted, WHITE, 0.35)
    p.line([(cx, cy - 70), (cx + 14, cy - 104)], t.muted, 6)
    p.ellipse(cx + 6, cy - 118, 20, 20, chrome.RED)
    p.rect(cx - 74, cy - 72, 148, 98, body, radius=20)
    p.rect(cx - 58, cy - 54, 116, 56, BLACK, radius=12)
    for side in (-28, 28):
        p.line([(cx + side - 10, cy - 38), (cx + side + 10, cy - 18)], t.accent, 6)
        p.line([(cx + side - 10, cy - 18), (cx + side + 10, cy - 38)], t.accent, 6)
    p.rect(cx - 50, cy + 34, 100, 66, mix(body, BLACK, 0.15), radius=12)
    p.line([(cx - 54, cy + 44), (cx - 96, cy + 84)], t.muted, 13)
    p.line([(cx + 54, cy + 44), (cx + 100, cy + 30)], t.muted, 13)


def _cloud(p: Painter, cx: float, cy: float, t: Theme) -> None:
    fill = mix(t.accent, WHITE, 0.62)
    for dx, dy, r in ((-80, 12, 52), (-20, -34, 74), (62, -6, 60)):
        p.ellipse(cx + dx - r, cy + dy - r, 2 * r, 2 * r, fill)
    p.rect(cx - 126, cy + 4, 248, 60, fill, radius=30)
    for side in (-34, 30):
        p.ellipse(cx + side - 9, cy - 22, 18, 18, BLACK)
    p.arc(cx - 2, cy + 44, 30, 215, 325, BLACK, 6)
    for i in range(4):
        p.line([(cx - 76 + i * 52, cy + 78), (cx - 88 + i * 52, cy + 104)], t.accent, 6)


def _plug(p: Painter, cx: float, cy: float, t: Theme) -> None:
    p.line([(cx - 330, cy + 40), (cx - 220, cy + 50), (cx - 130, cy)], t.muted, 11)
    p.rect(cx - 140, cy - 42, 90, 84, t.accent, radius=18)
    for dy in (-20, 12):
        p.rect(cx - 52, cy + dy, 42, 11, t.muted)
    p.rect(cx + 46, cy - 46, 92, 92, mix(t.accent, BLACK, 0.3), radius=18)
    p.line([(cx + 136, cy), (cx + 220, cy - 46), (cx + 330, cy - 30)], t.muted, 11)
    for angle in (-30, 0, 30):
        dx, dy = 26 * np.cos(np.radians(angle - 90)), 26 * np.sin(np.radians(angle - 90))
        p.line([(cx + 18 + dx * 2, cy - 10 + dy * 2), (cx + 18 + dx * 3.4, cy - 10 + dy * 3.4)], chrome.YELLOW, 6)


def spreadsheet(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a sheet of figures, with cells in a warning colour and maybe a chart over it."""
    t, w = chrome.theme(facts), words("spreadsheet", str(facts["message"]))
    p.fill(t.field)
    p.rect(0, 0, p.width, 50, chrome.ACCENTS["green"])
    p.text(p.width / 2, 25, w.title, 22, WHITE, anchor="mm")
    _ribbon(p, t, rng)
    columns, row_height, top, label = 8, 37.0, 186.0, 60.0
    wide = (p.width - label) / columns
    p.rect(0, top, p.width, 34, t.panel)
    for column in range(columns):
        p.text(label + (column + 0.5) * wide, top + 17, "ABCDEFGH"[column], 19, t.muted, anchor="mm")
    rows = int((p.height - top - 34) / row_height) + 1
    fills = _highlights(str(facts["highlight"]), rng)
    for row in range(rows):
        y = top + 34 + row * row_height
        p.rect(0, y, label, row_height, t.panel)
        p.text(label / 2, y + row_height / 2, str(row + 1), 18, t.muted, anchor="mm")
        for column in range(columns):
            fill = fills.get((row, column)) or (mix(t.field, t.accent, 0.16) if row == 2 else None)
            p.rect(label + column * wide, y, wide, row_height, fill, outline=t.border)
            cell = _cell(w, row, column, rng)
            anchor, x = ("lm", 10.0) if column == 0 or row < 3 else ("rm", wide - 10)
            ink = t.text if (row, column) not in fills else (40, 20, 0) if facts["highlight"] == "yellow" else WHITE
            p.text(
                label + column * wide + x,
                y + row_height / 2,
                cell,
                20,
                ink,
                bold=row in (0, 2),
                anchor=anchor,
            )
    if fills:
        row, column = next(iter(fills))
        p.mark(
            "coloured_cell",
            label + (column - 1) * wide,
            top + 34 + (row - 1) * row_height,
            3 * wide,
            3 * row_height,
        )
    if facts["chart"] != "none":
        p.shadow(640, 330, 480, 330, blur=8)
        p.rect(640, 330, 480, 330, t.window, outline=t.border)
        CHARTS[str(facts["chart"])](p, t, (660, 350, 440, 290), rng, 5)


def _ribbon(p: Painter, t: Theme, rng: np.random.Generator) -> None:
    p.rect(0, 50, p.width, 90, t.window)
    for i in range(22):
        x = 24 + i * 54
        p.rect(
            x,
            66,
            30,
            26,
            mix(t.muted, list(chrome.ACCENTS.values())[int(rng.integers(0, 4))], 0.55),
            radius=4,
        )
        p.rect(x, 102, 34, 8, t.border, radius=3)
    p.rect(0, 140, p.width, 46, t.panel)
    p.rect(14, 146, 100, 34, t.field, outline=t.border)
    p.rect(130, 146, p.width - 150, 34, t.field, outline=t.border)


def _highlights(colour: str, rng: np.random.Generator) -> dict[tuple[int, int], RGB]:
    """Coloured cells: none, a single one ("one red"), or many."""
    red, yellow = chrome.RED, (255, 224, 90)
    if colour == "none":
        return {}
    if colour == "one red":
        return {(int(rng.integers(4, 9)), int(rng.integers(1, 4))): red}
    cells = rng.integers((3, 1), (11, 6), (14, 2))
    return {(int(r), int(c)): red if colour == "red" else yellow for r, c in cells}


def _cell(w: content.Words, row: int, column: int, rng: np.random.Generator) -> str:
    number = f"{rng.integers(100, 99999) / 10:,.1f}"
    if row == 0:
        return w.heading if column == 0 else ""
    if row == 2:
        return w.labels[column] if column < 5 else ""
    name = row - 3
    if row == 1 or not 0 <= name < len(w.lines) or column > 5:
        return ""
    if column == 0:
        return w.lines[name]
    return w.labels[5] if column == 5 and name in (2, 5) else number


def email(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a mail program: folders, list and open message side by side, or the open message alone."""
    t, w = chrome.theme(facts), words("email", str(facts["message"]))
    p.fill(t.window)
    p.rect(0, 0, p.width, 56, t.accent)
    p.text(24, 28, w.title, 24, WHITE, bold=True, anchor="lm")
    p.rect(p.width / 2 - 180, 11, 360, 34, mix(t.accent, WHITE, 0.3), radius=8)
    x = 0.0
    if facts["layout"] == "three columns":
        _mail_list(p, t, w, bool(facts["attachment"]), rng)
        x = 590.0
    p.rect(x, 56, p.width - x, p.height - 56, t.field)
    x, room = x + 36, p.width - x - 72
    right = p.width - 30.0
    for label in reversed(w.labels):
        right = chrome.button(p, t, right, 74, label, height=40) - 10
    y = p.paragraph(x, 140, room, w.heading, 32, t.text, bold=True) + 14
    chrome.avatar(p, x + 28, y + 28, 56, chrome.ACCENTS[["purple", "orange", "green"][int(rng.integers(0, 3))]])
    p.text(x + 74, y + 28, w.lines[0], 23, t.text, bold=True, anchor="lm")
    y += 84
    for line in w.lines[1:]:
        y = p.paragraph(x, y, room, line, 24, t.text) + 14
    for i in range(5):
        p.rect(x, y + 20 + i * 34, room * (0.95 - 0.13 * (i % 3)), 10, t.border, radius=4)


def _mail_list(p: Painter, t: Theme, w: content.Words, attachment: bool, rng: np.random.Generator) -> None:
    p.rect(0, 56, 200, p.height, t.panel)
    for i in range(8):
        chrome.folder(p, 22, 80 + i * 52, 26, mix(t.accent, t.muted, 0.5))
        p.rect(62, 86 + i * 52, 60 + 14.0 * (i * 3 % 5), 11, t.muted, radius=4)
    subjects = [str(s) for s in rng.permutation(content.SUBJECTS[w.language])]
    subjects[1] = w.heading
    marked = int(rng.integers(2, 7))
    for i, subject in enumerate(subjects):
        y = 56 + i * 87.0
        p.rect(200, y, 390, 87, mix(t.window, t.accent, 0.2) if i == 1 else t.window, outline=t.border)
        name = w.lines[0] if i == 1 else content.PEOPLE[int(rng.integers(0, len(content.PEOPLE)))]
        unread = bool(rng.random() < 0.4)
        if unread:
            p.rect(200, y, 6, 87, t.accent)
        p.text(222, y + 14, name, 21, t.text, bold=unread, room=300)
        p.text(222, y + 48, subject, 20, t.muted, room=330)
        if attachment and i == marked:
            _paper_clip(p, 556, y + 14, t.text)
            p.mark("paper_clip", 480, y, 110, 60)


def _paper_clip(p: Painter, x: float, y: float, ink: RGB) -> None:
    p.arc(x, y + 8, 8, 180, 360, ink, 3)
    p.line([(x + 8, y + 8), (x + 8, y + 24)], ink, 3)
    p.arc(x + 2.5, y + 24, 5.5, 0, 180, ink, 3)
    p.line([(x - 3, y + 24), (x - 3, y + 10)], ink, 3)
    p.line([(x - 8, y + 8), (x - 8, y + 22)], ink, 3)


def chat(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint a conversation in speech bubbles, the own ones at the right in the accent colour."""
    t, w = chrome.theme(facts), words("chat", str(facts["message"]))
    p.fill(t.field)
    p.rect(0, 0, 290, p.height, t.panel)
    for i in range(8):
        p.rect(0, 90 + i * 82, 290, 80, mix(t.panel, t.accent, 0.25) if i == 1 else None)
        chrome.avatar(p, 50, 130 + i * 82, 54, list(chrome.ACCENTS.values())[int(rng.integers(0, 5))])
        p.rect(92, 116 + i * 82, 110 + 12.0 * (i * 7 % 5), 12, t.text, radius=4)
        p.rect(92, 138 + i * 82, 150, 9, t.muted, radius=4)
    p.text(24, 42, w.title, 25, t.text, bold=True, anchor="lm")
    p.rect(290, 0, p.width - 290, 76, t.window)
    chrome.avatar(p, 340, 38, 52, t.accent)
    p.text(380, 38, w.heading, 25, t.text, bold=True, anchor="lm")
    y = 98.0
    for i, line in enumerate(w.lines):
        own = i % 2 == 0
        width = min(measure(line, 23) + 44, 700)
        x = p.width - 30 - width if own else 390.0
        p.rect(x, y, width, 62, t.accent if own else t.panel, radius=22)
        p.text(x + 22, y + 31, line, 23, WHITE if own else t.text, anchor="lm", room=width - 30)
        if not own:
            chrome.avatar(p, 346, y + 31, 50, t.muted)
        y += 78
    if facts["picture"]:
        _sent_picture(p, t, y)
    p.rect(314, p.height - 72, p.width - 340, 52, t.window, radius=26, outline=t.border, width=1.5)
    p.text(344, p.height - 46, w.labels[0], 21, t.muted, anchor="lm")
    p.ellipse(p.width - 74, p.height - 66, 40, 40, t.accent)


def _sent_picture(p: Painter, t: Theme, y: float) -> None:
    """Paint a holiday-like photo thumbnail in a bubble."""
    p.rect(390, y, 260, 170, (120, 190, 236), radius=16)
    p.ellipse(580, y + 18, 40, 40, (255, 236, 150))
    p.polygon([(392, y + 168), (470, y + 50), (540, y + 168)], (70, 110, 90))
    p.polygon([(480, y + 168), (570, y + 80), (648, y + 168)], (50, 86, 74))
    chrome.avatar(p, 346, y + 140, 50, t.muted)


def dashboard(p: Painter, facts: Facts, rng: np.random.Generator) -> None:
    """Paint four figures over one large chart and two small ones."""
    t, w = chrome.theme(facts), words("dashboard", str(facts["message"]))
    p.fill(mix(t.window, BLACK, 0.3 if t.dark else 0.06))
    p.rect(0, 0, 84, p.height, mix(t.accent, BLACK, 0.45))
    for i in range(6):
        p.rect(26, 100 + i * 70, 32, 32, WHITE if i == 0 else mix(t.accent, WHITE, 0.35), radius=9)
    p.text(114, 40, w.title, 32, t.text, bold=True, anchor="lm")
    chrome.avatar(p, p.width - 50, 40, 48, t.accent)
    for i, label in enumerate(w.lines):
        x = 108 + i * 270.0
        p.rect(x, 80, 256, 126, t.window, radius=10, outline=t.border)
        p.text(x + 20, 96, label, 20, t.muted, room=220)
        figure = f"{int(rng.integers(50, 100))} %" if i == 3 else f"{int(rng.integers(12, 990))}"
        p.text(x + 20, 128, figure, 44, t.text, bold=True)
        up = rng.random() < 0.5
        tip = (x + 216, 142.0) if up else (x + 216, 172.0)
        p.polygon([(x + 202, 157), (x + 230, 157), tip], chrome.GREEN if up else chrome.RED)
    p.rect(108, 222, 690, p.height - 244, t.window, radius=10, outline=t.border)
    p.text(132, 238, w.heading, 25, t.text, bold=True)
    CHARTS[str(facts["chart"])](p, t, (140, 284, 630, p.height - 370), rng, 5)
    legend(p, t, 140, p.height - 58, w.labels)
    for i, small in enumerate(str(facts["small"]).split("+")):
        y = 222 + i * (p.height - 236) / 2
        p.rect(812, y, 362, (p.height - 258) / 2, t.window, radius=10, outline=t.border)
        CHARTS[small](p, t, (836, y + 24, 314, (p.height - 350) / 2), rng, 4)
