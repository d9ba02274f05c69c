"""Pixels → text with word boxes, by Tesseract. Which images are read, and where the text goes, is not known here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

import pytesseract
from PIL import Image

from imagerag_assets.errors import ItemError, ModelError
from imagerag_assets.settings import Ocr

OCR_VERSION = 1

ENLARGE_BELOW = 1600
"""Images with a shorter long side are read at twice their size: screen fonts of 12 px are under what Tesseract was
trained on (x-height of about 20 px)."""
MINIMUM_CONFIDENCE = 0.3
"""Words below are nearly always texture read as letters: dropping them costs no Recall@10 on screenshots."""
_SECONDS = 120

# Two workers with one thread each are faster than one with two: Tesseract's own threading mostly waits.
os.environ.setdefault("OMP_THREAD_LIMIT", "1")


@dataclass(frozen=True)
class Word:
    """A word with its box in pixels of the upright image, and a confidence in 0–1."""

    text: str
    x0: int
    y0: int
    x1: int
    y1: int
    confidence: float


@dataclass(frozen=True)
class OcrText:
    """What was read. No word at all is a result, not a failure."""

    text: str
    words: tuple[Word, ...]

    @property
    def mean_confidence(self) -> float | None:
        """Mean over the words, in 0–1; None when nothing was read."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else None


@lru_cache(maxsize=8)
def tesseract_version(languages: tuple[str, ...]) -> str:
    """The installed version, after checking that every language is there.

    Raises `ModelError` that says what to install.
    """
    try:
        version = str(pytesseract.get_tesseract_version())
        installed = set(pytesseract.get_languages())
    except (pytesseract.TesseractNotFoundError, SystemExit):
        raise ModelError(
            "Tesseract is not installed, or not on the PATH. Install it: apt-get install tesseract-ocr "
            "tesseract-ocr-eng tesseract-ocr-fra (Debian, Ubuntu), or brew install tesseract tesseract-lang (macOS)."
        ) from None
    if missing := sorted(set(languages) - installed):
        packages = " ".join(f"tesseract-ocr-{code.replace('_', '-')}" for code in missing)
        raise ModelError(
            f"ocr.languages: Tesseract has no language pack for {', '.join(missing)}; it has "
            f"{', '.join(sorted(installed))}. Install it (apt-get install {packages}) or change the setting."
        )
    return version


def read_text(image: Image.Image, settings: Ocr) -> OcrText:
    """Read an upright RGB image. Raises `ItemError` with reason `ocr_failed` or `ocr_timeout`."""
    scale = 2 if max(image.size) < ENLARGE_BELOW else 1
    picture = image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC)
    try:
        table = pytesseract.image_to_data(
            picture,
            lang="+".join(settings.languages),
            config=f"--psm {settings.page_segmentation}",
            output_type=pytesseract.Output.DICT,
            timeout=_SECONDS,
        )
    except pytesseract.TesseractError as error:
        raise ItemError("ocr_failed", f"Tesseract: {error}") from None
    except RuntimeError:
        # pytesseract's only sign of a time-out.
        raise ItemError("ocr_timeout", f"Tesseract took longer than {_SECONDS} s.") from None
    return _collect(table, scale)


def _collect(table: dict[str, list[int | str | float]], scale: int) -> OcrText:
    """Words to lines of text in reading order. `table` has one list per column of Tesseract's TSV."""
    words: list[Word] = []
    lines: dict[tuple[int, int, int], list[str]] = {}
    for index, raw in enumerate(table["text"]):
        text = str(raw).replace("\x00", "").strip()
        confidence = float(table["conf"][index]) / 100
        if not text or confidence < MINIMUM_CONFIDENCE:
            continue
        left, top, width, height = (int(table[name][index]) for name in ("left", "top", "width", "height"))
        words.append(
            Word(
                text,
                left // scale,
                top // scale,
                (left + width) // scale,
                (top + height) // scale,
                round(confidence, 3),
            )
        )
        line = (int(table["block_num"][index]), int(table["par_num"][index]), int(table["line_num"][index]))
        lines.setdefault(line, []).append(text)
    return OcrText("\n".join(" ".join(line) for line in lines.values()), tuple(words))
