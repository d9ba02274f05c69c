"""Two thumbnails laid over each other: copies agree whatever was done to them, other pictures do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from imagerag_assets.images.alignment import Freedom, Likeness, Picture, likeness
from imagerag_assets.images.hashing import thumbnail
from imagerag_assets.settings import Dedup

ENOUGH = Dedup().similarity
FREE = Freedom(turns=True, mirrors=True)


def scene(number: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Shapes at all scales, as a photo has them: smooth noise alone has no corner to hold on to."""
    rng = np.random.default_rng(number)
    ground = rng.integers(60, 200, size=(4, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(ground).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y, side = int(rng.integers(0, size[0])), int(rng.integers(0, size[1])), int(rng.integers(10, 90))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        (pen.rectangle if rng.random() < 0.5 else pen.ellipse)((x, y, x + side, y + side * 0.7), fill=colour)
    return picture


def compared(one: Image.Image, other: Image.Image, orientation: int = 0, freedom: Freedom = FREE) -> Likeness:
    return likeness(Picture(thumbnail(one)), Picture(thumbnail(other)), orientation, freedom, ENOUGH)


def cropped(image: Image.Image) -> Image.Image:
    return image.crop((60, 30, image.width - 20, image.height - 40))


def watermarked(image: Image.Image) -> Image.Image:
    marked = image.copy()
    ImageDraw.Draw(marked).text((200, 400), "PREVIEW", font=ImageFont.load_default(40), fill="white")
    return marked


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": lambda image: image.resize((320, 240)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "cropped": cropped,
    "framed": lambda image: ImageOps.expand(image, 16, "white"),
    "turned by five degrees": lambda image: image.rotate(5, fillcolor="white"),
    "turned by ninety degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored": ImageOps.mirror,
    "mirrored and cropped": lambda image: cropped(ImageOps.mirror(image)),
    "watermarked": watermarked,
    "squeezed": lambda image: image.resize((620, 480)),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_recognised(name: str) -> None:
    for number in range(3):
        found = compared(scene(number), COPIES[name](scene(number)))
        assert found.similarity >= ENOUGH
        assert found.colour <= Dedup().colour_distance


def test_other_pictures_are_not_alike_in_any_way_of_laying_them_down() -> None:
    for number in range(4):
        for orientation in range(8):
            assert compared(scene(number), scene(number + 50), orientation).similarity < Dedup().group_similarity


@pytest.mark.parametrize(
    ("change", "freedom"),
    [
        ("mirrored", Freedom(turns=True, mirrors=False)),
        ("turned by ninety degrees", Freedom(turns=False, mirrors=False)),
    ],
)
def test_what_may_not_have_been_done_to_a_copy_is_not_undone(change: str, freedom: Freedom) -> None:
    assert compared(scene(1), COPIES[change](scene(1)), freedom=freedom).similarity < Dedup().group_similarity


def test_a_small_part_of_a_picture_is_another_picture() -> None:
    assert compared(scene(1), scene(1).crop((0, 0, 300, 240))).similarity < Dedup().group_similarity


def test_layouts_that_agree_in_the_large_and_differ_in_the_small_are_not_the_same() -> None:
    def page(number: int) -> Image.Image:
        rng = np.random.default_rng(number)
        paper = Image.new("RGB", (640, 480), "white")
        pen = ImageDraw.Draw(paper)
        pen.rectangle((0, 0, 640, 60), fill="navy")
        for line in range(12):
            x = 20
            while x < 560:
                width = int(rng.integers(10, 60))
                pen.rectangle((x, 90 + 30 * line, x + width, 104 + 30 * line), fill="black")
                x += width + int(rng.integers(8, 30))
        return paper

    assert compared(page(1), page(1)).similarity > 0.99
    assert compared(page(1), page(2)).similarity < ENOUGH


def test_the_colours_of_the_same_shape_are_compared() -> None:
    red, blue = Image.new("RGB", (300, 300), "#c02020"), Image.new("RGB", (300, 300), "#2020c0")
    for picture in (red, blue):
        ImageDraw.Draw(picture).ellipse((60, 60, 240, 240), fill="white")
    assert compared(red, red).colour < 2
    assert compared(red, blue).colour > Dedup().colour_distance


def test_blank_pictures_are_the_same_and_a_blank_one_is_not_a_drawn_one() -> None:
    white, grey = Image.new("RGB", (300, 200), "white"), Image.new("RGB", (300, 200), "#eeeeee")
    assert compared(white, grey).similarity == 1
    assert compared(white, scene(1, (300, 200))).similarity == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 3), (16, 16)])
def test_pictures_of_any_shape_can_be_compared(size: tuple[int, int]) -> None:
    tiny = Image.new("RGB", size, "red")
    assert compared(tiny, tiny).similarity == 1
    assert compared(scene(1), tiny).similarity == 0
    assert compared(tiny, scene(1), orientation=5).similarity == 0


def test_the_answer_does_not_depend_on_chance() -> None:
    assert len({compared(scene(3), cropped(scene(3))) for _ in range(5)}) == 1
