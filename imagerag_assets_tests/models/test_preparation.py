"""The short way from a file to what a model sees, beside the plain one: Pillow, the stock processor, one at a time."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil, ViTImageProcessorPil

from imagerag_assets.images.crops import decode_tiles
from imagerag_assets.models.dual_encoder import DualEncoder, Prepared, load_dual_encoder
from imagerag_assets.models.preparation import preparation_like, same_pixels
from imagerag_assets.settings import Limits
from imagerag_assets_tests.images.zoo import encoded, exif_with_orientation, turned
from imagerag_assets_tests.pictures import draw

WHOLE = [(0, 0, 0, 1, 1)]


@pytest.fixture(scope="module")
def encoder() -> DualEncoder:
    return load_dual_encoder("bundled", None, "cpu")


def scene(number: int, size: tuple[int, int] = (1600, 1200)) -> Image.Image:
    """A drawn scene with a camera's noise."""
    noise = np.random.default_rng(number).normal(0, 8, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(draw(number, size)) + noise, 0, 255).astype(np.uint8))


def with_hole(image: Image.Image) -> Image.Image:
    """Nothing but its middle is opaque."""
    alpha = Image.new("L", image.size, 0)
    alpha.paste(255, (image.width // 4, image.height // 4, image.width // 2, image.height // 2))
    image.putalpha(alpha)
    return image


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {
        "JPEG that is decoded at half": encoded(scene(1), "JPEG", quality=90),
        "JPEG that is decoded in full": encoded(scene(2, (801, 603)), "JPEG", quality=90),
        "turned JPEG": encoded(turned(scene(3), 6), "JPEG", quality=90, exif=exif_with_orientation(6)),
        "PNG": encoded(scene(4, (1000, 700)), "PNG"),
        "turned PNG": encoded(turned(scene(5, (400, 300)), 8), "PNG", exif=exif_with_orientation(8)),
        "PNG with transparency": encoded(with_hole(scene(6, (500, 500))), "PNG"),
        "small PNG": encoded(scene(7, (90, 60)), "PNG"),
    }


def prepared(encoder: DualEncoder, data: bytes) -> Prepared:
    (image,) = decode_tiles(data, Limits(), 1, WHOLE, encoder.least_side)
    return encoder.prepare(image)


def plainly_encoded(encoder: DualEncoder, data: bytes) -> np.ndarray:
    opened = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGBA")
    white = Image.new("RGBA", opened.size, "white")
    opaque = Image.alpha_composite(white, opened).convert("RGB")
    return np.asarray(encoder._model.encode([opaque], normalize_embeddings=True)[0])


def test_vectors_are_those_of_the_plain_way_and_no_other_files(encoder: DualEncoder, files: dict[str, bytes]) -> None:
    ours = encoder.encode_prepared([prepared(encoder, data) for data in files.values()])
    plain = np.stack([plainly_encoded(encoder, data) for data in files.values()])

    cosines = dict(zip(files, (ours * plain).sum(axis=1), strict=True))
    assert min(cosines.values()) > 0.999, cosines
    assert ((ours @ plain.T).argmax(axis=1) == np.arange(len(files))).all()


def test_a_batch_gives_the_vectors_of_one_at_a_time(encoder: DualEncoder, files: dict[str, bytes]) -> None:
    waiting = [prepared(encoder, data) for data in files.values()]
    alone = np.concatenate([encoder.encode_prepared([one]) for one in waiting])
    np.testing.assert_allclose(encoder.encode_prepared(waiting), alone, atol=1e-5)


@pytest.mark.parametrize("size", [(640, 480), (479, 641), (1000, 301), (100, 70), (224, 224), (900, 1700)])
@pytest.mark.parametrize(
    "stock",
    [
        CLIPImageProcessorPil(),
        CLIPImageProcessorPil(size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}),
        SiglipImageProcessorPil(),
        ViTImageProcessorPil(image_mean=0.5),
    ],
    ids=["CLIP", "CLIP that cuts off a border", "SigLIP", "ViT"],
)
def test_pixels_are_those_of_the_stock_processor(stock: CLIPImageProcessorPil, size: tuple[int, int]) -> None:
    image = scene(3, size)
    ours = preparation_like(stock)
    assert ours is not None

    given = ours(image) * np.array(ours.scale) + np.array(ours.shift)
    difference = given.transpose(2, 0, 1) - stock(images=image, return_tensors="np")["pixel_values"][0]

    assert np.abs(difference / np.array(ours.scale)[:, None, None]).mean() < 0.3, "of 255 steps"


def test_what_another_filter_makes_is_not_taken_for_the_same() -> None:
    ours = preparation_like(CLIPImageProcessorPil())
    assert ours is not None
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (97, 146, 3), dtype=np.uint8))

    def made_by(stock: CLIPImageProcessorPil) -> np.ndarray:
        return np.asarray(stock(images=noise, return_tensors="np")["pixel_values"][0])

    assert same_pixels(ours, made_by(CLIPImageProcessorPil()), noise)
    assert not same_pixels(ours, made_by(CLIPImageProcessorPil(resample=Image.Resampling.BILINEAR)), noise)
    assert not same_pixels(ours, made_by(CLIPImageProcessorPil(size={"shortest_edge": 230})), noise)
    assert not same_pixels(ours, made_by(CLIPImageProcessorPil(crop_size={"height": 200, "width": 200})), noise)


@pytest.mark.parametrize(
    "unusual",
    [
        {"do_normalize": False},
        {"do_center_crop": False},
        {"size": {"shortest_edge": 224, "longest_edge": 448}},
        {"size": {"height": 224, "width": 112}, "do_center_crop": False},
        {"crop_size": {"height": 300, "width": 300}},
    ],
)
def test_an_unusual_processor_is_left_to_do_its_work_itself(unusual: Any) -> None:
    assert preparation_like(CLIPImageProcessorPil(**unusual)) is None
