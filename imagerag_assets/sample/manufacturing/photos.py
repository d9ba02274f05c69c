"""The finished photo: background, parts, what carries text, and the camera put together."""

from __future__ import annotations

import numpy as np

from imagerag_assets.sample import drawing
from imagerag_assets.sample.manufacturing.arrangement import placements, tray_cells
from imagerag_assets.sample.manufacturing.backgrounds import paint_background
from imagerag_assets.sample.manufacturing.labels import carrier_image, lay_carrier, stamp
from imagerag_assets.sample.manufacturing.light import Stage
from imagerag_assets.sample.manufacturing.placing import place_part
from imagerag_assets.sample.manufacturing.solids import Box
from imagerag_assets.sample.manufacturing.vocabulary import Generator
from imagerag_assets.sample.scene import Drawing, Facts, Region, Scene


def _natural_size(scene: Scene, layout: Generator) -> tuple[int, int]:
    """(width, height) in pixels of the finished photo."""
    facts = scene.facts
    if facts["large"]:
        return _shape(int(layout.choice((1800, 2000, 2200))), 0.75)
    long_side = 20 * int(layout.integers(41, 46) if scene.text else layout.integers(32, 44))
    ratio = float(layout.choice((0.75, 0.75, 0.67, 0.85)))
    portrait = facts["arrangement"] == "single" and not scene.text and layout.random() < 0.2
    width, height = _shape(long_side, ratio)
    return (height, width) if portrait else (width, height)


def _shape(long_side: int, ratio: float) -> tuple[int, int]:
    return long_side, round(long_side * ratio)


def _region(facts: Facts, box: Box, w: int, h: int) -> tuple[Region, ...]:
    if facts["defect"] == "none" or not facts["large"]:
        return ()
    left, top, right, bottom = box
    sides = (max(left / w, 0.0), max(top / h, 0.0), min(right / w, 1.0), min(bottom / h, 1.0))
    return (Region(f"{facts['defect']} {facts['part']} {facts['material']}", sides),)


def draw(scene: Scene, long_side: int | None = None) -> Drawing:
    """Draw the photo at its natural size or natively smaller; only large pictures have regions."""
    layout, grain = np.random.default_rng(scene.seed).spawn(2)
    width, height = _natural_size(scene, layout)
    ratio = 1.0 if long_side is None else long_side / max(width, height)
    w, h = max(8, round(width * ratio)), max(8, round(height * ratio))
    scale = max(w, h) / 800
    facts = scene.facts
    clouds = drawing.fractal_noise(grain, h, w, 7)
    cells = tray_cells(str(facts["part"])) if facts["arrangement"] == "tray" else (1, 1)
    canvas = paint_background(scene, layout, grain, clouds, scale, cells)
    turn = float(layout.uniform(np.pi, 2 * np.pi))  # the lamp stands somewhere behind the table
    lamp = (0.62 * float(np.cos(turn)), 0.62 * float(np.sin(turn)), 0.785)
    streaks = grain.random(512, dtype=np.float32)
    stage = Stage(canvas.copy(), lamp, clouds, streaks, facts["background"] == "light", scale)
    beside = facts["carrier"] in ("label", "nameplate", "calliper")
    design = int(layout.integers(0, 2**31))
    places, faulty = placements(scene, w, h * (0.70 if beside else 1.0), layout)
    box: Box = (0.0, 0.0, 0.0, 0.0)
    for index, place in enumerate(places):
        defect = str(facts["defect"]) if index == faulty else "none"
        found = place_part(stage, scene, place, defect, design)
        box = found if index == faulty else box
    if facts["carrier"] == "stamped":
        stamp(stage, scene.text, places[0])
    elif beside:
        lay_carrier(stage, carrier_image(scene, layout, grain, scale), layout)
    warmth, vignette = float(layout.uniform(-0.5, 0.6)), float(layout.uniform(0.08, 0.3))
    gain = np.float32(layout.uniform(0.9, 1.08))
    blur = 0.45 if ratio >= 1 else 0.0
    image = drawing.photo_finish(grain, stage.canvas * gain, noise=0.014, vignette=vignette, blur=blur, warmth=warmth)
    return Drawing(image, _region(facts, box, w, h))
