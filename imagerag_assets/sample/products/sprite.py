"""One object of a product photo, painted part by part and lit; `objects` says which there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import PchipInterpolator

from imagerag_assets.sample import drawing
from imagerag_assets.sample.drawing import Colour, FloatArray, as_float32

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Look:
    colour: str
    material: str
    pattern: str
    sun: tuple[float, float, float]
    print: tuple[str, ...] = ()
    """Words on the object itself."""


# ambient, specular, shininess
_GLOSS: dict[str, tuple[float, float, float]] = {
    "ceramic": (0.36, 0.55, 45),
    "glass": (0.55, 0.85, 70),
    "metal": (0.34, 0.60, 30),
    "leather": (0.34, 0.20, 14),
    "wood": (0.42, 0.12, 16),
    "fabric": (0.46, 0.0, 1),
    "rubber": (0.45, 0.10, 10),
}


def tone_of(look: Look) -> Colour:
    metal_grey = look.material == "metal" and look.colour == "grey"
    return drawing.colour("steel" if metal_grey else look.colour)


def contrast(colour: str) -> Colour:
    """Choose the second colour of a pattern, and of print: white on most, navy on light objects."""
    light_object = colour in ("white", "yellow", "pink")
    return (0.10, 0.14, 0.36) if light_object else (0.95, 0.94, 0.90)


def _skin(rng: np.random.Generator, n: int, material: str, tone: Colour) -> FloatArray:
    """Draw an n by n swatch of the material."""
    if material == "fabric":
        return drawing.fabric(rng, n, n, tone)
    if material == "wood":
        return drawing.wood(rng, n, n, tone)
    if material == "metal":
        return drawing.brushed_metal(rng, n, n, tone)
    grain = 0.78 + 0.36 * drawing.fractal_noise(rng, n, n, 6) if material == "leather" else np.ones((n, n))
    return as_float32(np.clip(np.asarray(tone) * grain[..., None], 0, 1))


def _pattern(pattern: str, along: FloatArray, across: FloatArray, pitch: float) -> FloatArray:
    """1 where the second colour shows: stripes repeat along `along`, dots lie in staggered rows (pixels)."""
    if pattern == "striped":
        return as_float32(np.clip(np.sin(along * (2 * np.pi / pitch)) * pitch * 0.18 + 0.5, 0, 1))
    row = np.floor(along / pitch)
    x = across / pitch + 0.5 * (row % 2)
    radius = np.hypot(x - np.floor(x) - 0.5, along / pitch - row - 0.5)
    return as_float32(np.clip((0.28 - radius) * pitch + 0.5, 0, 1))


class Sprite:
    """One object on a square of n pixels, painted part by part; the ground is at 0.94 of its height."""

    def __init__(self, n: int, rng: np.random.Generator, look: Look) -> None:
        self.n = n
        self.rng = rng
        self.look = look
        self.colour = np.zeros((n, n, 3), dtype=np.float32)  # premultiplied
        self.alpha = np.zeros((n, n), dtype=np.float32)

    def put(self, mask: FloatArray, layer: FloatArray | Colour) -> None:
        self.colour = drawing.composite(self.colour, layer, mask)
        self.alpha = as_float32(self.alpha + (1 - self.alpha) * mask)

    def polygon(self, points: list[Point], rounding: int = 0) -> FloatArray:
        """Mask of a polygon in fractions of the square; each round of corner cutting makes it smoother."""
        corners = np.asarray(points, dtype=np.float64)
        for _ in range(rounding):
            after = np.roll(corners, -1, axis=0)
            corners = np.stack([corners * 0.75 + after * 0.25, corners * 0.25 + after * 0.75], axis=1).reshape(-1, 2)
        return drawing.mask_polygon(self.n, self.n, [(float(x), float(y)) for x, y in corners * self.n])

    def ellipse(self, left: float, top: float, right: float, bottom: float) -> FloatArray:
        n = self.n
        return drawing.mask_ellipse(n, n, (left * n, top * n, right * n, bottom * n))

    def rounded(self, left: float, top: float, right: float, bottom: float, radius: float) -> FloatArray:
        n = self.n * 2
        image = Image.new("L", (n, n), 0)
        box = (left * n, top * n, right * n, bottom * n)
        ImageDraw.Draw(image).rounded_rectangle(box, radius * n, fill=255)
        return as_float32(np.asarray(image.reduce(2), dtype=np.float32) / 255)

    def strokes(self, lines: list[list[Point]], width: float) -> FloatArray:
        n = self.n * 2
        image = Image.new("L", (n, n), 0)
        pen = ImageDraw.Draw(image)
        for line in lines:
            pen.line([(x * n, y * n) for x, y in line], fill=255, width=max(1, round(width * n)), joint="curve")
        return as_float32(np.asarray(image.reduce(2), dtype=np.float32) / 255)

    def solid(
        self,
        mask: FloatArray,
        bevel: float,
        material: str = "",
        tone: Colour | None = None,
        pattern: str = "plain",
    ) -> None:
        """Add a part with a rim rounded over `bevel` (fraction of the square)."""
        material = material or self.look.material
        tone = tone or tone_of(self.look)
        skin = _skin(self.rng, self.n, material, tone)
        if pattern != "plain":
            steps = np.arange(self.n, dtype=np.float32)
            x, y = np.broadcast_to(steps, (self.n, self.n)), np.broadcast_to(steps[:, None], (self.n, self.n))
            skin = drawing.composite(skin, contrast(self.look.colour), _pattern(pattern, x, y, self.n * 0.085))
        self._lit(mask, drawing.inflate(mask, bevel * self.n), skin, material)

    def lathe(
        self,
        points: list[tuple[float, float]],
        cx: float = 0.5,
        material: str = "",
        tone: Colour | None = None,
        pattern: str = "plain",
        tilt: float = 0.2,
        open_top: bool = False,
    ) -> None:
        """Add a turned part: points are (height, half width) in fractions of the square, from the top."""
        n = self.n
        material = material or self.look.material
        tone = tone or tone_of(self.look)
        knots = np.asarray(points, dtype=np.float64)
        ys = np.linspace(knots[0, 0], knots[-1, 0], 80)
        profile = (as_float32(ys * n), as_float32(PchipInterpolator(knots[:, 0], knots[:, 1])(ys) * n))
        mask, height, angle = drawing.lathe_surface(n, n, cx * n, profile, tilt)
        _, normals = drawing.shade_lathe(n, n, cx * n, profile, tilt)
        if open_top:
            self._mouth(cx, points[0], tilt, tone, material)
        skin = _skin(self.rng, n, material, tone)
        if pattern != "plain":
            widest = float(knots[:, 1].max()) * n
            second = _pattern(pattern, height, as_float32(angle * widest), n * 0.075)
            skin = drawing.composite(skin, contrast(self.look.colour), second)
        self._lit(mask, normals, skin, material)

    def _mouth(self, cx: float, rim: tuple[float, float], tilt: float, tone: Colour, material: str) -> None:
        y, r = rim
        opening = self.ellipse(cx - r, y - r * tilt, cx + r, y + r * tilt)
        inner = np.linspace(0.25, 0.75, self.n, dtype=np.float32)[None, :, None] * np.asarray(tone, dtype=np.float32)
        strength = 0.35 if material == "glass" else 1.0
        self.put(as_float32(opening * strength), as_float32(np.broadcast_to(inner, self.colour.shape)))
        rim_line = opening - self.ellipse(cx - r * 0.94, y - r * tilt * 0.88, cx + r * 0.94, y + r * tilt * 0.88)
        bright = tuple(min(1.0, c * 1.15 + 0.12) for c in tone)
        self.put(as_float32(np.clip(rim_line, 0, 1)), (bright[0], bright[1], bright[2]))

    def _lit(self, mask: FloatArray, normals: FloatArray, skin: FloatArray, material: str) -> None:
        ambient, specular, shininess = _GLOSS[material]
        if material == "metal":  # a room mirrored in bands
            bands = 0.72 + 0.38 * np.sin(normals[..., 0] * 5.5 + 0.8) + 0.2 * normals[..., 1]
            skin = as_float32(np.clip(skin * bands[..., None], 0, 1))
        lit = drawing.light(normals, skin, self.look.sun, ambient, specular, shininess)
        if material == "glass":  # clear in the middle, deep at the edges, with the window's reflection
            edge = (1 - np.clip(normals[..., 2], 0, 1)) ** 1.3
            window = np.clip(1 - np.abs(normals[..., 0] + 0.45) * 9, 0, 1) * 0.5
            lit = as_float32(np.clip(lit * (1.1 - 0.55 * edge[..., None]) + window[..., None], 0, 1))
            mask = as_float32(mask * np.clip(0.52 + 0.42 * edge + window, 0, 0.97))
        self.put(mask, lit)

    def words(self, lines: tuple[str, ...], box: Box, tone: Colour, family: drawing.FontFamily = "serif") -> None:
        """Print the lines centred in the box, as large as fits."""
        left, top, right, bottom = (edge * self.n for edge in box)
        size = fitting_size(lines, family, right - left, bottom - top)
        if self.look.pattern != "plain":  # a patch without stripes or dots
            high = size * 1.3 * len(lines) / self.n / 2
            middle = (box[1] + box[3]) / 2
            self.put(
                self.rounded(box[0] - 0.03, middle - high, box[2] + 0.03, middle + high, 0.02),
                tone_of(self.look),
            )
        image = Image.new("L", (self.n, self.n), 0)
        pen = ImageDraw.Draw(image)
        for row, line in enumerate(lines):
            y = (top + bottom) / 2 + (row - (len(lines) - 1) / 2) * size * 1.15
            pen.text(((left + right) / 2, y), line, fill=255, font=drawing.font(family, size, True), anchor="mm")
        self.put(as_float32(np.asarray(image, dtype=np.float32) / 255 * 0.95), tone)


def fitting_size(lines: tuple[str, ...], family: drawing.FontFamily, width: float, height: float) -> float:
    widest = max(drawing.font(family, 100, True).getlength(line) for line in lines)
    return float(round(min(width / widest * 100, height / (1.15 * len(lines))), 1))
