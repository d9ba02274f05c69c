"""An image → the four parts of a RAG description, without a language model: zero-shot tags, OCR text, measured facts.

The tags are those words of a vocabulary whose vectors the dual encoder finds near the image's, against all the other
words. Deterministic and free, and only as good as the dual encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from PIL import Image

from imagerag_assets.errors import SettingsError
from imagerag_assets.models.describers import Description

if TYPE_CHECKING:
    from imagerag_assets.models.checkpoints import FloatArray
    from imagerag_assets.models.dual_encoder import DualEncoder

DESCRIBER_VERSION = 1
MODEL_NAME = "zero-shot tags"
# CLIP's own logit scale (Radford et al. 2021): turns cosine differences of a few hundredths into probabilities.
_LOGIT_SCALE = 100.0
_VISIBLE_TEXT_LIMIT = 2000


@dataclass(frozen=True)
class Vocabulary:
    """Words by group. `category` gives one word per image, every other group up to `tags_per_group`."""

    groups: dict[str, tuple[str, ...]]
    template: str
    tags_per_group: int
    minimum_probability: float
    digest: str


def load_vocabulary(file: Path | None) -> Vocabulary:
    """The vocabulary in `file`, or the package's own. Raises `SettingsError` naming models.vocabulary."""
    from imagerag_assets.database.stages import fingerprint

    try:
        source = resources.files("imagerag_assets.models") / "vocabulary.yaml" if file is None else file
        values = yaml.safe_load(source.read_text(encoding="utf-8"))
        groups = {str(name): tuple(map(str, words)) for name, words in values["groups"].items()}
        if not groups.get("category"):
            raise KeyError("groups.category")
        template, tags, minimum = (
            str(values["template"]),
            int(values["tags_per_group"]),
            float(values["minimum"]),
        )
    except (
        OSError,
        UnicodeDecodeError,
        yaml.YAMLError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise SettingsError(
            f"models.vocabulary: {file} cannot be used ({type(error).__name__}: {error}). It needs `template`, "
            "`tags_per_group`, `minimum` and `groups` with a `category`, as the package's vocabulary.yaml has."
        ) from None
    return Vocabulary(groups, template, tags, minimum, fingerprint(vocabulary=values))


class ZeroShotDescriber:
    """Describes with a dual encoder. The vocabulary is encoded once."""

    def __init__(self, encoder: DualEncoder, vocabulary: Vocabulary) -> None:
        self._encoder = encoder
        self._vocabulary = vocabulary
        self._vectors = {
            group: encoder.encode_texts([vocabulary.template.format(word) for word in words])
            for group, words in vocabulary.groups.items()
        }

    def describe(self, images: Sequence[Image.Image], texts: Sequence[str]) -> list[Description]:
        """Descriptions of upright RGB images; `texts` is what OCR read in each."""
        vectors = self._encoder.encode_images(list(images))
        return [self._one(image, vector, text) for image, vector, text in zip(images, vectors, texts, strict=True)]

    def _one(self, image: Image.Image, vector: FloatArray, text: str) -> Description:
        category, confidence = self._best("category", vector, 1)[0]
        elements = [
            word
            for group in self._vocabulary.groups
            if group != "category"
            for word, probability in self._best(group, vector, self._vocabulary.tags_per_group)
            if probability >= self._vocabulary.minimum_probability
        ]
        shape = _shape(image.size)
        read = " ".join(text.split())[:_VISIBLE_TEXT_LIMIT]
        general = f"{category}, {shape}" + (f", showing {', '.join(elements[:4])}" if elements else "") + "."
        tags = tuple(dict.fromkeys([category, *elements]))
        return Description(general, tuple(elements), read, category, tags, confidence)

    def _best(self, group: str, vector: FloatArray, count: int) -> list[tuple[str, float]]:
        """The `count` most probable words of a group, best first; equal ones in the vocabulary's order."""
        logits = _LOGIT_SCALE * (self._vectors[group] @ vector)
        weights = np.exp(logits - logits.max())
        probabilities = weights / weights.sum()
        order = np.argsort(-probabilities, kind="stable")[:count]
        return [(self._vocabulary.groups[group][index], float(probabilities[index])) for index in order]


def _shape(size: tuple[int, int]) -> str:
    width, height = size
    form = "square" if 0.9 < width / height < 1.1 else "wide" if width > height else "tall"
    return f"{form} {width}×{height} picture"
