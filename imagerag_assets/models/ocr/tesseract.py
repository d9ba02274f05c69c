"""Tesseract in processes of our own that keep its models: what ends such a process ends no run."""

from __future__ import annotations

import atexit
from functools import lru_cache

from PIL import Image

from imagerag_assets.errors import ItemError, ModelError
from imagerag_assets.images.processes import LostError, Process, ProcessPool, StartError
from imagerag_assets.models.ocr.tesseract_process import Failure, Installed, Picture
from imagerag_assets.models.ocr.text import Word

ENLARGE_BELOW = 1600
"""Pictures with a shorter long side are read at twice their size: screen fonts of 12 px are under what Tesseract was
trained on (x-height of about 20 px)."""
MINIMUM_CONFIDENCE = 0.3
"""Words below are nearly always texture read as letters: dropping them costs no Recall@10 on screenshots."""
_SECONDS = 120
_SMALLEST = 3
"""Tesseract refuses pictures with a shorter side."""

_MODULE = "imagerag_assets.models.ocr.tesseract_process"


class _Reader(Process):
    """A process that reads pictures, one after the other."""

    def __init__(self) -> None:
        # Two processes with one thread each are faster than one with two: Tesseract's own threading mostly waits. The
        # limit goes to these processes alone: where it reaches torch, some of what is computed in 16 bits comes out
        # wrong (oneDNN hands work to threads that the limit never starts).
        super().__init__(_MODULE, {"OMP_THREAD_LIMIT": "1"})

    def ask(self, picture: Picture) -> str | Failure:
        """Tesseract's table. Raises `LostError`."""
        with self.within(_SECONDS):
            self.jobs.send(picture)
            answer: str | Failure = self.answers.recv()
        return answer


@lru_cache(maxsize=1)
def readers() -> ProcessPool[_Reader]:
    """The reading processes of this process, warm from one run to the next."""
    pool = ProcessPool(_Reader)
    atexit.register(pool.close)
    return pool


@lru_cache(maxsize=8)
def version(languages: frozenset[str]) -> str:
    """The installed library's version, after checking that every language is there.

    Raises `ModelError` that says what to install.
    """
    try:
        with readers().process() as process:
            found: Installed | None = process.said
    except StartError as error:
        raise ModelError(f"ocr.engine: a process that reads with Tesseract is missing: {error}.") from None
    if found is None:
        raise ModelError(
            "ocr.engine: Tesseract is not installed, or its library is not found. Install it: apt-get install "
            "tesseract-ocr tesseract-ocr-eng tesseract-ocr-fra (Debian, Ubuntu), or brew install tesseract "
            "tesseract-lang (macOS); where it is installed, have the `tesseract` program on the PATH."
        )
    if missing := sorted(languages - found.languages):
        packages = " ".join(f"tesseract-ocr-{code.replace('_', '-')}" for code in missing)
        raise ModelError(
            f"ocr.languages: Tesseract has no language pack for {', '.join(missing)}; it has "
            f"{', '.join(sorted(found.languages))}. Install it (apt-get install {packages}) or change the setting."
        )
    return found.version


def read_words(picture: Image.Image, languages: tuple[str, ...], page_segmentation: int) -> list[Word]:
    """The words of an RGB picture. Raises `ItemError` with reason `ocr_failed` or `ocr_timeout`.

    Raises `ModelError` when no process can be started.
    """
    if min(picture.size) < _SMALLEST:
        return []
    scale = 2 if max(picture.size) < ENLARGE_BELOW else 1
    if scale > 1:
        picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.BICUBIC)
    job = Picture(picture.convert("RGB").tobytes(), *picture.size, languages, page_segmentation)
    try:
        with readers().process() as process:
            table = process.ask(job)
    except LostError as lost:
        raise ItemError("ocr_timeout" if lost.is_late else "ocr_failed", f"Tesseract: {lost}") from None
    except StartError as error:
        raise ModelError(f"ocr.engine: a process that reads with Tesseract is missing: {error}.") from None
    if isinstance(table, Failure):
        raise ItemError("ocr_failed", f"Tesseract: {table.message}.")
    return _collect(table, scale)


def _collect(table: str, scale: int) -> list[Word]:
    """`table` is Tesseract's TSV without its head, in reading order."""
    words: list[Word] = []
    lines: dict[tuple[str, ...], int] = {}
    for row in table.splitlines():
        # level, page, block, paragraph, line, word, left, top, width, height, confidence, text
        cells = row.split("\t")
        text = cells[11].replace("\x00", "").strip()
        # Whole percents are kept.
        confidence = int(float(cells[10])) / 100
        if not text or confidence < MINIMUM_CONFIDENCE:
            continue
        left, top, width, height = map(int, cells[6:10])
        box = (left // scale, top // scale, -(-(left + width) // scale), -(-(top + height) // scale))
        words.append(Word(text, *box, confidence, lines.setdefault(tuple(cells[2:5]), len(lines))))
    return words
