"""Charts for dashboards and spreadsheets: pie, bars, lines, gauge, table. They show made-up figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from imagerag_assets.sample.it_support.chrome import ACCENTS, GREEN, RED, YELLOW, Theme
from imagerag_assets.sample.it_support.painter import RGB, Painter, mix

Box = tuple[float, float, float, float]
"""x, y, width, height."""


def palette(t: Theme) -> tuple[RGB, ...]:
    """Five series colours, the accent first."""
    others = [c for c in (ACCENTS["blue"], (240, 150, 40), (32, 170, 160), ACCENTS["purple"], (220, 70, 110))
              if c != t.accent]  # fmt: skip
    return (t.accent, *others)


def pie(p: Painter, t: Theme, box: Box, rng: np.random.Generator, parts: int) -> None:
    """Paint a pie of coloured sectors."""
    x, y, w, h = box
    r = min(w, h) / 2
    ends = np.cumsum(rng.dirichlet(np.full(parts, 4.0))) * 360
    start = 0.0
    for end, fill in zip(ends.tolist(), palette(t), strict=False):
        p.slice(x + w / 2, y + h / 2, r, start - 90, end - 90, fill)
        angle = np.radians(end - 90)
        p.line(
            [(x + w / 2, y + h / 2), (x + w / 2 + r * np.cos(angle), y + h / 2 + r * np.sin(angle))],
            t.window,
            3,
        )
        start = end


def bars(p: Painter, t: Theme, box: Box, rng: np.random.Generator, parts: int) -> None:
    """Paint upright bars over a grid."""
    x, y, w, h = box
    _grid(p, t, box)
    count = parts + 3
    for i, value in enumerate(rng.uniform(0.2, 0.95, count).tolist()):
        wide = w / count
        fill = palette(t)[0] if parts < 5 else palette(t)[i % 2]
        p.rect(x + (i + 0.18) * wide, y + h * (1 - value), wide * 0.64, h * value, fill, radius=3)


def lines(p: Painter, t: Theme, box: Box, rng: np.random.Generator, parts: int) -> None:
    """Paint two or three curves over a grid."""
    x, y, w, h = box
    _grid(p, t, box)
    for fill in palette(t)[: 3 if parts > 4 else 1]:
        walk = np.cumsum(rng.normal(0, 1, 24))
        walk = 0.1 + 0.8 * (walk - walk.min()) / (np.ptp(walk) + 1e-6)
        xs = np.linspace(x, x + w, 24)
        p.line(list(zip(xs.tolist(), (y + h * walk).tolist(), strict=True)), fill, 5)


def gauge(p: Painter, t: Theme, box: Box, rng: np.random.Generator, parts: int) -> None:
    """Paint a half-circle dial, green to red, with a needle."""
    x, y, w, h = box
    r = min(w / 2, h * 0.8)
    cx, cy, thick = x + w / 2, y + h * 0.88, r * 0.22
    for i, fill in enumerate((GREEN, YELLOW, RED)):
        p.arc(cx, cy, r, 180 + i * 60, 240 + i * 60, fill, thick)
    angle = np.radians(rng.uniform(195, 345))
    p.line([(cx, cy), (cx + r * 0.85 * np.cos(angle), cy + r * 0.85 * np.sin(angle))], t.text, 3 + parts)
    p.ellipse(cx - r * 0.08, cy - r * 0.08, r * 0.16, r * 0.16, t.text)


def table(p: Painter, t: Theme, box: Box, rng: np.random.Generator, parts: int) -> None:
    """Paint rows with a status dot each."""
    x, y, w, h = box
    for i in range(parts):
        line = y + i * h / parts
        p.ellipse(x, line + 6, 18, 18, (GREEN, GREEN, YELLOW, RED)[int(rng.integers(0, 4))])
        p.rect(x + 34, line + 10, w * rng.uniform(0.3, 0.6), 10, t.muted, radius=4)
        p.rect(x + w * 0.8, line + 10, w * 0.2, 10, t.border, radius=4)


def legend(p: Painter, t: Theme, x: float, y: float, labels: Sequence[str]) -> None:
    """Paint names of the series in a row."""
    for i, (label, fill) in enumerate(zip(labels, palette(t), strict=False)):
        p.rect(x + i * 128, y + 3, 16, 16, fill, radius=3)
        p.text(x + 22 + i * 128, y + 11, label, 19, mix(t.text, t.muted, 0.3), anchor="lm", room=104)


def _grid(p: Painter, t: Theme, box: Box) -> None:
    x, y, w, h = box
    for i in range(5):
        p.line([(x, y + h * i / 4), (x + w, y + h * i / 4)], t.border, 1.2)


CHARTS: dict[str, Callable[[Painter, Theme, Box, np.random.Generator, int], None]] = {
    "pie": pie, "bar": bars, "line": lines, "gauge": gauge, "table": table,
}  # fmt: skip
