"""A 12-megapixel JPEG to what the model sees: the model's stock processor, OpenCV's reduced decode, and ours."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Scaling, Target, Way
from benchmarks.made import jpeg, photograph
from imagerag_assets.images.crops import decode_tiles
from imagerag_assets.models.preparation import Preparation, least_side, preparation_like
from imagerag_assets.settings import Limits

_LIMITS = Limits()
_WHOLE = [(0, 0, 0, 1, 1)]
_MODEL_SIDE = 224
Pixels = NDArray[np.float32]


def make(bench: Bench) -> Rows:
    size = bench.size((4000, 3000), (2000, 1500))
    files = [jpeg(photograph(number, size)) for number in range(bench.size(4, 1))]
    ways = {
        "plain": Way(_each(files, _plain), "Pillow in full, then the model's stock processor"),
        "peer": Way(_each(files, _peer), "OpenCV, decoded at a quarter, then the stock processor"),
        "floor": Way(_each(files, _floor), "JPEG decoded at an eighth, nothing else"),
        "ours": Way(_each(files, _ours), "decoded at no less than 2.5 × the model's side, resized and cut in one step"),
    }
    return [
        Comparison(
            "decode and resize",
            f"{len(files)} JPEG of {size[0] * size[1] / 1e6:g} megapixels to CLIP's input, one thread, one at a time",
            ways,
            (Target("plain", "ours", at_least=3), Target("mean error of ours in steps of 255", at_most=1)),
            lambda: {
                "mean error of ours in steps of 255": _error(files, _ours),
                "mean error of the peer in steps of 255": _error(files, _peer),
            },
        ),
        Scaling(
            "decode and resize",
            "such files",
            {name: _many(files, do) for name, do in (("plain", _plain), ("ours", _ours))},
            dict.fromkeys(("plain", "ours"), bench.size((4, 16, 64), (1, 2))),
            {"ours": 1.1},
            "Every file is decoded by itself: 100,000 take as many times longer, and were not decoded here.",
        ),
    ]


def _plain(data: bytes) -> Pixels:
    return _see(Image.open(io.BytesIO(data)).convert("RGB"))


def _peer(data: bytes) -> Pixels:
    import cv2

    reduced = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_4)
    if reduced is None:
        raise ValueError("OpenCV could not decode what Pillow wrote")
    return _see(reduced[:, :, ::-1])


def _floor(data: bytes) -> Image.Image:
    opened = Image.open(io.BytesIO(data))
    opened.draft("RGB", (2 * _MODEL_SIDE, 2 * _MODEL_SIDE))
    return opened.convert("RGB")


def _ours(data: bytes) -> Pixels:
    pixels = _preparation()(next(decode_tiles(data, _LIMITS, 1, _WHOLE, least_side(_MODEL_SIDE))))
    scale, shift = np.array(_preparation().scale, np.float32), np.array(_preparation().shift, np.float32)
    return np.ascontiguousarray((pixels * scale + shift).transpose(2, 0, 1))


def _see(image: Image.Image | NDArray[Any]) -> Pixels:
    found: Pixels = _processor()(images=image, return_tensors="np")["pixel_values"][0]
    return found


@lru_cache(maxsize=1)
def _processor() -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil()


@lru_cache(maxsize=1)
def _preparation() -> Preparation:
    found = preparation_like(_processor())
    if found is None:
        raise ValueError("CLIP's processor is one of the usual ones")
    return found


def _each(files: list[bytes], do: Callable[[bytes], object]) -> Callable[[], None]:
    def run() -> None:
        for data in files:
            do(data)

    return run


def _many(files: list[bytes], do: Callable[[bytes], object]) -> Callable[[int], Callable[[], None]]:
    return lambda size: _each(list(islice(cycle(files), size)), do)


def _error(files: list[bytes], see: Callable[[bytes], Pixels]) -> float:
    """The largest mean difference from the plain way; the processor's deviations undone."""
    steps = 255 * np.array(_processor().image_std)[:, None, None]
    return max(float(np.abs((see(data) - _plain(data)) * steps).mean()) for data in files)
