"""Words in photographs: agents' boards, gate posts with numbers, street names, watermarks.

What they say is decided in `words`.
"""

from __future__ import annotations

from imagerag_assets.sample.real_estate import materials
from imagerag_assets.sample.real_estate.buildings import House
from imagerag_assets.sample.real_estate.canvas import Camera, Canvas, Face, Point2
from imagerag_assets.sample.real_estate.materials import Floats, Tint
from imagerag_assets.sample.scene import Scene


def sign(house: House, scene: Scene) -> None:
    """The board, plate or number in the foreground; its words are the scene's text."""
    kind = house.facts["sign"]
    painters = {"board": _board, "number": _number_post, "street": _street_plate}
    if kind in painters:
        painters[str(kind)](house, scene.text)


def _rectangle(left: float, top: float, wide: float, tall: float) -> list[Point2]:
    return [(left, top), (left + wide, top), (left + wide, top + tall), (left, top + tall)]


def _board(house: House, text: tuple[str, ...]) -> None:
    """An agent's board on a post: the offer, the agency's name and its telephone number."""
    canvas, rng = house.canvas, house.rng
    wide, tall = canvas.width * 0.36, canvas.width * 0.215
    left = canvas.width * (0.04 if rng.random() < 0.5 else 0.6)
    top = canvas.height * 0.93 - tall * 1.35
    post = _lifted(canvas, (0.9, 0.9, 0.88))
    canvas.polygon(_rectangle(left + wide * 0.47, top, wide * 0.05, canvas.height * 0.97 - top), post)
    tones: tuple[Tint, ...] = ((0.72, 0.1, 0.12), (0.07, 0.2, 0.45), (0.05, 0.34, 0.24), (0.62, 0.25, 0.02))
    tone = _lifted(canvas, tones[int(rng.integers(len(tones)))])
    white = _lifted(canvas, (0.97, 0.97, 0.96))
    canvas.polygon(_rectangle(left, top, wide, tall), white)
    canvas.polygon(_rectangle(left, top, wide, tall * 0.09), tone)
    offer, agency, phone = text[:3]
    middle = left + wide / 2
    _fitted(canvas, (middle, top + tall * 0.27), offer, tall * 0.28, wide * 0.84, tone)
    _fitted(canvas, (middle, top + tall * 0.58), agency, tall * 0.2, wide * 0.88, (0.08, 0.08, 0.09))
    _fitted(canvas, (middle, top + tall * 0.83), phone, tall * 0.2, wide * 0.88, (0.08, 0.08, 0.09))


def _lifted(canvas: Canvas, colour: Tint) -> Tint:
    """A colour lifted against the scene's light, as of a board that a lamp or a flash lights."""
    lift = float(1 / max(canvas.tint.mean(), 0.48))
    return colour[0] * lift, colour[1] * lift, colour[2] * lift


def _fitted(canvas: Canvas, centre: Point2, text: str, size: float, room: float, colour: Tint) -> None:
    """Text at `size`, or smaller where it would not fit into `room`."""
    canvas.write(
        centre,
        text,
        min(size, room / max(len(text), 1) / (0.62 if text.isupper() else 0.53)),
        colour,
        bold=True,
    )


def _number_post(house: House, text: tuple[str, ...]) -> None:
    """A gate post of stone with the house number on a plate."""
    canvas, rng = house.canvas, house.rng
    wide = canvas.width * 0.16
    left = canvas.width * (0.03 if rng.random() < 0.5 else 0.81)
    top = canvas.height * 0.66
    flat = _pixel_camera(canvas)
    post = Face((left, -canvas.height, 1), (1, 0, 0), (0, 1, 0), wide, canvas.height - top)
    scale = 0.9 / wide
    masonry = house.wall if house.facts["wall"] in ("stone", "brick") else materials.stone()

    def scaled(u: Floats, v: Floats, pixel: float) -> Floats:
        return masonry(u * scale, v * scale, pixel * scale)

    canvas.paint(flat, post, scaled, (0.8, 0.98))
    cap = (0.92, 0.94, 0.98) if house.snowy else (0.62, 0.6, 0.56)
    canvas.polygon(_rectangle(left - wide * 0.08, top - wide * 0.12, wide * 1.16, wide * 0.16), cap)
    plate = wide * 0.74
    canvas.polygon(_rectangle(left + wide * 0.13, top + wide * 0.25, plate, plate * 0.72), (0.1, 0.16, 0.36))
    inner = _rectangle(left + wide * 0.16, top + wide * 0.28, plate - wide * 0.06, plate * 0.72 - wide * 0.06)
    canvas.polygon(inner, _lifted(canvas, (0.96, 0.96, 0.94)))
    canvas.write(
        (left + wide / 2, top + wide * 0.25 + plate * 0.36),
        text[0],
        plate * 0.52,
        (0.08, 0.12, 0.3),
        bold=True,
    )


def _pixel_camera(canvas: Canvas) -> Camera:
    """A camera for which a face at z=1 with y downwards negative is measured in pixels."""
    return Camera(0, canvas.height, 1.0, 0.0, 0.0)


def _street_plate(house: House, text: tuple[str, ...]) -> None:
    """A street name in white on blue enamel, on two posts."""
    canvas, rng = house.canvas, house.rng
    wide, tall = canvas.width * 0.4, canvas.width * 0.1
    left = canvas.width * (0.04 if rng.random() < 0.5 else 0.56)
    top = canvas.height * 0.82 - tall / 2
    grey = (0.5, 0.5, 0.52)
    for at in (0.16, 0.8):
        canvas.polygon(_rectangle(left + wide * at, top, wide * 0.035, canvas.height * 0.96 - top), grey)
    white = _lifted(canvas, (0.96, 0.97, 0.98))
    canvas.polygon(_rectangle(left, top, wide, tall), white)
    edge = tall * 0.06
    blue = _lifted(canvas, (0.06, 0.16, 0.42))
    canvas.polygon(_rectangle(left + edge, top + edge, wide - 2 * edge, tall - 2 * edge), blue)
    _fitted(canvas, (left + wide / 2, top + tall / 2), text[0], tall * 0.5, wide * 0.84, white)


def watermark(canvas: Canvas, reference: str, agency: str) -> None:
    """The agency's strip along the lower edge, with its reference number."""
    tall = canvas.width * 0.052
    top = canvas.height - tall
    canvas.polygon(_rectangle(0, top, canvas.width, tall), (0.02, 0.03, 0.05), 0.9)
    white = (0.95 / float(canvas.tint[0]), 0.95 / float(canvas.tint[1]), 0.95 / float(canvas.tint[2]))
    size = tall * 0.58
    canvas.write((canvas.width * 0.27, top + tall / 2), agency, size, white, bold=True)
    canvas.write((canvas.width * 0.8, top + tall / 2), reference, size, white)
