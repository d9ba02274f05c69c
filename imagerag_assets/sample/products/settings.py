"""Where a product is photographed: walls, tables, lawns, and how an object stands on them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from imagerag_assets.sample import drawing
from imagerag_assets.sample.drawing import Colour, FloatArray, as_float32
from imagerag_assets.sample.products.sprite import Sprite


def _warped(texture: FloatArray, h: int, w: int) -> FloatArray:
    """Lay the texture on a plane that recedes upwards, h by w pixels."""
    th, tw = texture.shape[:2]
    target = [(0.0, 0.0), (float(w), 0.0), (float(w), float(h)), (0.0, float(h))]
    source = [(0.0, 0.0), (float(tw), 0.0), (tw * 0.72, float(th)), (tw * 0.28, float(th))]
    rows, values = [], []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    coefficients = np.linalg.solve(np.asarray(rows), np.asarray(values))
    image = Image.fromarray((texture * 255).astype(np.uint8))
    plane = image.transform((w, h), Image.Transform.PERSPECTIVE, tuple(coefficients), Image.Resampling.BILINEAR)
    return as_float32(np.asarray(plane, dtype=np.float32) / 255)


def _soft(layer: FloatArray, radius: float) -> FloatArray:
    image = Image.fromarray((np.clip(layer, 0, 1) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return as_float32(np.asarray(image, dtype=np.float32) / 255)


def wall_behind(rng: np.random.Generator, setting: str, h: int, w: int) -> FloatArray:
    """Draw what stands behind, out of focus except the brick wall."""
    if setting == "brick":
        return drawing.brick(rng, h, w)
    if setting == "grass":
        leaves = drawing.fractal_noise(rng, h, w, 6)[..., None]
        sky = np.linspace(1, 0, h, dtype=np.float32)[:, None, None] ** 1.6
        hedge = np.asarray((0.20, 0.36, 0.14), dtype=np.float32) * (0.5 + 1.1 * leaves)
        blend = np.clip(sky * 1.7 - leaves * 0.7, 0, 1)
        return _soft(as_float32(hedge * (1 - blend) + np.asarray((0.72, 0.84, 0.95)) * blend), max(h, w) * 0.012)
    walls: tuple[Colour, ...] = (
        (0.82, 0.80, 0.76),
        (0.68, 0.73, 0.74),
        (0.86, 0.80, 0.72),
        (0.60, 0.62, 0.60),
    )
    wall = drawing.plain_gradient(rng, h, w, walls[int(rng.integers(len(walls)))])
    if setting == "marble":  # kitchen tiles
        tile = max(h, w) / 9
        y, x = np.arange(h, dtype=np.float32)[:, None] % tile, np.arange(w, dtype=np.float32)[None, :] % tile
        joint = (np.minimum(x, y) < max(1.0, tile * 0.045)).astype(np.float32)
        wall = _soft(drawing.composite(wall * 0.2 + 0.72, (0.66, 0.66, 0.65), joint * 0.8), max(h, w) * 0.004)
    return wall


def _floor(rng: np.random.Generator, setting: str, h: int, w: int) -> FloatArray:
    th, tw = round(h * 1.4), round(w * 1.5)
    if setting == "grass":
        return drawing.grass(rng, h, w)
    if setting == "wood":
        tone = drawing.colour(("oak", "pine", "walnut")[int(rng.integers(3))])
        return _warped(drawing.wood(rng, th, tw, tone, 5), h, w)
    if setting == "marble":
        return _warped(drawing.marble(rng, th, tw), h, w)
    return _warped(drawing.concrete(rng, th, tw), h, w)


def setting_canvas(rng: np.random.Generator, setting: str, h: int, w: int) -> FloatArray:
    if setting == "studio":
        papers: tuple[Colour, ...] = (
            (0.93, 0.93, 0.92),
            (0.80, 0.81, 0.83),
            (0.90, 0.85, 0.77),
            (0.78, 0.85, 0.90),
        )
        canvas = drawing.plain_gradient(rng, h, w, papers[int(rng.integers(len(papers)))])
        sweep = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
        return as_float32(np.clip(canvas * (0.95 + 0.10 * np.clip((sweep - 0.55) * 4, 0, 1)), 0, 1))
    horizon = round(h * float(rng.uniform(0.50, 0.60)))
    if setting == "brick":
        horizon = round(h * 0.70)
    wall, floor = wall_behind(rng, setting, horizon, w), _floor(rng, setting, h - horizon, w)
    canvas = np.concatenate([wall, floor], axis=0)
    if setting != "grass":  # the corner between wall and plane gathers shade
        rows = np.abs(np.arange(h, dtype=np.float32) - horizon)[:, None, None]
        canvas = as_float32(canvas * (1 - 0.28 * np.exp(-rows / (h * 0.03))))
    return canvas


def stand(canvas: FloatArray, sprite: Sprite, left: int, top: int, sun: tuple[float, float, float]) -> None:
    """Put the sprite on the canvas, its corner at (left, top), with its shadow on the ground."""
    n = sprite.n
    rows = slice(max(top, 0), min(top + round(n * 1.1), canvas.shape[0]))
    columns = slice(max(left - n // 2, 0), min(left + n + n // 2, canvas.shape[1]))
    ground = canvas[rows, columns]  # all that the sprite and its shadow can touch
    h, w = ground.shape[:2]
    left, top = left - columns.start, top - rows.start
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + n, h), min(left + n, w)
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    alpha = np.zeros((h, w), dtype=np.float32)
    alpha[y0:y1, x0:x1] = sprite.alpha[inside]
    base = top + 0.925 * n
    lean = 0.5 if sun[0] < 0 else -0.5
    image = Image.fromarray((alpha * 255).astype(np.uint8))
    # a ground point (x, y) is shaded by the object's point (x - lean * up, base - up), up = (base - y) * 3.2
    cast = image.transform((w, h), Image.Transform.AFFINE,
                           (1, lean * 3.2, -lean * 3.2 * base, 0, 3.2, base - 3.2 * base))  # fmt: skip
    ground = drawing.drop_shadow(ground, as_float32(np.asarray(cast, dtype=np.float32) / 255), (0, 0), n * 0.03, 0.42)
    feet = np.flatnonzero(sprite.alpha[int(n * 0.80) : int(n * 0.95)].max(axis=0) > 0.5)
    if len(feet):
        contact = (left + feet[0] - n * 0.02, base - n * 0.03, left + feet[-1] + n * 0.02, base + n * 0.035)
        ground = drawing.drop_shadow(ground, drawing.mask_ellipse(h, w, contact), (0, 0), n * 0.015, 0.55)
    ground = ground * (1 - alpha[..., None])
    ground[y0:y1, x0:x1] += sprite.colour[inside]
    canvas[rows, columns] = ground
