"""How well and how fast each engine reads: python -m benchmarks.ocr [--pages N] [--engines …] [--receipts FOLDER].

Generated pages of English and French in the project's fonts, in several sizes, with noise, and on their side; beside
them the plain loop of tutorials, `pytesseract.image_to_string`. Error rates are edit distances divided by the true
length, of characters and of words, case and accents included; white space counts as one space. A folder of real
receipts has a text file of the same name beside every picture.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytesseract
from PIL import Image, ImageDraw, ImageOps
from rich.console import Console
from rich.table import Table

from imagerag_assets.models import ocr
from imagerag_assets.sample.drawing import FontFamily, font
from imagerag_assets.settings import Ocr, usable_cores

_ENGLISH = (
    "The printer in the east corridor reports a paper jam", "Your password expires in three days",
    "Invoice 20418 was paid on 12 March 2025", "Access to this server was refused: error 0x80070035",
    "Replace the filter before the next inspection", "Total 1,284.50 EUR including VAT",
    "The update could not be installed, try again later", "Two bedrooms, a bright kitchen and a large garden",
)  # fmt: skip
_FRENCH = (
    "L'imprimante du couloir signale un bourrage papier", "Votre mot de passe a expiré, réessayez plus tard",
    "La facture n° 20418 a été réglée le 12 août 2025", "L'accès à ce serveur est refusé : erreur 0x80070035",
    "Remplacez le filtre usé avant le contrôle", "Café crème, thé à la menthe, gâteau aux noix",
    "Où êtes-vous ? Le garçon reçoit son œuvre à Noël", "Deux chambres, une cuisine éclairée, un grand jardin",
)  # fmt: skip
_LINES = {"English": _ENGLISH, "French": _FRENCH}
_SIZES = (11, 16, 26)
_FAMILIES: tuple[FontFamily, ...] = ("sans", "serif", "mono")
_LINES_PER_PAGE = 6
_PLAIN = "plain loop"


@dataclass(frozen=True)
class Page:
    """A picture and what it says. `kind` is a row of the table."""

    kind: str
    image: Image.Image
    truth: str


@dataclass(frozen=True)
class Errors:
    characters: float
    words: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=9, help="pages per language and kind")
    parser.add_argument("--engines", nargs="*", default=["rapidocr", "tesseract", "both", _PLAIN])
    parser.add_argument("--receipts", type=Path, help="a folder of pictures with their texts")
    arguments = parser.parse_args()
    pages = list(generated_pages(arguments.pages))
    if arguments.receipts:
        pages += _receipts(arguments.receipts)
    table = Table("engine", "pages", "characters wrong", "words wrong", "processor s per page")
    for engine in arguments.engines:
        texts, seconds = _timed(_reader(engine), [page.image for page in pages])
        by_kind = defaultdict(list)
        for page, text in zip(pages, texts, strict=True):
            by_kind[page.kind].append(errors(page.truth, text))
        for kind, found in by_kind.items():
            wrong = [f"{np.mean([getattr(one, name) for one in found]):.3f}" for name in ("characters", "words")]
            table.add_row(engine, f"{kind} ({len(found)})", *wrong, "")
        table.add_row(engine, f"all ({len(pages)})", "", "", f"{seconds / len(pages):.2f}", end_section=True)
    Console(width=110).print(table)


def generated_pages(count: int) -> Iterator[Page]:
    rng = np.random.default_rng(0)
    for language, lines in _LINES.items():
        for kind in ("", ", noise", ", on its side"):
            for number in range(count):
                chosen = [lines[k] for k in rng.permutation(len(lines))[:_LINES_PER_PAGE]]
                family, size = _FAMILIES[number % 3], _SIZES[(number + number // 3) % 3]
                yield Page(language + kind, _draw(chosen, family, size, kind, rng), "\n".join(chosen))


def _draw(lines: Sequence[str], family: FontFamily, size: int, kind: str, rng: np.random.Generator) -> Image.Image:
    letters = font(family, size)
    width = 4 * size + round(max(letters.getlength(line) for line in lines))
    page = Image.new("RGB", (width, round(size * 2.2 * (len(lines) + 1))), (250, 249, 245))
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        pen.text((2 * size, size * (1 + 2.2 * number)), line, font=letters, fill=(40, 42, 46))
    if kind == ", noise":
        grain = rng.normal(0, 14, (page.height, page.width, 1))
        page = Image.fromarray(np.clip(np.asarray(page) + grain, 0, 255).astype(np.uint8))
    return page.transpose(Image.Transpose.ROTATE_90) if kind == ", on its side" else page


def _receipts(folder: Path) -> Iterator[Page]:
    for file in sorted(folder.rglob("*")):
        text = file.with_suffix(".txt")
        if file.suffix.lower() in {".jpg", ".jpeg", ".png"} and text.is_file():
            with Image.open(file) as image:
                yield Page("receipts", ImageOps.exif_transpose(image).convert("RGB"), text.read_text(encoding="utf-8"))


def _reader(engine: str) -> Callable[[Image.Image], str]:
    if engine == _PLAIN:
        return lambda image: str(pytesseract.image_to_string(image, lang="eng+fra"))
    settings = Ocr.model_validate({"engine": engine})
    ocr.engine_identity(settings, frozenset(settings.languages))
    return lambda image: ocr.read(image, settings, settings.languages).text


def _timed(read: Callable[[Image.Image], str], images: Sequence[Image.Image]) -> tuple[list[str], float]:
    """Texts, and seconds of processor time with a worker per core: what else the machine does counts little."""
    with ThreadPoolExecutor(usable_cores()) as threads:
        # Every thread loads its models before the clock starts.
        list(threads.map(read, images[: usable_cores()]))
        started = _processor_seconds()
        return list(threads.map(read, images)), _processor_seconds() - started


def _processor_seconds() -> float:
    """Of this process and of all that it started."""
    used = os.times()
    running = [child.cpu_times() for child in psutil.Process().children()]
    ended = used.children_user + used.children_system
    return float(used.user + used.system + ended + sum(times.user + times.system for times in running))


def errors(truth: str, text: str) -> Errors:
    """Character and word error rate. Lines are compared in the order that a reader would read them in."""
    true, found = truth.split(), text.split()
    return Errors(
        edit_distance(" ".join(true), " ".join(found)) / max(len(" ".join(true)), 1),
        edit_distance(true, found) / max(len(true), 1),
    )


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Levenshtein's: fewest insertions, deletions and replacements that turn one into the other."""
    previous = list(range(len(other) + 1))
    for number, left in enumerate(one, start=1):
        row = [number]
        for column, right in enumerate(other):
            row.append(min(previous[column + 1] + 1, row[column] + 1, previous[column] + (left != right)))
        previous = row
    return previous[-1]


if __name__ == "__main__":
    main()
