"""A pinhole camera and a canvas on which flat faces of a 3D scene are painted, back to front.

What a face is made of lives in `materials`, what stands in the scene in `exteriors` and `interiors`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from imagerag_assets.sample.drawing import font
from imagerag_assets.sample.real_estate.materials import Floats, Material, Tint

SUPERSAMPLE = 2
NEAR = 0.25
"""Metres: nothing nearer to the camera than this is projected."""

Point2 = tuple[float, float]
Point3 = tuple[float, float, float]


@dataclass(frozen=True)
class Face:
    """A rectangle in space: `u` and `v` are its unit axes, `width` and `height` are metres."""

    origin: Point3
    u: Point3
    v: Point3
    width: float
    height: float

    def at(self, u: float, v: float) -> Point3:
        x, y, z = (o + u * a + v * b for o, a, b in zip(self.origin, self.u, self.v, strict=True))
        return x, y, z

    def part(self, u0: float, v0: float, u1: float, v1: float) -> Face:
        return Face(self.at(u0, v0), self.u, self.v, u1 - u0, v1 - v0)

    def raised(self, metres: float) -> Face:
        """The same face moved along its normal, towards a viewer who sees u run right and v run up."""
        normal = np.cross(self.u, self.v)
        x, y, z = (float(o - metres * n) for o, n in zip(self.origin, normal, strict=True))
        return Face((x, y, z), self.u, self.v, self.width, self.height)


@dataclass(frozen=True)
class Camera:
    """Looks along +z from (`x`, `eye`, 0); the scene is turned by `yaw` about (0, distance) first."""

    width: int
    height: int
    focal: float
    horizon: float
    eye: float
    x: float = 0.0
    yaw: float = 0.0
    distance: float = 0.0

    def project(self, point: Point3) -> Point2:
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        x = point[0] * cos + point[2] * sin - self.x
        z = max(-point[0] * sin + point[2] * cos + self.distance, NEAR)
        return self.width / 2 + self.focal * x / z, self.horizon - self.focal * (point[1] - self.eye) / z

    def sees(self, face: Face) -> bool:
        """Whether the outer side of the face is turned to the camera."""
        corner, right, up = (self.project(face.at(*uv)) for uv in ((0, 0), (face.width, 0), (0, face.height)))
        across = (right[0] - corner[0]) * (up[1] - corner[1]) - (right[1] - corner[1]) * (up[0] - corner[0])
        return across < 0


def box_faces(low: Point3, high: Point3) -> dict[str, Face]:
    """The faces of an upright box; each is seen from outside with u to the right and v upwards (or away)."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    wide, tall, deep = x1 - x0, y1 - y0, z1 - z0
    return {
        "top": Face((x0, y1, z0), (1, 0, 0), (0, 0, 1), wide, deep),
        "left": Face((x0, y0, z1), (0, 0, -1), (0, 1, 0), deep, tall),
        "right": Face((x1, y0, z0), (0, 0, 1), (0, 1, 0), deep, tall),
        "front": Face((x0, y0, z0), (1, 0, 0), (0, 1, 0), wide, tall),
    }


def _to_unit_square(corners: Sequence[Point2]) -> npt.NDArray[np.float64]:
    """Homography (3, 3) that takes four screen points to (0,0), (1,0), (1,1), (0,1)."""
    rows, wanted = [], []
    for (x, y), (u, v) in zip(corners, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        wanted += [u, v]
    solved = np.linalg.lstsq(np.array(rows, dtype=np.float64), np.array(wanted, dtype=np.float64), rcond=None)[0]
    return np.append(solved, 1.0).reshape(3, 3)


class Canvas:
    """Float pixels (height, width, 3) at twice the final size. `tint` is the light on everything."""

    def __init__(self, width: int, height: int, tint: Tint = (1.0, 1.0, 1.0)) -> None:
        self.width, self.height = width * SUPERSAMPLE, height * SUPERSAMPLE
        self.pixels: Floats = np.zeros((self.height, self.width, 3), dtype=np.float32)
        self.lamps: Floats = np.zeros((self.height, self.width), dtype=np.float32)
        self.tint = np.array(tint, dtype=np.float32)

    def _mask(self, points: Sequence[Point2], grow: int = 0) -> tuple[Image.Image, int, int] | None:
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        left, top = max(math.floor(min(xs)) - grow, 0), max(math.floor(min(ys)) - grow, 0)
        right = min(math.ceil(max(xs)) + grow + 1, self.width)
        bottom = min(math.ceil(max(ys)) + grow + 1, self.height)
        if right <= left or bottom <= top:
            return None
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in points], fill=255)
        return mask, left, top

    def polygon(self, points: Sequence[Point2], colour: Tint, opacity: float = 1.0, *, lamp: bool = False) -> None:
        """A flat polygon in screen coordinates; a lamp ignores the scene's light and glows."""
        drawn = self._mask(points)
        if drawn is None:
            return
        mask, left, top = drawn
        rows, columns = np.nonzero(np.asarray(mask))
        where = rows + top, columns + left
        new = np.array(colour, dtype=np.float32) * (1.0 if lamp else self.tint)
        self.pixels[where] = self.pixels[where] * (1 - opacity) + new * opacity
        self.lamps[where] = 1.0 if lamp else 0.0

    def paint(
        self,
        camera: Camera,
        face: Face,
        material: Material,
        shade: tuple[float, float] = (1.0, 1.0),
        outline: Sequence[Point2] | None = None,
        *,
        soft: float = 0.0,
        lamp: bool = False,
    ) -> None:
        """Paint a face, or its part inside `outline` (metres), with brightness `shade` from foot to top.

        `soft` metres of darkening towards the edges make it look padded.
        """
        corners = [camera.project(face.at(u * face.width, v * face.height)) for u, v in _UNIT]
        points = corners if outline is None else [camera.project(face.at(u, v)) for u, v in outline]
        drawn = self._mask(points)
        if drawn is None:
            return
        mask, left, top = drawn
        rows, columns = np.nonzero(np.asarray(mask))
        if rows.size == 0:
            return
        rows, columns = rows + top, columns + left
        m = _to_unit_square(corners)
        divisor = m[2, 0] * columns + m[2, 1] * rows + m[2, 2]
        u = np.clip((m[0, 0] * columns + m[0, 1] * rows + m[0, 2]) / divisor, 0, 1).astype(np.float32)
        v = np.clip((m[1, 0] * columns + m[1, 1] * rows + m[1, 2]) / divisor, 0, 1).astype(np.float32)
        colours = material(u * face.width, v * face.height, self._metres_per_pixel(face, corners))
        bright = shade[0] + (shade[1] - shade[0]) * v
        if soft:
            u, v = u * face.width, v * face.height
            edge = np.minimum(np.minimum(u, face.width - u), np.minimum(v, face.height - v))
            bright = bright * (0.72 + 0.28 * np.clip(edge / soft, 0, 1) ** 0.7)
        colours = colours * bright[:, None]
        self.pixels[rows, columns] = colours if lamp else colours * self.tint
        self.lamps[rows, columns] = 1.0 if lamp else 0.0

    @staticmethod
    def _metres_per_pixel(face: Face, corners: Sequence[Point2]) -> float:
        across = max(math.dist(corners[0], corners[1]), math.dist(corners[3], corners[2]), 1.0)
        up = max(math.dist(corners[0], corners[3]), math.dist(corners[1], corners[2]), 1.0)
        return max(face.width / across, face.height / up)

    def box(
        self,
        camera: Camera,
        low: Point3,
        high: Point3,
        material: Material,
        light: float = 1.0,
        *,
        top: Material | None = None,
        soft: float = 0.0,
    ) -> None:
        """An upright box: of its faces, those that look at the camera."""
        faces = box_faces(low, high)
        shades = {"top": (1.08, 1.0), "left": (0.62, 0.78), "right": (0.58, 0.72), "front": (0.78, 0.94)}
        for side, (bottom, upper) in shades.items():
            face = faces[side]
            if camera.sees(face):
                made_of = top if side == "top" and top else material
                self.paint(camera, face, made_of, (bottom * light, upper * light), soft=soft)

    def _blurred_area(self, points: Sequence[Point2], blur: float) -> tuple[Floats, Floats] | None:
        """The pixels (a view, h x w x 3) that a blurred polygon touches, and how much it covers them (h x w x 1)."""
        radius = blur * self.width
        drawn = self._mask(points, grow=int(radius * 2))
        if drawn is None:
            return None
        mask, left, top = drawn
        soft = np.asarray(mask.filter(ImageFilter.BoxBlur(radius)), dtype=np.float32) / np.float32(255)
        return self.pixels[top : top + soft.shape[0], left : left + soft.shape[1]], soft[:, :, None]

    def shadow(self, points: Sequence[Point2], strength: float, blur: float) -> None:
        """Darken inside a blurred polygon; `blur` is a fraction of the canvas width."""
        if (found := self._blurred_area(points, blur)) is not None:
            area, soft = found
            area *= 1 - strength * soft

    def beam(self, points: Sequence[Point2], colour: Tint, blur: float) -> None:
        """Light that falls inside a blurred polygon: multiplies what is there by 1 + colour."""
        if (found := self._blurred_area(points, blur)) is not None:
            area, soft = found
            area *= 1 + soft * np.array(colour, dtype=np.float32)

    def layer(self, image: Image.Image, left: int, top: int) -> None:
        """Lay an RGBA picture over the canvas, in the scene's light."""
        clipped = image.crop(
            (
                max(-left, 0),
                max(-top, 0),
                min(image.width, self.width - left),
                min(image.height, self.height - top),
            )
        )
        if clipped.width <= 0 or clipped.height <= 0:
            return
        left, top = max(left, 0), max(top, 0)
        new = np.asarray(clipped, dtype=np.float32) / 255
        area = self.pixels[top : top + new.shape[0], left : left + new.shape[1]]
        alpha = new[:, :, 3:]
        area[:] = area * (1 - alpha) + new[:, :, :3] * self.tint * alpha
        self.lamps[top : top + new.shape[0], left : left + new.shape[1]] *= 1 - new[:, :, 3]

    def write(
        self,
        centre: Point2,
        text: str,
        size: float,
        colour: Tint,
        *,
        bold: bool = False,
        family: str = "sans",
    ) -> None:
        """A line of text centred at a screen point, `size` in canvas pixels."""
        if size < 4:
            return
        face = font("condensed" if family == "condensed" else "sans", size, bold=bold)
        x0, y0, x1, y1 = face.getbbox(text, anchor="mm")
        wide, tall = int(x1 - x0) + 4, int(y1 - y0) + 4
        mask = Image.new("L", (wide, tall))
        ImageDraw.Draw(mask).text((2 - x0, 2 - y0), text, font=face, fill=255, anchor="mm")
        self._ink(mask, round(centre[0] + x0 - 2), round(centre[1] + y0 - 2), colour)

    def _ink(self, mask: Image.Image, left: int, top: int, colour: Tint) -> None:
        """Blend a colour in through a mask that may lie partly outside."""
        cut_left, cut_top = max(-left, 0), max(-top, 0)
        left, top = max(left, 0), max(top, 0)
        area = self.pixels[top : top + mask.height - cut_top, left : left + mask.width - cut_left]
        alpha = np.asarray(mask, dtype=np.float32)[cut_top:, cut_left:] / 255
        alpha = alpha[: area.shape[0], : area.shape[1], None]
        area[:] = area * (1 - alpha) + np.array(colour, dtype=np.float32) * self.tint * alpha

    def glow(self, colour: Tint, strength: float) -> None:
        """Let the lamps spread light around them."""
        small = Image.fromarray((self.lamps * 255).astype(np.uint8)).reduce(4)
        wide = small.filter(ImageFilter.GaussianBlur(small.width / 28)).resize((self.width, self.height))
        halo = np.asarray(wide, dtype=np.float32) / 255
        self.pixels += halo[:, :, None] * np.array(colour, dtype=np.float32) * strength

    def finished(self) -> Floats:
        """The picture (height, width, 3) in 0..1 at its final size."""
        big = np.clip(self.pixels, 0, 1)
        return np.asarray(big.reshape(self.height // 2, 2, self.width // 2, 2, 3).mean(axis=(1, 3)), dtype=np.float32)


_UNIT = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
