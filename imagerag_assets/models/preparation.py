"""A picture → the pixels that an image tower sees, in one step: what the processors of CLIP, SigLIP and ViT do in many.

Scaling to -1 … 1 or the like is left for the batch: until then a pixel is a byte. Finding and running models is
`dual_encoder`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
"""Shape (height, width, 3), sRGB."""

# Box-reduced first to no less than three times the size (Pillow's own advice): .3 of 255 steps off on photos, .75 on a
# zone plate, and several times as fast on large pictures.
_REDUCING_GAP = 3.0

_CLOSE = 0.5
"""Mean difference from the model's own processor, in steps of 255, up to which both do the same."""


@dataclass(frozen=True)
class Preparation:
    """Resize so that the short side is `side`, or to `side` square; cut `crop` (height, width) from the middle."""

    side: int
    square: bool
    crop: tuple[int, int]
    resample: Image.Resampling
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    """Of a colour c, the tower is given scale × c + shift."""

    def __call__(self, image: Image.Image) -> Pixels:
        """The pixels of an RGB image. Only what is not cut away is computed."""
        width, height = image.size
        resized_width, resized_height = self._resized(width, height)
        top, left = (resized_height - self.crop[0]) // 2, (resized_width - self.crop[1]) // 2
        box = (
            left * width / resized_width,
            top * height / resized_height,
            (left + self.crop[1]) * width / resized_width,
            (top + self.crop[0]) * height / resized_height,
        )
        seen = image.resize((self.crop[1], self.crop[0]), self.resample, box=box, reducing_gap=_REDUCING_GAP)
        return np.asarray(seen)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.square:
            return self.side, self.side
        shortest = min(width, height)
        # Rounded down, as the processors do it.
        return int(self.side * width / shortest), int(self.side * height / shortest)


def preparation_like(processor: Any) -> Preparation | None:
    """What a processor of transformers does to an image; None where it is none of the usual ways."""
    of = getattr(processor, "image_processor", processor)
    if not all(getattr(of, f"do_{step}", False) for step in ("resize", "rescale", "normalize")):
        return None
    shortest, height, width = (_in(of.size, name) for name in ("shortest_edge", "height", "width"))
    side = shortest or height
    if side is None or _in(of.size, "longest_edge") or (shortest is None and height != width):
        return None
    crop = (side, side)
    if getattr(of, "do_center_crop", False):
        crop = (_in(of.crop_size, "height") or 0, _in(of.crop_size, "width") or 0)
    elif shortest is not None:
        return None  # every picture would be of another size
    if not all(0 < one <= side for one in crop):
        return None
    deviations, means = np.array(of.image_std, dtype=np.float64), np.array(of.image_mean, dtype=np.float64)
    return Preparation(
        side=side,
        square=shortest is None,
        crop=crop,
        resample=Image.Resampling(int(of.resample)),
        scale=tuple(np.broadcast_to(of.rescale_factor / deviations, 3).tolist()),
        shift=tuple(np.broadcast_to(-means / deviations, 3).tolist()),
    )


def least_side(side: int) -> int:
    """How short the short side of a reduced picture may be when the tower's becomes `side` of it.

    A JPEG that is decoded at a half, a quarter or an eighth is then, where the model looks, .6 of 255 steps off on
    photos and 2 on a zone plate; with twice the side it would be .7 and 2.7, with three times .4 and .75.
    """
    return math.ceil(2.5 * side)


def same_pixels(preparation: Preparation, processed: npt.NDArray[np.float32], image: Image.Image) -> bool:
    """Whether `processed`, shape (3, height, width), is what the preparation makes of the image."""
    seen = np.moveaxis(preparation(image), -1, 0).astype(np.float32)
    if processed.shape != seen.shape:
        return False
    scale, shift = (np.array(each, dtype=np.float32)[:, None, None] for each in (preparation.scale, preparation.shift))
    return float(np.abs((processed - shift) / scale - seen).mean()) <= _CLOSE


def _in(size: Any, name: str) -> int | None:
    found = size.get(name) if isinstance(size, dict) else getattr(size, name, None)
    return int(found) if found else None
