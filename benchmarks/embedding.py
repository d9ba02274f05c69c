"""Embedding images: one call per image beside batches, with the bundled encoder."""

from __future__ import annotations

import numpy as np
from PIL import Image

from benchmarks.compare import Comparison, compare
from imagerag_assets.models.dual_encoder import load_dual_encoder

_IMAGES, _BATCH = 64, 32


def compare_embedding(rounds: int) -> Comparison:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (448, 448, 3), dtype=np.uint8)) for _ in range(_IMAGES)]
    encoder = load_dual_encoder("bundled", None, "cpu")

    def plain() -> None:
        for picture in pictures:
            encoder.encode_images([picture])

    def ours() -> None:
        for start in range(0, _IMAGES, _BATCH):
            encoder.encode_images(pictures[start : start + _BATCH])

    return compare(f"embedding {_IMAGES} images", plain, ours, rounds)
