"""Where parts lie in a picture: alone, in a row, in a pile, in a full tray."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imagerag_assets.sample.manufacturing.vocabulary import SLIM_PARTS, WIDE_PARTS, Generator
from imagerag_assets.sample.scene import Scene


@dataclass(frozen=True)
class Placement:
    """Where a part lies: centre in pixels, pixels per unit, angle in radians."""

    x: float
    y: float
    radius: float
    angle: float


def tray_cells(part: str) -> tuple[int, int]:
    """Compartments of a full tray (columns, rows)."""
    return (7, 3) if part in SLIM_PARTS else (6, 4)


def _upright(part: str, layout: Generator) -> float:
    """Turn parts beside one another: slim ones stand, plates lie, round ones turn at will."""
    if part in SLIM_PARTS:
        return float(np.pi / 2 + layout.uniform(-0.12, 0.12))
    return float(layout.uniform(-0.08, 0.08) if part in WIDE_PARTS else layout.uniform(0, 2 * np.pi))


def _row(part: str, w: int, h: float, layout: Generator) -> list[Placement]:
    count = int(layout.integers(2, 4) if part in WIDE_PARTS else layout.integers(3, 5))
    radius = min(w / (count * 2.12), h * 0.38)
    if part in SLIM_PARTS:
        radius = min(h * 0.38, w / (count * 1.1))
    step = min(w / (count + 0.08), radius * 2.5)
    start = w / 2 - step * (count - 1) / 2
    return [
        Placement(start + i * step, h / 2 + float(layout.uniform(-0.03, 0.03)) * h, radius, _upright(part, layout))
        for i in range(count)
    ]


def _pile(w: int, h: float, layout: Generator) -> list[Placement]:
    count, radius = int(layout.integers(12, 20)), min(w, h) * float(layout.uniform(0.15, 0.20))
    places = []
    for index in range(count):
        spread = 0.62 * (1 - index / count) + 0.06
        x = w / 2 + float(np.clip(layout.normal(0, spread), -0.95, 0.95)) * (w / 2 - radius)
        y = h / 2 + float(np.clip(layout.normal(0, spread), -0.95, 0.95)) * (h / 2 - radius)
        places.append(Placement(x, y, radius, float(layout.uniform(0, 2 * np.pi))))
    return places


def _tray_full(part: str, w: int, h: float, layout: Generator) -> list[Placement]:
    columns, rows = tray_cells(part)
    rim = min(w, h) * 0.045
    cell_w, cell_h = (w - 2 * rim) / columns, (h - 2 * rim) / rows
    radius = cell_h * 0.44 if part in SLIM_PARTS else min(cell_w, cell_h) * 0.41
    return [
        Placement(rim + cell_w * (i + 0.5), rim + cell_h * (j + 0.5), radius, _upright(part, layout))
        for j in range(rows)
        for i in range(columns)
    ]


def _single(part: str, large: bool, w: int, h: float, layout: Generator) -> list[Placement]:
    angle = float(layout.uniform(-0.5, 0.5) if part in SLIM_PARTS else layout.uniform(0, 2 * np.pi))
    if part in WIDE_PARTS:
        angle = float(layout.uniform(-0.12, 0.12))
    reach = {"board": 0.62, "plate": 0.58, "bolt": 0.60, "shaft": 0.62, "spring": 0.58}.get(part, 0.42)
    radius = min(h * reach, w * 0.44) * float(layout.uniform(0.86, 1.0))
    if large:
        return [Placement(w / 2, h / 2, w * 0.47, angle * 0.2)]
    slack = (w / 2 - radius * 0.95) * 0.45
    return [
        Placement(w / 2 + float(layout.uniform(-1, 1)) * slack, h * float(layout.uniform(0.48, 0.52)), radius, angle)
    ]


def placements(scene: Scene, w: int, h: float, layout: Generator) -> tuple[list[Placement], int]:
    """Where the parts lie, first drawn first, and which of them has the defect."""
    part, arrangement = str(scene.facts["part"]), scene.facts["arrangement"]
    if arrangement == "row":
        places = _row(part, w, h, layout)
        return places, int(layout.integers(0, len(places)))
    if arrangement == "pile":
        places = _pile(w, h, layout)
        return places, len(places) - 1
    if arrangement == "tray":
        places = _tray_full(part, w, h, layout)
        return places, int(layout.integers(0, len(places)))
    return _single(part, bool(scene.facts["large"]), w, h, layout), 0
