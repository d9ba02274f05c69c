"""Tesseract, a process per picture: what ends such a process ends no run."""

from __future__ import annotations

import os
from collections import ChainMap
from functools import lru_cache

import pytesseract
from PIL import Image

from imagerag_assets.errors import ItemError, ModelError
from imagerag_assets.models.ocr.text import Word

ENLARGE_BELOW = 1600
"""Pictures with a shorter long side are read at twice their size: screen fonts of 12 px are under what Tesseract was
trained on (x-height of about 20 px)."""
MINIMUM_CONFIDENCE = 0.3
"""Words below are nearly always texture read as letters: dropping them costs no Recall@10 on screenshots."""
_SECONDS = 120
_SMALLEST = 3
"""Tesseract refuses pictures with a shorter side."""

# Two workers with one thread each are faster than one with two: Tesseract's own threading mostly waits. The limit goes
# to its processes alone: where it reaches torch, some of what is computed in 16 bits comes out wrong (oneDNN hands work
# to threads that the limit never starts). pytesseract has no argument for it, and takes this name of its module.
pytesseract.pytesseract.environ = ChainMap(os.environ, {"OMP_THREAD_LIMIT": "1"})


@lru_cache(maxsize=8)
def version(languages: frozenset[str]) -> str:
    """The installed version, after checking that every language is there.

    Raises `ModelError` that says what to install.
    """
    try:
        found = str(pytesseract.get_tesseract_version())
        installed = set(pytesseract.get_languages())
    except (pytesseract.TesseractNotFoundError, SystemExit):
        raise ModelError(
            "ocr.engine: Tesseract is not installed, or not on the PATH. Install it: apt-get install tesseract-ocr "
            "tesseract-ocr-eng tesseract-ocr-fra (Debian, Ubuntu), or brew install tesseract tesseract-lang (macOS)."
        ) from None
    if missing := sorted(languages - installed):
        packages = " ".join(f"tesseract-ocr-{code.replace('_', '-')}" for code in missing)
        raise ModelError(
            f"ocr.languages: Tesseract has no language pack for {', '.join(missing)}; it has "
            f"{', '.join(sorted(installed))}. Install it (apt-get install {packages}) or change the setting."
        )
    return found


def read_words(picture: Image.Image, languages: tuple[str, ...], page_segmentation: int) -> list[Word]:
    """The words of an RGB picture. Raises `ItemError` with reason `ocr_failed` or `ocr_timeout`."""
    if min(picture.size) < _SMALLEST:
        return []
    scale = 2 if max(picture.size) < ENLARGE_BELOW else 1
    if scale > 1:
        picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.BICUBIC)
    try:
        table = pytesseract.image_to_data(
            picture,
            lang="+".join(languages),
            config=f"--psm {page_segmentation}",
            output_type=pytesseract.Output.DICT,
            timeout=_SECONDS,
        )
    except pytesseract.TesseractError as error:
        raise ItemError("ocr_failed", f"Tesseract: {error}") from None
    except RuntimeError:
        # pytesseract's only sign of a time-out.
        raise ItemError("ocr_timeout", f"Tesseract took longer than {_SECONDS} s.") from None
    return _collect(table, scale)


def _collect(table: dict[str, list[int | str | float]], scale: int) -> list[Word]:
    """`table` has one list per column of Tesseract's TSV, in reading order."""
    words: list[Word] = []
    lines: dict[tuple[int, int, int], int] = {}
    for index, raw in enumerate(table["text"]):
        text = str(raw).replace("\x00", "").strip()
        confidence = float(table["conf"][index]) / 100
        if not text or confidence < MINIMUM_CONFIDENCE:
            continue
        left, top, width, height = (int(table[name][index]) for name in ("left", "top", "width", "height"))
        line = (int(table["block_num"][index]), int(table["par_num"][index]), int(table["line_num"][index]))
        box = (left // scale, top // scale, -(-(left + width) // scale), -(-(top + height) // scale))
        words.append(Word(text, *box, round(confidence, 3), lines.setdefault(line, len(lines))))
    return words
