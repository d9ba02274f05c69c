"""Pictures with captions to train the bundled image tower on, of scenes that the corpus does not have.

Drawn once into a cache folder, in chunks, so that a stopped run goes on where it was. Training is `training`.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagerag_assets.sample.scene import Drawing, Facts, Region, SceneModule

COLLECTIONS = ("products", "real_estate", "it_support", "manufacturing")
STORED_SIDE = 224
"""Pictures are kept as squares of this side, squeezed exactly as the image processor squeezes them."""
CHUNK = 50

Split = Literal["train", "held_out"]
_SPLIT_SEED: dict[Split, int] = {"train": 1, "held_out": 2}
_TILE_SIDES = (0.22, 0.52)
"""Range of a crop's side per long side: that of 1,024-pixel tiles of 2,000 to 4,600-pixel pictures."""


@dataclass(frozen=True)
class Example:
    """A picture and what is true of it. Of a crop, `facts` tell the region alone."""

    collection: str
    pixels: npt.NDArray[np.uint8]
    """Shape (STORED_SIDE, STORED_SIDE, 3)."""
    captions: tuple[str, ...]
    facts: dict[str, str]


def draw_training_set(cache: Path, split: Split, scenes: int, collections: tuple[str, ...]) -> list[Path]:
    """Draw what is missing of `scenes` scenes per collection; the chunk files, in a fixed order."""
    cache.mkdir(parents=True, exist_ok=True)
    names = [(index, name) for index in range(-(-scenes // CHUNK)) for name in collections]
    missing = [(index, name) for index, name in names if not _chunk_path(cache, split, name, index).exists()]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(partial(_draw_chunk, cache, split), missing):
            pass
    return [_chunk_path(cache, split, name, index) for index, name in names]


def read_examples(paths: list[Path]) -> Iterator[Example]:
    """Read the examples of the chunk files, in order."""
    for path in paths:
        with np.load(path) as chunk:
            pixels = chunk["pixels"]
            rows = json.loads(str(chunk["rows"]))
        for square, row in zip(pixels, rows, strict=True):
            yield Example(row["collection"], square, tuple(row["captions"]), row["facts"])


def scene_module(collection: str) -> SceneModule:
    return cast("SceneModule", importlib.import_module(f"imagerag_assets.sample.{collection}"))


def draw_examples(collection: str, rng: np.random.Generator, whole_only: bool) -> list[Example]:
    """Draw a random scene as an example, and a crop around one of its regions if it has any."""
    module = scene_module(collection)
    scene = module.random_scene(rng)
    drawing = module.draw(scene, int(rng.integers(256, 400)))
    captions = [*module.captions(scene, rng), *module.captions(scene, rng)]
    examples = [_example(collection, drawing.image, captions, _as_strings(scene.facts))]
    if drawing.regions and not whole_only:
        examples.append(_crop_example(module, module.draw(scene, 700), rng))
    return examples


def _crop_example(module: SceneModule, drawing: Drawing, rng: np.random.Generator) -> Example:
    """Cut a square that shows one region wholly, captioned by up to seven regions that it shows wholly."""
    image = drawing.image
    region = drawing.regions[int(rng.integers(len(drawing.regions)))]
    left, top, right, bottom = _in_pixels(region, image.size)
    side = min(max(rng.uniform(*_TILE_SIDES) * max(image.size), right - left, bottom - top), *image.size)
    x = _offset(rng, left, right, side, image.width)
    y = _offset(rng, top, bottom, side, image.height)
    shown = [other for other in drawing.regions if _inside(_in_pixels(other, image.size), (x, y, x + side, y + side))]
    captions = [text for other in [region, *shown[:6]] for text in module.region_captions(other, rng)]
    crop = image.crop((round(x), round(y), round(x + side), round(y + side)))
    return _example(module.COLLECTION, crop, captions, {"region": region.label})


def _draw_chunk(cache: Path, split: Split, chunk: tuple[int, str]) -> None:
    index, collection = chunk
    examples: list[Example] = []
    for number in range(index * CHUNK, (index + 1) * CHUNK):
        rng = np.random.default_rng([_SPLIT_SEED[split], COLLECTIONS.index(collection), number])
        examples += draw_examples(collection, rng, whole_only=split == "held_out")
    rows = [{"collection": e.collection, "captions": e.captions, "facts": e.facts} for e in examples]
    path = _chunk_path(cache, split, collection, index)
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished.npz")
    np.savez(unfinished, pixels=np.stack([e.pixels for e in examples]), rows=np.array(json.dumps(rows)))
    unfinished.replace(path)


def _example(collection: str, image: Image.Image, captions: list[str], facts: dict[str, str]) -> Example:
    squeezed = image.convert("RGB").resize((STORED_SIDE, STORED_SIDE), Image.Resampling.BILINEAR)
    return Example(collection, np.asarray(squeezed), tuple(dict.fromkeys(captions)), facts)


def _chunk_path(cache: Path, split: Split, collection: str, index: int) -> Path:
    return cache / f"{split}-{collection}-{index:04d}.npz"


def _as_strings(facts: Facts) -> dict[str, str]:
    return {key: str(value) for key, value in facts.items()}


def _in_pixels(region: Region, size: tuple[int, int]) -> tuple[float, float, float, float]:
    left, top, right, bottom = region.box
    return left * size[0], top * size[1], right * size[0], bottom * size[1]


def _inside(box: tuple[float, float, float, float], frame: tuple[float, float, float, float]) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _offset(rng: np.random.Generator, start: float, end: float, side: float, length: int) -> float:
    """Where a window of `side` may begin so that it holds start..end and stays within 0..length."""
    return float(rng.uniform(max(0.0, end - side), max(0.0, end - side, min(start, length - side))))
