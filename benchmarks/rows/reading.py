"""Reading text: pytesseract in a loop as tutorials call it, and the engines as the stage runs them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from typing import Literal

import numpy as np
import pytesseract
from PIL import Image

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Scaling, Target, Way
from benchmarks.ocr import Page, errors, generated_pages
from imagerag_assets.models import ocr
from imagerag_assets.models.ocr import tesseract
from imagerag_assets.models.ocr.tesseract_process import Picture
from imagerag_assets.settings import Ocr, usable_cores

_PAGES = 3
"""Tesseract's page segmentation of the plain loop."""
_ENGINES: dict[str, Literal["rapidocr", "tesseract"]] = {"ours": "rapidocr", "ours, tesseract": "tesseract"}


def make(bench: Bench) -> Rows:
    # English and French, clean and with noise, in letters of 11, 16 and 26 pixels: five pages of each kind.
    pages = [page for page in generated_pages(bench.size(5, 1)) if "side" not in page.kind]
    pixels = [Picture(page.image.tobytes(), *page.image.size, ("eng", "fra"), _PAGES) for page in pages]
    engines = {name: _engine(pages, Ocr(engine=engine)) for name, engine in _ENGINES.items()}

    def plain() -> list[str]:
        return [str(pytesseract.image_to_string(page.image, lang="eng+fra")) for page in pages]

    def floor() -> None:
        with ThreadPoolExecutor(usable_cores()) as threads:
            list(threads.map(_library_alone, pixels))

    def wrong(read: Callable[[], list[str]]) -> float:
        texts = read()
        return float(np.mean([errors(page.truth, text).characters for page, text in zip(pages, texts, strict=True)]))

    return [
        Comparison(
            "reading text",
            f"{len(pages)} generated pages of English and French in letters of 11, 16 and 26 pixels, upright",
            {
                "plain": Way(_only(plain), 'pytesseract.image_to_string(image, lang="eng+fra") in a loop'),
                "ours, tesseract": Way(_only(engines["ours, tesseract"]), "ocr.engine tesseract, a worker per core"),
                "ours": Way(_only(engines["ours"]), "RapidOCR, a worker per core: the default"),
                "floor": Way(floor, "Tesseract's library with its models loaded, a process per core, same pixels"),
            },
            (Target("plain", "ours, tesseract", at_least=3), Target("plain", "ours", at_least=3)),
            lambda: {
                "characters wrong, plain": wrong(plain),
                "characters wrong, ours": wrong(engines["ours"]),
                "characters wrong, ours, tesseract": wrong(engines["ours, tesseract"]),
            },
            "`ocr.engine: tesseract` is the same library as the loop's, with its models kept and on one thread a core; "
            "it looks at a page of less than 1600 pixels at twice its size, four times the pixels of the loop and the "
            "floor, and makes fewer errors. RapidOCR is the default for what search finds in screenshots "
            "(docs/ocr.md): nearly all of its time is its two networks', most of that the recogniser's, line by line.",
        ),
        Scaling(
            "reading text",
            "pages",
            {name: _many(pages, Ocr(engine=engine)) for name, engine in _ENGINES.items()},
            dict.fromkeys(_ENGINES, bench.size((20, 40, 80), (2, 4))),
            dict.fromkeys(_ENGINES, 1.1),
            "Every page is read by itself: 100,000 take as many times longer, and were not read here.",
        ),
    ]


def _library_alone(picture: Picture) -> None:
    with tesseract.readers().process() as process:
        process.ask(picture)


def _engine(pages: list[Page], settings: Ocr) -> Callable[[], list[str]]:
    ocr.engine_identity(settings, frozenset(settings.languages))

    def read(image: Image.Image) -> str:
        return ocr.read(image, settings, settings.languages).text

    def run() -> list[str]:
        with ThreadPoolExecutor(usable_cores()) as threads:
            return list(threads.map(read, [page.image for page in pages]))

    return run


def _many(pages: list[Page], settings: Ocr) -> Callable[[int], Callable[[], object]]:
    def at(size: int) -> Callable[[], object]:
        return _engine(list(islice(cycle(pages), size)), settings)

    return at


def _only(work: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        work()

    return run
