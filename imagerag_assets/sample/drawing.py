"""The drawing kit of the sample corpus: fonts, colours, textures, masks, solids, light and a camera's finish.

Arrays are float32 in 0..1, height first. As many random numbers are drawn at every size, so that a scene
drawn small shows the same thing as the scene drawn large. What only one collection needs stays in its module.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

FloatArray = NDArray[np.float32]
Colour = tuple[float, float, float]
FontFamily = Literal["sans", "serif", "mono", "condensed"]

COLOURS: dict[str, Colour] = {
    "red": (0.76, 0.09, 0.10),
    "blue": (0.11, 0.27, 0.68),
    "green": (0.13, 0.47, 0.21),
    "yellow": (0.95, 0.79, 0.12),
    "orange": (0.93, 0.45, 0.08),
    "purple": (0.43, 0.17, 0.58),
    "pink": (0.95, 0.56, 0.69),
    "black": (0.06, 0.06, 0.07),
    "white": (0.93, 0.93, 0.92),
    "grey": (0.50, 0.51, 0.53),
    "brown": (0.40, 0.24, 0.13),
    "beige": (0.85, 0.77, 0.62),
    "turquoise": (0.12, 0.67, 0.68),
    "oak": (0.72, 0.54, 0.34),
    "pine": (0.84, 0.69, 0.47),
    "walnut": (0.38, 0.24, 0.15),
    "steel": (0.66, 0.68, 0.71),
    "brass": (0.76, 0.61, 0.29),
    "copper": (0.74, 0.42, 0.27),
}

# The bundled fonts have no condensed cut: Roboto Medium and Black stand in for one.
_FONT_FILES: dict[tuple[FontFamily, bool], tuple[str, str]] = {
    ("sans", False): ("font_roboto", "files/Roboto-Regular.ttf"),
    ("sans", True): ("font_roboto", "files/Roboto-Bold.ttf"),
    ("serif", False): ("font_source_serif_pro", "files/SourceSerifPro-Regular.ttf"),
    ("serif", True): ("font_source_serif_pro", "files/SourceSerifPro-Bold.ttf"),
    ("mono", False): ("matplotlib", "mpl-data/fonts/ttf/DejaVuSansMono.ttf"),
    ("mono", True): ("matplotlib", "mpl-data/fonts/ttf/DejaVuSansMono-Bold.ttf"),
    ("condensed", False): ("font_roboto", "files/Roboto-Medium.ttf"),
    ("condensed", True): ("font_roboto", "files/Roboto-Black.ttf"),
}


@lru_cache(maxsize=512)
def font(family: FontFamily, size: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load a bundled font at `size` pixels per em."""
    package, path = _FONT_FILES[family, bold]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the fonts of the package {package!r} are needed to draw the sample corpus")
    return ImageFont.truetype(str(Path(spec.origin).parent / path), max(size, 1.0))


def colour(name: str) -> Colour:
    """Return the colour of a word of the captions, or of a wood or metal (see `COLOURS`)."""
    return COLOURS[name]


def as_float32(values: NDArray[np.floating]) -> FloatArray:
    """Return the array itself when it is float32 already; NumPy widens to float64 in many places."""
    return np.asarray(values, dtype=np.float32)


def _upsampled(grid: FloatArray, h: int, w: int, box: tuple[float, float, float, float] | None = None) -> FloatArray:
    image = Image.fromarray(grid).resize((w, h), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image, dtype=np.float32)


def _stretched_noise(rng: np.random.Generator, h: int, w: int, rows: int, columns: int) -> FloatArray:
    """Noise of about `rows` by `columns` blobs over the whole area, 0..1."""
    return np.clip(_upsampled(rng.random((rows, columns), dtype=np.float32), h, w), 0, 1)


def fractal_noise(rng: np.random.Generator, h: int, w: int, octaves: int = 5) -> FloatArray:
    """Cloud-like noise (h, w), 0..1: from 4 blobs along the long side, twice as many at each octave."""
    total = np.zeros((h, w), dtype=np.float32)
    side = max(h, w)
    for octave in range(octaves):
        cells = 4 * 2**octave
        grid = rng.random((cells, cells), dtype=np.float32)
        total += _upsampled(grid, h, w, (0, 0, cells * w / side, cells * h / side)) / 2**octave
    low, high = float(total.min()), float(total.max())
    return as_float32((total - low) / max(high - low, 1e-6))


def _tinted(tone: Colour, value: NDArray[np.floating]) -> FloatArray:
    return as_float32(np.clip(np.asarray(tone, dtype=np.float32) * value[..., None], 0, 1))


def wood(rng: np.random.Generator, h: int, w: int, tone: Colour, planks: int = 1) -> FloatArray:
    """Wood with its grain along x; `planks` boards lie above one another."""
    rows = np.arange(h, dtype=np.float32)[:, None] / h
    bend = fractal_noise(rng, h, w, 3)
    board = np.minimum((rows * planks).astype(np.int64), planks - 1)
    shade = rng.uniform(0.86, 1.08, planks).astype(np.float32)[board]
    phase = rng.uniform(0, 30, planks).astype(np.float32)[board]
    rings = 0.5 + 0.5 * np.sin((rows * 60 + bend * 16 + phase) * 2.2)
    fibre = _stretched_noise(rng, h, w, 220, 14)
    value = as_float32(shade * (0.80 + 0.14 * rings + 0.20 * fibre))
    if planks > 1:
        edge = np.abs(((rows * planks + 0.5) % 1) - 0.5) * (h / planks)
        value *= 1 - 0.55 * np.exp(-((edge / max(1.0, h / 420)) ** 2))
    return _tinted(tone, value)


def fabric(rng: np.random.Generator, h: int, w: int, colour: Colour) -> FloatArray:
    """Draw a plain weave with slightly uneven threads."""
    period = max(3.0, max(h, w) / 160)
    y = np.arange(h, dtype=np.float32)[:, None] * (2 * np.pi / period)
    x = np.arange(w, dtype=np.float32)[None, :] * (2 * np.pi / period)
    weave = np.sin(x) * np.sin(y)
    threads = _stretched_noise(rng, h, w, 150, 6) + _stretched_noise(rng, h, w, 6, 150)
    return _tinted(colour, 0.84 + 0.09 * weave + 0.11 * threads + 0.06 * fractal_noise(rng, h, w, 3))


def marble(rng: np.random.Generator, h: int, w: int) -> FloatArray:
    """White marble with grey veins."""
    cloud = fractal_noise(rng, h, w, 5)
    veins = fractal_noise(rng, h, w, 5)
    thin = np.exp(-np.abs(veins - 0.5) * 42) * 0.42 + np.exp(-np.abs(cloud - 0.45) * 60) * 0.22
    value = 0.94 - 0.10 * cloud - thin * (0.35 + 0.65 * cloud)
    return _tinted((0.99, 0.985, 0.97), value)


def concrete(rng: np.random.Generator, h: int, w: int) -> FloatArray:
    """Grey cast concrete with stains and pores."""
    value = 0.54 + 0.16 * fractal_noise(rng, h, w, 6) + 0.05 * _stretched_noise(rng, h, w, 160, 160)
    pores = _stretched_noise(rng, h, w, 120, 120) > 0.97
    return _tinted((1.0, 0.99, 0.97), value - 0.16 * pores.astype(np.float32))


def brick(rng: np.random.Generator, h: int, w: int) -> FloatArray:
    """Draw a wall of red bricks in stretcher bond, 14 courses along the long side."""
    course = max(h, w) / 14
    y = np.arange(h, dtype=np.float32)[:, None] / course
    row = y.astype(np.int64)
    x = np.arange(w, dtype=np.float32)[None, :] / (course * 2.3) + 0.5 * (row % 2)
    column = x.astype(np.int64)
    tones = rng.uniform(0.72, 1.12, (16, 16)).astype(np.float32)[row % 16, column % 16]
    hues = rng.uniform(-0.05, 0.05, (16, 16)).astype(np.float32)[row % 16, column % 16]
    gap_y = np.minimum(y % 1, 1 - y % 1) * course
    gap_x = np.minimum(x % 1, 1 - x % 1) * course * 2.3
    joint = np.clip(1.2 - np.minimum(gap_x, gap_y) / max(course * 0.055, 0.7), 0, 1)[..., None]
    grain = (0.82 + 0.3 * fractal_noise(rng, h, w, 7))[..., None]
    clay = np.stack([0.62 * tones, 0.30 * tones + hues, 0.23 * tones + hues * 0.6], axis=-1) * grain
    mortar = np.asarray((0.72, 0.69, 0.64), dtype=np.float32) * grain
    return as_float32(np.clip(clay * (1 - joint) + mortar * joint, 0, 1))


def grass(rng: np.random.Generator, h: int, w: int) -> FloatArray:
    """Draw a lawn seen from a standing person's height: blades in front, a soft green behind."""
    depth = np.linspace(0, 1, h, dtype=np.float32)[:, None]
    fine = _stretched_noise(rng, h, w, 70, 260) * depth + _stretched_noise(rng, h, w, 140, 300) * (1 - depth)
    value = 0.45 + 0.75 * fine * (0.5 + 0.5 * depth) + 0.22 * fractal_noise(rng, h, w, 4) + 0.2 * (1 - depth)
    lawn = Image.fromarray((_tinted((0.30, 0.50, 0.16), value) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(lawn)
    side = max(h, w)
    for x, y, lean, size, tone in rng.random((420, 5)):
        foot = (x * w, h * (0.15 + 0.9 * y))
        length = side * 0.045 * (0.25 + y) * (0.5 + size)
        tip = (foot[0] + (lean - 0.5) * length, foot[1] - length)
        green = (int(60 + 75 * tone), int(105 + 85 * tone), int(30 + 40 * tone))
        pen.line((foot, tip), fill=green, width=max(1, round(side * 0.0032 * (0.4 + y))))
    return as_float32(np.asarray(lawn, dtype=np.float32) / 255)


def paper(rng: np.random.Generator, h: int, w: int) -> FloatArray:
    """Slightly warm white paper, faintly uneven."""
    value = 0.95 + 0.03 * fractal_noise(rng, h, w, 4) + 0.015 * _stretched_noise(rng, h, w, 200, 200)
    return _tinted((1.0, 0.995, 0.975), value)


def brushed_metal(rng: np.random.Generator, h: int, w: int, tone: Colour) -> FloatArray:
    """Metal brushed along x with a broad soft reflection."""
    sheen = np.sin(np.linspace(0, 1, w, dtype=np.float32) * 5 + rng.uniform(0, 6))[None, :]
    value = 0.82 + 0.24 * _stretched_noise(rng, h, w, 300, 5) + 0.09 * sheen
    return _tinted(tone, value)


def plain_gradient(rng: np.random.Generator, h: int, w: int, colour: Colour) -> FloatArray:
    """Draw a backdrop lit by one softbox, brightest in the upper half and darker to the corners."""
    cx, cy = rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.5)
    y = np.linspace(0, 1, h, dtype=np.float32)[:, None] - np.float32(cy)
    x = np.linspace(0, 1, w, dtype=np.float32)[None, :] - np.float32(cx)
    return _tinted(colour, 1.06 - 0.42 * (x * x + y * y) + 0.02 * (fractal_noise(rng, h, w, 3) - 0.5))


def mask_polygon(h: int, w: int, points: list[tuple[float, float]], supersample: int = 2) -> FloatArray:
    """1 inside the polygon of (x, y) pixels, 0 outside, antialiased."""
    image = Image.new("L", (w * supersample, h * supersample), 0)
    ImageDraw.Draw(image).polygon([(x * supersample, y * supersample) for x, y in points], fill=255)
    return as_float32(np.asarray(image.reduce(supersample), dtype=np.float32) / 255)


def mask_ellipse(h: int, w: int, box: tuple[float, float, float, float]) -> FloatArray:
    """1 inside the ellipse that fills `box` (left, top, right, bottom pixels), 0 outside, antialiased."""
    left, top, right, bottom = box
    rx, ry = max((right - left) / 2, 0.5), max((bottom - top) / 2, 0.5)
    y = (np.arange(h, dtype=np.float32)[:, None] + 0.5 - (top + bottom) / 2) / ry
    x = (np.arange(w, dtype=np.float32)[None, :] + 0.5 - (left + right) / 2) / rx
    radius = np.sqrt(x * x + y * y)
    return as_float32(np.clip((1 - radius) * min(rx, ry) + 0.5, 0, 1))


def lathe_surface(
    h: int, w: int, cx: float, profile: tuple[FloatArray, FloatArray], tilt: float = 0.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mask, height and angle of the surface of revolution around x = cx that is seen at each pixel.

    `profile` is (y in pixels, ascending; half width in pixels at that y). `tilt` is the sine of the camera's
    elevation: circles of the object then bulge downwards by tilt * half width. Height is in y pixels of the
    profile, the angle in radians, 0 facing the camera.
    """
    ys, half_widths = profile
    dx = np.abs(np.arange(w, dtype=np.float32)[None, :] + 0.5 - cx)
    rows = np.broadcast_to(np.arange(h, dtype=np.float32)[:, None] + 0.5, (h, w))
    height = rows
    for _ in range(3 if tilt else 0):
        half = np.interp(height, ys, half_widths).astype(np.float32)
        height = rows - tilt * np.sqrt(np.maximum(half * half - dx * dx, 0))
    half = np.interp(height, ys, half_widths).astype(np.float32)
    within = np.clip(np.minimum(height - ys[0], ys[-1] - height) + 0.5, 0, 1)
    mask = np.clip(half - dx + 0.5, 0, 1) * within
    side = np.sign(np.arange(w, dtype=np.float32)[None, :] + 0.5 - cx)
    angle = np.arcsin(np.clip(dx / np.maximum(half, 1e-3), 0, 1)) * side
    return as_float32(mask), as_float32(height), as_float32(angle)


def shade_lathe(
    h: int, w: int, cx: float, profile: tuple[FloatArray, FloatArray], tilt: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Mask (h, w) and exact unit normals (h, w, 3) of a surface of revolution; see `lathe_surface`."""
    mask, height, angle = lathe_surface(h, w, cx, profile, tilt)
    ys, half_widths = profile
    slope = np.interp(height, ys, np.gradient(half_widths, ys)).astype(np.float32)
    scale = 1 / np.sqrt(1 + slope * slope)
    return mask, as_float32(np.stack([np.sin(angle) * scale, -slope * scale, np.cos(angle) * scale], axis=-1))


def inflate(mask: FloatArray, radius: float) -> FloatArray:
    """Return unit normals (h, w, 3) of the mask as a solid whose rim is rounded over `radius` pixels."""
    normals = np.zeros((*mask.shape, 3), dtype=np.float32)
    normals[..., 2] = 1
    inside = mask > 0.5
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return normals
    area = np.s_[max(rows[0] - 2, 0) : rows[-1] + 3, max(columns[0] - 2, 0) : columns[-1] + 3]
    depth = np.minimum(ndimage.distance_transform_edt(inside[area]), radius).astype(np.float32)
    solid = np.sqrt(np.maximum(radius * radius - (radius - depth) ** 2, 0))
    solid = ndimage.gaussian_filter(solid, max(radius * 0.12, 0.7))
    if min(solid.shape) < 2:
        return normals
    dy, dx = np.gradient(solid)
    length = np.sqrt(dx * dx + dy * dy + 1)
    normals[area] = np.stack([-dx / length, -dy / length, 1 / length], axis=-1)
    return normals


def light(
    normals: FloatArray,
    albedo: FloatArray | Colour,
    direction: tuple[float, float, float],
    ambient: float,
    specular: float,
    shininess: float,
) -> FloatArray:
    """Lambert and Blinn–Phong shading, (h, w, 3).

    `direction` points to the light: x right, y down, z to the camera.
    """
    towards = np.asarray(direction, dtype=np.float32)
    towards = towards / np.linalg.norm(towards)
    halfway = towards + np.asarray((0, 0, 1), dtype=np.float32)
    halfway = halfway / np.linalg.norm(halfway)
    diffuse = np.maximum(normals @ towards, 0)
    shine = np.maximum(normals @ halfway, 0) ** np.float32(shininess)
    base = np.asarray(albedo, dtype=np.float32)
    lit = base * (ambient + (1 - ambient) * diffuse)[..., None] + (specular * shine)[..., None]
    return as_float32(np.clip(lit, 0, 1))


def composite(canvas: FloatArray, layer: FloatArray | Colour, mask: FloatArray) -> FloatArray:
    """`layer` (an image or one colour) over `canvas` where `mask` is 1."""
    return as_float32(canvas + (np.asarray(layer, dtype=np.float32) - canvas) * mask[..., None])


def drop_shadow(
    canvas: FloatArray, mask: FloatArray, offset: tuple[float, float], blur: float, strength: float
) -> FloatArray:
    """Darken `canvas` by the shadow of `mask`, moved by `offset` (x, y) and blurred by `blur`, in pixels."""
    shade = Image.fromarray((np.clip(mask, 0, 1) * 255).astype(np.uint8))
    moved = Image.new("L", shade.size, 0)
    moved.paste(shade, (round(offset[0]), round(offset[1])))
    soft = np.asarray(moved.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32) / 255
    return as_float32(canvas * (1 - strength * soft)[..., None])


def photo_finish(
    rng: np.random.Generator,
    canvas: FloatArray,
    noise: float = 0.012,
    vignette: float = 0.15,
    blur: float = 0.0,
    warmth: float = 0.0,
) -> Image.Image:
    """Take the photo: lens blur (pixels), white balance (`warmth` -1..1), vignette and sensor noise."""
    h, w = canvas.shape[:2]
    if blur > 0.2:
        canvas = ndimage.gaussian_filter(canvas, (blur, blur, 0))
    y = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
    fall = (1 - vignette * 0.5 * (x * x + y * y))[..., None]
    balance = np.asarray((1 + 0.10 * warmth, 1.0, 1 - 0.12 * warmth), dtype=np.float32)
    grain = noise * rng.standard_normal((h, w, 1), dtype=np.float32)
    finished = np.clip(canvas * fall * balance + grain, 0, 1)
    return Image.fromarray((finished * 255 + 0.5).astype(np.uint8))
