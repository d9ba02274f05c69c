"""RapidOCR: PaddleOCR's detector and recogniser on onnxruntime, with the models of its wheel. Nothing is downloaded."""

from __future__ import annotations

import threading
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagerag_assets.models.ocr.subnormals import without_subnormals
from imagerag_assets.models.ocr.text import Word, missing_engine

LOOK_AT = (640, 960)
"""Longest side in pixels, least and most, of the copy in which lines are looked for; they are read at the picture's own
size. Within these bounds it is SHRINK of the picture: looking takes most of the time, and letters of 9 px are found."""
SHRINK = 0.75
MOST_ENLARGED = 3.0
"""A picture below the least side is enlarged to it, or by this factor, so that small letters are found and read."""
MARGIN = 16
"""Pixels of border around the picture: letters that touch its edge are found too, and no picture is too small."""
BETTER_THAN = 0.5
"""Confidence below which a line is nearly always texture read as letters. The package's own default."""

_MODELS = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")
_REMEDY = "pip install 'rapidocr>=3.10,<4' onnxruntime, or choose another ocr.engine."
_engines = threading.local()


@lru_cache(maxsize=1)
def identity() -> str:
    """Version and models. Raises `ModelError` when the package, onnxruntime or a model is not there. Loads nothing."""
    if not util.find_spec("onnxruntime"):
        raise missing_engine("rapidocr", _REMEDY)
    _models()
    return f"{metadata.version('rapidocr')} {' '.join(_MODELS)}"


def _models() -> tuple[Path, Path]:
    # The package would download a model that its wheel lacks.
    spec = util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise missing_engine("rapidocr", _REMEDY)
    detector, recogniser = (Path(spec.origin).parent / "models" / name for name in _MODELS)
    if not (detector.is_file() and recogniser.is_file()):
        raise missing_engine("rapidocr", f"its wheel has not the models {' and '.join(_MODELS)}. {_REMEDY}")
    return detector, recogniser


@lru_cache(maxsize=1)
def _detector() -> Any:
    """The detector on one thread of whoever calls it, with its vanishing weights as zeros. Safe to share."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = without_subnormals(_models()[0].read_bytes())
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _engine() -> Any:
    """The engine of this thread: a worker per core with one thread each is faster than one with all cores."""
    if not hasattr(_engines, "engine"):
        _, recogniser = _models()
        from omegaconf import OmegaConf
        from rapidocr import RapidOCR

        engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.use_vertical_padding": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": LOOK_AT[1] + 2 * MARGIN,
                "Rec.model_path": str(recogniser),
                # Lines one by one, and none padded to the width of a long one: a third less time on screenshots.
                "Rec.rec_batch_num": 1,
                "Rec.rec_img_shape": [3, 48, 128],
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
            }
        )
        engine.return_word_box = True
        # RapidOCR takes a session in its settings, but not in `params`, which are to be plain values.
        engine.cfg.Det = OmegaConf.create({**engine.cfg.Det, "session": _detector()}, flags={"allow_objects": True})
        _engines.engine = engine
    return _engines.engine


def read_words(picture: Image.Image) -> list[Word]:
    """The words of every line that is sure enough, from the top down."""
    from rapidocr.main import RapidOCRError

    longest = max(picture.size)
    enlarged = max(1.0, min(MOST_ENLARGED, LOOK_AT[0] / longest))
    pixels = _prepared(picture, enlarged)
    looked_at = _shrunk(pixels, min(1.0, max(LOOK_AT[0] / longest, min(SHRINK, LOOK_AT[1] / longest))))
    engine = _engine()
    try:
        _, found = engine.detect_and_crop(looked_at, {"padding_1": {"top": 0, "left": 0}})
    except RapidOCRError:
        # Its sign of a picture without text.
        return []
    ratio = np.array([pixels.shape[1] / looked_at.shape[1], pixels.shape[0] / looked_at.shape[0]])
    boxes = [(np.asarray(corners) * ratio).astype(np.float32) for corners in found.boxes]
    texts = engine.recognize_txt(engine.crop_text_regions(pixels, boxes))
    words: list[Word] = []
    for number, corners in enumerate(boxes):
        confidence = float(texts.scores[number])
        if confidence >= BETTER_THAN:
            box = (corners.astype(np.float64) - MARGIN) / enlarged
            words += _line(texts.txts[number], texts.word_results[number], box, confidence, number, picture.size)
    return words


def _prepared(picture: Image.Image, scale: float) -> NDArray[np.uint8]:
    """BGR, enlarged, with a border that repeats the edge."""
    if scale > 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(picture.convert("RGB"))[:, :, ::-1]
    return np.ascontiguousarray(np.pad(pixels, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge"))


def _shrunk(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1.0:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _line(
    text: str, columns: Any, corners: NDArray[np.float64], confidence: float, line: int, size: tuple[int, int]
) -> list[Word]:
    """The line's words. `columns` says at which of the recogniser's steps along the line each letter was seen."""
    text = text.replace("\x00", "")
    letters = [column for word in columns.word_cols for column in word]
    if len(letters) != sum(not char.isspace() for char in text) or not columns.line_txt_len:
        letters = []
    words: list[Word] = []
    at = 0
    for word in text.split():
        if letters:
            places = [column / columns.line_txt_len for column in letters[at : at + len(word)]]
            half = 0.5 * (places[-1] - places[0]) / max(len(word) - 1, 1) if len(word) > 1 else 0.5 / len(text)
            start, end = places[0] - half, places[-1] + half
        else:
            start, end = at / len(text), (at + len(word)) / len(text)
        at += len(word)
        words.append(Word(word, *_box(corners, start, end, size), round(confidence, 3), line))
    return words


def _box(corners: NDArray[np.float64], start: float, end: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The upright box around the part of a line from `start` to `end` (0–1 along it)."""
    top_left, top_right, bottom_right, bottom_left = corners
    if np.linalg.norm(bottom_left - top_left) >= 1.5 * np.linalg.norm(top_right - top_left):
        # A tall line was turned by a quarter to be read: it starts at its top right corner.
        top_left, top_right, bottom_right, bottom_left = top_right, bottom_right, bottom_left, top_left
    start, end = max(start, 0.0), min(end, 1.0)
    points = np.array(
        [near + (far - near) * share for near, far in ((top_left, top_right), (bottom_left, bottom_right))
         for share in (start, end)]
    )  # fmt: skip
    x0, y0 = np.floor(points.min(axis=0)).astype(int)
    x1, y1 = np.ceil(points.max(axis=0)).astype(int)
    # At least a pixel, and inside the picture.
    x0, y0 = min(max(x0, 0), size[0] - 1), min(max(y0, 0), size[1] - 1)
    return int(x0), int(y0), int(min(max(x1, x0 + 1), size[0])), int(min(max(y1, y0 + 1), size[1]))
