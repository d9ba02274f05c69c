"""OCR: pixels → text with word boxes. One file per engine; `read` is the one way in.

`text` is what comes out, `turning` finds which way the text runs, `windows` cuts very large pictures without cutting
lines, `both` joins two engines. Which images are read, and where the text goes, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PIL import Image

from imagerag_assets.models.ocr.text import OcrText, Word, text_of
from imagerag_assets.models.ocr.turning import read_turned
from imagerag_assets.models.ocr.windows import read_in_windows
from imagerag_assets.settings import Ocr

__all__ = ["OCR_VERSION", "OcrText", "Word", "engine_identity", "read"]

OCR_VERSION = 2

Reader = Callable[[Image.Image], list[Word]]


def engine_identity(settings: Ocr, languages: frozenset[str]) -> dict[str, str]:
    """Versions and options of the engines that the settings name. Loads no model.

    Raises `ModelError` that says what to install when one of them, or a language pack for one of `languages`, is not
    there: no other engine steps in.
    """
    parts: dict[str, str] = {"engine": settings.engine}
    if settings.engine in ("rapidocr", "both"):
        from imagerag_assets.models.ocr import rapid

        parts["rapidocr"] = rapid.identity()
    if settings.engine in ("tesseract", "both"):
        from imagerag_assets.models.ocr import tesseract

        parts["tesseract"] = f"{tesseract.version(languages)} psm {settings.page_segmentation}"
    return parts


def read(image: Image.Image, settings: Ocr, languages: tuple[str, ...]) -> OcrText:
    """Read an RGB image of any size; `languages` are told to Tesseract.

    Raises `ItemError` with reason `ocr_failed` or `ocr_timeout`, `ModelError` when an engine is missing.
    """
    reader = _reader(settings, languages)
    found = read_turned(image, lambda picture: read_in_windows(picture, reader), settings.engine)
    told: tuple[str, ...] = () if settings.engine == "rapidocr" else languages
    return OcrText(text_of(found.words), tuple(found.words), settings.engine, told, found.degrees)


def _reader(settings: Ocr, languages: tuple[str, ...]) -> Reader:
    def with_rapidocr(picture: Image.Image) -> list[Word]:
        from imagerag_assets.models.ocr import rapid

        return rapid.read_words(picture)

    def with_tesseract(picture: Image.Image) -> list[Word]:
        from imagerag_assets.models.ocr import tesseract

        return tesseract.read_words(picture, languages, settings.page_segmentation)

    def with_both(picture: Image.Image) -> list[Word]:
        from imagerag_assets.models.ocr.both import join

        return join(with_rapidocr(picture), with_tesseract(picture))

    readers: dict[Literal["rapidocr", "tesseract", "both"], Reader] = {
        "rapidocr": with_rapidocr, "tesseract": with_tesseract, "both": with_both,
    }  # fmt: skip
    return readers[settings.engine]
