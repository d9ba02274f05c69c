"""What a collection's module has to offer: scenes, and queries that are judged by the scenes' facts.

No drawing here, and no file is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from PIL import Image

QueryKind = Literal["by_look", "by_text", "both", "detail", "by_example"]
Facts = Mapping[str, str | int | bool]


@dataclass(frozen=True)
class Scene:
    """One picture before it is drawn. Two equal scenes are drawn as two equal pictures.

    `facts` are what qrels are decided by, `text` is every line that can be read in the picture, and `seed` decides
    everything else (pose, light, grain).
    """

    collection: str
    name: str
    """Stem of the file name, unique in the corpus saying nothing a query could match ("p-0042")."""
    facts: Facts
    seed: int
    text: tuple[str, ...] = ()
    language: Literal["en", "fr", ""] = ""
    """Language of `text`, empty when nothing can be read."""
    extension: Literal["jpg", "png", "webp"] = "jpg"


@dataclass(frozen=True)
class Region:
    """A detail that a query may ask for: what it is, and where, as fractions (left, top, right, bottom)."""

    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Drawing:
    """A drawn scene. `regions` are its noteworthy small details (a large plan's symbols), empty for most."""

    image: Image.Image
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True)
class SampleQuery:
    """A benchmark query. An image is relevant exactly when `relevant(scene.facts)`; a near-duplicate inherits it.

    For `by_example`, `example` is a scene of the same subject drawn with a seed that the corpus does not have, and
    `text` is empty.
    """

    text: str
    kind: QueryKind
    relevant: Callable[[Facts], bool]
    language: Literal["en", "fr"] = "en"
    example: Scene | None = field(default=None)


class SceneModule(Protocol):
    """The contract of `products`, `real_estate`, `it_support` and `manufacturing`."""

    COLLECTION: str
    QUERIES: tuple[SampleQuery, ...]

    def corpus_scenes(self) -> tuple[Scene, ...]:
        """The collection's scenes, always the same."""
        ...

    def random_scene(self, rng: np.random.Generator) -> Scene:
        """A scene for training, never one of the corpus: its seed is drawn from `rng` at 2**32 or above."""
        ...

    def draw(self, scene: Scene, long_side: int | None = None) -> Drawing:
        """Draw it at its natural size, or natively smaller so that its long side is about `long_side` pixels."""
        ...

    def captions(self, scene: Scene, rng: np.random.Generator) -> list[str]:
        """Several differently worded true captions, from short to long, synonyms drawn from `rng`."""
        ...

    def region_captions(self, region: Region, rng: np.random.Generator) -> list[str]:
        """Captions of a crop that shows this region."""
        ...
