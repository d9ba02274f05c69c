"""A product photo: object, setting, prop and printed words put together."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from imagerag_assets.sample import drawing
from imagerag_assets.sample.drawing import FloatArray, as_float32
from imagerag_assets.sample.products.objects import EXTENT, object_sprite, prop_sprite
from imagerag_assets.sample.products.scenes import item_parts
from imagerag_assets.sample.products.settings import setting_canvas, stand, wall_behind
from imagerag_assets.sample.products.sprite import Look, Sprite, fitting_size
from imagerag_assets.sample.products.vocabulary import MATERIALS
from imagerag_assets.sample.scene import Drawing, Facts, Region, Scene

_NATURAL = ((800, 640), (640, 800), (720, 720))
_NATURAL_WITH_TEXT = (900, 720)
_NATURAL_SHELF = (1800, 1350)


def draw(scene: Scene, long_side: int | None = None) -> Drawing:
    """Draw the scene's photo. A shelf's regions are its goods."""
    rng = np.random.default_rng(scene.seed)
    facts = scene.facts
    natural = _NATURAL[int(rng.integers(len(_NATURAL)))]
    if facts["layout"] == "shelf":
        natural = _NATURAL_SHELF
    elif facts["label"] in ("card", "banner"):
        natural = _NATURAL_WITH_TEXT
    scale = (long_side or max(natural)) / max(natural)
    w, h = round(natural[0] * scale), round(natural[1] * scale)
    sun = (float(rng.choice([-0.65, 0.65])), float(rng.uniform(-0.9, -0.6)), 0.75)
    warmth = float(rng.uniform(-0.5, 0.7))
    canvas, regions = (_shelf if facts["layout"] == "shelf" else _single)(scene, rng, h, w, sun)
    photo = drawing.photo_finish(rng, canvas, noise=0.010, vignette=0.18, warmth=warmth)
    if facts["label"] == "banner":
        _add_banner(photo, scene.text[0], yellow=scene.seed % 2 == 0)
    return Drawing(photo, regions)


def _single(
    scene: Scene, rng: np.random.Generator, h: int, w: int, sun: tuple[float, float, float]
) -> tuple[FloatArray, tuple[Region, ...]]:
    facts = scene.facts
    pair, carded, prop = facts["number"] == 2, facts["label"] == "card", str(facts["prop"])
    look = _look(facts, sun, scene.text if facts["label"] == "print" else ())
    canvas = setting_canvas(rng, str(facts["setting"]), h, w)
    side = -1 if rng.random() < 0.5 else 1  # where the object stands when something else needs room
    room = 0.53 if carded else 0.62 if prop else 0.84
    centre = 0.5 + ((0.96 - room) / 2 if room < 0.8 else 0.0) * side + float(rng.uniform(-0.015, 0.015))
    base = h * float(rng.uniform(0.88, 0.93))
    n = _fitting_side(str(facts["object"]), pair, h, w * room, float(rng.uniform(0.88, 1.0)))
    if prop:
        _beside(
            canvas,
            prop_sprite(rng, prop, round(0.30 * min(h, w)), sun),
            0.5 - 0.31 * side,
            base - 0.01 * h,
            sun,
        )
    sprite = object_sprite(str(facts["object"]), n, rng, look)
    if pair:
        gap = n * _step(str(facts["object"])) / 2 / w
        _beside(canvas, sprite, centre - gap, base - 0.045 * h, sun)
        _beside(canvas, sprite, centre + gap, base, sun)
    else:
        _beside(canvas, sprite, centre, base, sun)
    turn = float(rng.uniform(-2.5, 2.5))
    if carded:
        card = _card(scene.text, round(w * 0.40), turn)
        left = 0.57 if side < 0 else 0.02
        canvas = _with_card(canvas, card, round(left * w), round(base + h * 0.02))
    return canvas, ()


def _look(facts: Facts, sun: tuple[float, float, float], words: tuple[str, ...]) -> Look:
    return Look(str(facts["colour"]), str(facts["material"]), str(facts["pattern"]), sun, words)


def _fitting_side(thing: str, pair: bool, h: int, width: float, share: float) -> int:
    """Side in pixels of a sprite whose object, or two of it, takes `share` of the width or usable height."""
    wide, top = EXTENT[thing]
    across = width / (wide + _step(thing) if pair else wide)
    return round(share * min(across, 0.72 * h / (0.94 - top)))


def _step(thing: str) -> float:
    """How far apart two of it stand, as a fraction of the sprite: wide objects hide a part of each other."""
    wide = EXTENT[thing][0]
    return wide * 0.8 if wide > 0.7 else wide + 0.05


def _beside(canvas: FloatArray, sprite: Sprite, centre: float, base: float, sun: tuple[float, float, float]) -> None:
    left, top = round(centre * canvas.shape[1] - sprite.n / 2), round(base - 0.94 * sprite.n)
    stand(canvas, sprite, left, top, sun)


def _shelf(
    scene: Scene, rng: np.random.Generator, h: int, w: int, sun: tuple[float, float, float]
) -> tuple[FloatArray, tuple[Region, ...]]:
    """Three boards of goods in a shop."""
    canvas = wall_behind(rng, "studio", h, w) * 0.92
    tone = drawing.colour(("oak", "pine", "walnut")[int(rng.integers(3))])
    board = drawing.wood(rng, round(h * 0.045), w, tone)
    regions = []
    goods = str(scene.facts["items"]).split("|")
    for row in range(3):
        y = round(h * (0.325 + 0.31 * row))
        thick = min(board.shape[0], h - y)
        under = np.clip(np.arange(h - y - thick, dtype=np.float32) / (h * 0.07), 0, 1)[:, None, None]
        canvas[y + thick :] *= 0.62 + 0.38 * under
        canvas[y : y + thick] = board[:thick]
        canvas[y : y + max(1, thick // 8)] *= 1.15
        for column, item in enumerate(goods[row * 5 : row * 5 + 5]):
            n = round(h * 0.235 * float(rng.uniform(0.86, 1.0)))
            left = round(w * (0.11 + 0.195 * column + float(rng.uniform(-0.012, 0.012))) - n / 2)
            top = round(y + h * 0.012 - 0.94 * n)
            colour, pattern, name = item_parts(item)
            materials = [material for material in MATERIALS[name] if material != "wood"]  # lost before the boards
            look = Look(colour, materials[int(rng.integers(len(materials)))], pattern, sun)
            stand(canvas, object_sprite(name, n, rng, look), left, top, sun)
            regions.append(Region(item, (left / w, max(top, 0) / h, (left + n) / w, (top + n) / h)))
    return as_float32(np.clip(canvas, 0, 1)), tuple(regions)


def _card(lines: tuple[str, ...], width: int, turn: float) -> Image.Image:
    """Print a price card, RGBA, its first line bold."""
    pad = width * 0.07
    sizes = [fitting_size((line,), "sans", width - 2 * pad, width * 0.13) for line in lines]
    height = round(sum(size * 1.35 for size in sizes) + 2 * pad)
    card = Image.new("RGBA", (width, height), (250, 248, 242, 255))
    pen = ImageDraw.Draw(card)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(190, 185, 175, 255), width=max(1, width // 150))
    y = pad
    for row, (line, size) in enumerate(zip(lines, sizes, strict=True)):
        face = drawing.font("serif" if row == 0 else "sans", size, row == 0)
        pen.text((pad, y), line, fill=(28, 26, 24, 255), font=face)
        y += size * 1.35
    return card.rotate(turn, Image.Resampling.BICUBIC, expand=True)


def _with_card(canvas: FloatArray, card: Image.Image, left: int, bottom: int) -> FloatArray:
    h, w = canvas.shape[:2]
    sheet = Image.new("RGBA", (w, h), (0, 0, 0, 0))
    sheet.paste(card, (left, bottom - card.height))
    pixels = np.asarray(sheet, dtype=np.float32) / 255
    mask = as_float32(pixels[..., 3])
    canvas = drawing.drop_shadow(canvas, mask, (w * 0.008, h * 0.008), w * 0.01, 0.5)
    return drawing.composite(canvas, as_float32(pixels[..., :3]), mask)


def _add_banner(photo: Image.Image, line: str, yellow: bool) -> None:
    """Lay a shop's banner over the upper edge of the photo, which a web page does: it has no grain."""
    w, height = photo.width, round(photo.height * 0.11)
    pen = ImageDraw.Draw(photo)
    pen.rectangle((0, 0, w, height), fill=(252, 214, 60) if yellow else (255, 255, 255))
    size = fitting_size((line,), "condensed", w * 0.86, height * 0.62)
    face = drawing.font("condensed", size, True)
    ink = (16, 16, 18) if yellow else (150, 10, 22)
    pen.text((w / 2, height / 2), line, fill=ink, font=face, anchor="mm")
