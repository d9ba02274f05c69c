"""A canvas in logical pixels on which screens are painted: shapes, text, soft shadows. It knows no window.

Everything is measured in the picture's natural pixels and painted at twice the wanted size, so that the same
calls give the same picture, with smooth edges, at every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from imagerag_assets.sample import drawing
from imagerag_assets.sample.scene import Region

RGB = tuple[int, int, int]
Family = Literal["sans", "serif", "mono", "condensed"]
SUPERSAMPLING = 2


class Painter:
    """Paints at `long_side` output pixels a picture whose natural size is `width` x `height`.

    A `dry` painter paints nothing and only collects `lines` (every text) and `regions`, in a millisecond.
    """

    def __init__(self, width: int, height: int, long_side: int | None = None, *, dry: bool = False) -> None:
        self.width, self.height, self.dry = width, height, dry
        scale = (long_side or max(width, height)) / max(width, height)
        self.size = (max(1, round(width * scale)), max(1, round(height * scale)))
        self._k = scale * SUPERSAMPLING
        canvas = (1, 1) if dry else (self.size[0] * SUPERSAMPLING, self.size[1] * SUPERSAMPLING)
        self.image = Image.new("RGB", canvas)
        self._draw = ImageDraw.Draw(self.image)
        self.lines: list[str] = []
        self.regions: list[Region] = []

    def finish(self) -> Image.Image:
        """Return the picture at its output size."""
        return self.image if self.dry else self.image.reduce(SUPERSAMPLING)

    def mark(self, label: str, x: float, y: float, w: float, h: float) -> None:
        """Declare a noteworthy detail."""
        left, right = max(x / self.width, 0.0), min((x + w) / self.width, 1.0)
        top, bottom = max(y / self.height, 0.0), min((y + h) / self.height, 1.0)
        self.regions.append(Region(label, (left, top, right, bottom)))

    def fill(self, colour: RGB) -> None:
        """Paint the whole canvas, also the part of a pixel by which its size was rounded up."""
        self.image.paste(colour, (0, 0, *self.image.size))

    def rect(
        self, x: float, y: float, w: float, h: float, fill: RGB | None, *,
        radius: float = 0, outline: RGB | None = None, width: float = 1,
    ) -> None:  # fmt: skip
        """Paint a rectangle, rounded where `radius` is positive."""
        if self.dry or w <= 0 or h <= 0:
            return
        k = self._k
        box = (x * k, y * k, max((x + w) * k - 1, x * k), max((y + h) * k - 1, y * k))
        stroke = max(1, round(width * k)) if outline else 0
        if radius:
            self._draw.rounded_rectangle(box, min(radius, w / 2, h / 2) * k, fill, outline, stroke)
        else:
            self._draw.rectangle(box, fill, outline, stroke)

    def ellipse(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        fill: RGB | None,
        *,
        outline: RGB | None = None,
        width: float = 1,
    ) -> None:
        """Paint the ellipse inside a box."""
        if self.dry:
            return
        k = self._k
        stroke = max(1, round(width * k)) if outline else 0
        self._draw.ellipse((x * k, y * k, (x + w) * k, (y + h) * k), fill, outline, stroke)

    def arc(self, cx: float, cy: float, r: float, start: float, end: float, fill: RGB, width: float) -> None:
        """Paint a stroke along a circle, degrees clockwise from three o'clock."""
        if not self.dry:
            k = self._k
            box = ((cx - r) * k, (cy - r) * k, (cx + r) * k, (cy + r) * k)
            self._draw.arc(box, start, end, fill, max(1, round(width * k)))

    def slice(self, cx: float, cy: float, r: float, start: float, end: float, fill: RGB) -> None:
        """Paint a filled sector of a circle."""
        if not self.dry:
            k = self._k
            self._draw.pieslice(((cx - r) * k, (cy - r) * k, (cx + r) * k, (cy + r) * k), start, end, fill)

    def line(self, points: Sequence[tuple[float, float]], fill: RGB, width: float = 1) -> None:
        """Paint a polyline with round joints."""
        if not self.dry:
            scaled = [(x * self._k, y * self._k) for x, y in points]
            self._draw.line(scaled, fill, max(1, round(width * self._k)), joint="curve")

    def polygon(self, points: Sequence[tuple[float, float]], fill: RGB) -> None:
        """Paint a filled polygon."""
        if not self.dry:
            self._draw.polygon([(x * self._k, y * self._k) for x, y in points], fill)

    def text(
        self, x: float, y: float, text: str, size: float, fill: RGB, *,
        family: Family = "sans", bold: bool = False, anchor: str = "la", room: float = 0,
    ) -> None:  # fmt: skip
        """Paint one line of text, cut with an ellipsis where it is wider than `room` (0: never cut)."""
        if room:
            text = self._cut(text, size, family, bold, room)
        if not text:
            return
        self.lines.append(text)
        if not self.dry:
            typeface = drawing.font(family, max(2.0, size * self._k), bold)
            self._draw.text((x * self._k, y * self._k), text, fill, typeface, anchor=anchor)

    def paragraph(
        self, x: float, y: float, room: float, text: str, size: float, fill: RGB, *,
        family: Family = "sans", bold: bool = False, spacing: float = 1.4,
    ) -> float:  # fmt: skip
        """Paint text wrapped to `room`, the same way at every size; returns the y below it."""
        words, line = text.split(" "), ""
        for word in [*words, ""]:
            candidate = f"{line} {word}".strip()
            if word and measure(candidate, size, family, bold) <= room:
                line = candidate
                continue
            self.text(x, y, line, size, fill, family=family, bold=bold)
            line, y = word, y + size * spacing
        return y

    def shadow(self, x: float, y: float, w: float, h: float, *, blur: float = 18, strength: float = 0.45) -> None:
        """Paint a soft shadow of a window, painted before the window."""
        if self.dry:
            return
        k = self._k / 4
        pad = blur * 2.5
        size = (max(1, round((w + 2 * pad) * k)), max(1, round((h + 2 * pad) * k)))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).rectangle((pad * k, pad * k, (w + pad) * k, (h + pad) * k), fill=round(255 * strength))
        mask = mask.filter(ImageFilter.GaussianBlur(blur * k))
        mask = mask.resize((size[0] * 4, size[1] * 4), Image.Resampling.BILINEAR)
        corner = (round((x - pad) * self._k), round((y - pad + blur * 0.5) * self._k))
        self.image.paste((0, 0, 0), corner, mask)

    def backdrop(self, pixels: NDArray[np.float32]) -> None:
        """Fill the whole canvas from a small (h, w, 3) array in 0..1, smoothly enlarged."""
        if not self.dry:
            small = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
            self.image.paste(small.resize(self.image.size, Image.Resampling.BICUBIC))

    def _cut(self, text: str, size: float, family: Family, bold: bool, room: float) -> str:
        if measure(text, size, family, bold) <= room:
            return text
        while text and measure(text + "…", size, family, bold) > room:
            text = text[:-1]
        return text + "…" if text else ""


def measure(text: str, size: float, family: Family = "sans", bold: bool = False) -> float:
    """Width of a line in natural pixels."""
    return drawing.font(family, size, bold).getlength(text)


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Return the colour `share` of the way from `a` to `b`."""
    red, green, blue = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return red, green, blue
