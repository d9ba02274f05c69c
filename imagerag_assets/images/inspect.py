"""A look inside a file: what a row of `contents` needs of every page. Nothing here knows of a database or a source.

It runs in the decoder processes, so what it gives is small: facts, hashes and a thumbnail, and never the pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode import decode, page_count
from imagerag_assets.images.hashing import colour_layout, content_hash, perceptual_hashes, thumbnail
from imagerag_assets.settings import Limits


@dataclass(frozen=True)
class Page:
    """One image of a file. `number` counts from 1, and is None when the file has no other."""

    number: int | None
    content: str
    format: str
    mode: str
    width: int
    height: int
    frames: int
    dpi: float | None
    exif: dict[str, str]
    phash: NDArray[np.bool_]
    dhash: NDArray[np.bool_]
    colours: bytes
    thumbnail: bytes


@dataclass(frozen=True)
class Fault:
    """Why a page, or with `number` None the whole file, is no image. `reason` is one of docs/quarantine.md."""

    number: int | None
    reason: str
    message: str


def page_content(file_hash: str, number: int | None) -> str:
    """The content key of a page: the file's sha256 where it is the only one, else a hash of that and the number."""
    return file_hash if number is None else hashlib.sha256(f"{file_hash}#page={number}".encode()).hexdigest()


def count_pages(data: bytes, limits: Limits) -> int | Fault:
    """How many pages the file has, or why it has none."""
    try:
        return page_count(data, limits)
    except ItemError as error:
        return Fault(None, error.reason, str(error))


def look_at_pages(data: bytes, limits: Limits, count: int, first: int = 1) -> Iterator[Page | Fault]:
    """Pages `first` to `count` of a file that has `count`, one after the other."""
    file_hash = content_hash(data)
    for page in range(first, count + 1):
        yield _look_at(data, limits, page, None if count == 1 else page, file_hash)


def _look_at(data: bytes, limits: Limits, page: int, number: int | None, file_hash: str) -> Page | Fault:
    try:
        found = decode(data, limits, page)
        phash, dhash = perceptual_hashes(found.image)
        return Page(
            number, page_content(file_hash, number), found.format, found.mode, *found.image.size, found.frames,
            found.dpi, found.exif, phash, dhash, colour_layout(found.image), thumbnail(found.image),
        )  # fmt: skip
    except ItemError as error:
        return Fault(number, error.reason, str(error))
    except MemoryError:
        return Fault(number, "too_large", "Its small copies need more memory than the limits provide for.")
