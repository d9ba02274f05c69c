"""Reading text: pytesseract in a loop as tutorials call it, and the engines as the stage runs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytesseract
from PIL import Image

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Target, Way
from benchmarks.ocr import Page, errors, generated_pages
from imagerag_assets.models import ocr
from imagerag_assets.settings import Ocr, usable_cores


def make(bench: Bench) -> Rows:
    pages = [page for page in generated_pages(bench.size(2, 1)) if "side" not in page.kind]
    engines: dict[str, Callable[[], list[str]]] = {
        "ours": _engine(pages, Ocr(engine="rapidocr")),
        "ours, tesseract": _engine(pages, Ocr(engine="tesseract")),
    }

    def plain() -> list[str]:
        # Ours limits Tesseract's threads; who writes the loop does not.
        with mock.patch.object(pytesseract.pytesseract, "environ", os.environ):
            return [str(pytesseract.image_to_string(page.image, lang="eng+fra")) for page in pages]

    def wrong(read: Callable[[], list[str]]) -> float:
        texts = read()
        return float(np.mean([errors(page.truth, text).characters for page, text in zip(pages, texts, strict=True)]))

    return [
        Comparison(
            "reading text",
            f"{len(pages)} generated pages of English and French, upright",
            {
                "plain": Way(_only(plain), 'pytesseract.image_to_string(image, lang="eng+fra") in a loop'),
                "ours": Way(_only(engines["ours"]), "RapidOCR, a worker per core: the default"),
                "ours, tesseract": Way(_only(engines["ours, tesseract"]), "ocr.engine tesseract, a worker per core"),
            },
            (Target("plain", "ours, tesseract", at_least=3), Target("plain", "ours", at_least=3)),
            lambda: {
                "characters wrong, plain": wrong(plain),
                "characters wrong, ours": wrong(engines["ours"]),
                "characters wrong, ours, tesseract": wrong(engines["ours, tesseract"]),
            },
            "The default is chosen by what search finds in screenshots (docs/ocr.md): RapidOCR reads what Tesseract "
            "misses, at a higher price per page. `ocr.engine: tesseract` looks at a page of less than 1600 pixels at "
            "twice its size: four times the pixels that the loop looks at.",
        )
    ]


def _engine(pages: list[Page], settings: Ocr) -> Callable[[], list[str]]:
    ocr.engine_identity(settings, frozenset(settings.languages))

    def read(image: Image.Image) -> str:
        return ocr.read(image, settings, settings.languages).text

    def run() -> list[str]:
        with ThreadPoolExecutor(usable_cores()) as threads:
            return list(threads.map(read, [page.image for page in pages]))

    return run


def _only(work: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        work()

    return run
