"""The sample collection of an estate agent: houses from outside, rooms, and architects' plans.

Here are the names that every collection has; drawing, words, corpus and queries have modules of their own.
"""

from __future__ import annotations

import numpy as np

from imagerag_assets.sample.real_estate import words
from imagerag_assets.sample.real_estate.corpus import corpus_scenes
from imagerag_assets.sample.real_estate.exteriors import draw_exterior
from imagerag_assets.sample.real_estate.interiors import draw_interior
from imagerag_assets.sample.real_estate.plans import draw_plan
from imagerag_assets.sample.real_estate.queries import QUERIES
from imagerag_assets.sample.real_estate.words import COLLECTION, captions, region_captions
from imagerag_assets.sample.scene import Drawing, Scene

__all__ = ["COLLECTION", "QUERIES", "captions", "corpus_scenes", "draw", "random_scene", "region_captions"]


def random_scene(rng: np.random.Generator) -> Scene:
    """A scene for training: a building, a room, or (one in four) a plan."""
    make = words.pick(rng, (words.random_exterior, words.random_exterior, words.random_interior, words.random_plan))
    seed = int(rng.integers(2**32, 2**62))
    return words.scene_of(make(rng), f"random-{seed}", seed)


def draw(scene: Scene, long_side: int | None = None) -> Drawing:
    """Draw at the natural size (photographs 720-880 pixels, plans 3000-4200), or with the given long side."""
    shape = np.random.default_rng(scene.seed + 1)
    if scene.facts["kind"] == "plan":
        return draw_plan(scene, long_side or int(shape.integers(30, 43)) * 100)
    width = long_side or int(shape.integers(72, 89)) * 10
    height = round(width * float(shape.choice([0.667, 0.75])))
    painter = draw_exterior if scene.facts["kind"] == "exterior" else draw_interior
    return Drawing(painter(scene, width, height))
