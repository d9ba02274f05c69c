"""A process with the machine's Tesseract library: pictures in by stdin, tables of words out by stdout.

The library is the one that the `tesseract` program uses, through its C interface (capi.h). A language's models are
loaded once and kept: the program spends half of its time for a page on that. Started by `tesseract`.
"""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Iterator
from ctypes import POINTER, c_char_p, c_int, c_void_p
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from imagerag_assets.images.processes import connections_to_parent, jobs_until_the_end

# Result and arguments of the functions that are called.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "TessVersion": (c_char_p, []),
    "TessBaseAPICreate": (c_void_p, []),
    "TessBaseAPIDelete": (None, [c_void_p]),
    "TessBaseAPIInit3": (c_int, [c_void_p, c_char_p, c_char_p]),
    "TessBaseAPIGetAvailableLanguagesAsVector": (POINTER(c_char_p), [c_void_p]),
    "TessBaseAPISetPageSegMode": (None, [c_void_p, c_int]),
    "TessBaseAPISetImage": (None, [c_void_p, c_char_p, c_int, c_int, c_int, c_int]),
    "TessBaseAPIRecognize": (c_int, [c_void_p, c_void_p]),
    "TessBaseAPIGetTsvText": (c_void_p, [c_void_p, c_int]),
    "TessDeleteText": (None, [c_void_p]),
    "TessBaseAPIClear": (None, [c_void_p]),
}


@dataclass(frozen=True)
class Installed:
    """Version and language packs: what a process says first. It says None where there is no library."""

    version: str
    languages: frozenset[str]


@dataclass(frozen=True)
class Picture:
    """A job: RGB bytes, row by row. The answer is Tesseract's TSV without its head, or a `Failure`."""

    pixels: bytes
    width: int
    height: int
    languages: tuple[str, ...]
    page_segmentation: int


@dataclass(frozen=True)
class Failure:
    message: str


def main() -> None:
    """Answer jobs until the parent closes stdin, or is gone."""
    jobs, answers = connections_to_parent()
    answers.send(installed())
    for picture in jobs_until_the_end(jobs):
        answers.send(_read(picture))


def installed() -> Installed | None:
    try:
        library = _library()
    except OSError:
        return None
    reader = library.TessBaseAPICreate()
    # The folder of the language packs is known once it has been looked for, found or not.
    library.TessBaseAPIInit3(reader, None, b"")
    packs = library.TessBaseAPIGetAvailableLanguagesAsVector(reader)
    names: list[str] = []
    # The vector ends with a null pointer.
    while packs[len(names)]:
        names.append(packs[len(names)].decode())
    version = library.TessVersion().decode()
    library.TessBaseAPIDelete(reader)
    return Installed(version, frozenset(names))


def _read(picture: Picture) -> str | Failure:
    library, reader = _library(), _reader(picture.languages)
    if reader is None:
        return Failure(f"the language packs for {'+'.join(picture.languages)} cannot be loaded")
    library.TessBaseAPISetPageSegMode(reader, picture.page_segmentation)
    library.TessBaseAPISetImage(reader, picture.pixels, picture.width, picture.height, 3, 3 * picture.width)
    try:
        if library.TessBaseAPIRecognize(reader, None) != 0:
            return Failure("the picture cannot be read")
        table = library.TessBaseAPIGetTsvText(reader, 0)
        told = ctypes.string_at(table).decode("utf-8", "replace")
        library.TessDeleteText(table)
        return told
    finally:
        library.TessBaseAPIClear(reader)


@cache
def _reader(languages: tuple[str, ...]) -> int | None:
    """A handle with the languages' models, the first one leading. None when Tesseract cannot load them."""
    reader: int = _library().TessBaseAPICreate()
    return None if _library().TessBaseAPIInit3(reader, None, "+".join(languages).encode()) else reader


@cache
def _library() -> ctypes.CDLL:
    """Raises OSError when there is none."""
    for path in _paths():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        return library
    raise OSError("no Tesseract library")


def _paths() -> Iterator[str]:
    """Near the program on the PATH, as Homebrew, conda and Windows have it; then where the system looks."""
    if program := shutil.which("tesseract"):
        folder = Path(program).resolve().parent
        for found in (
            *sorted(folder.glob("libtesseract*.dll")),
            *sorted((folder.parent / "lib").glob("libtesseract.*")),
        ):
            if found.suffix != ".a":
                yield str(found)
    if name := find_library("tesseract"):
        yield name


if __name__ == "__main__":
    # Under its own name, so that what is sent is of the parent's classes.
    from imagerag_assets.models.ocr import tesseract_process

    tesseract_process.main()
