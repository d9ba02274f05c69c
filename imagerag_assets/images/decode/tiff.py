"""TIFF: its pages are found here, one directory after the other, and decoded by Pillow one at a time.

Pillow walks to a page through all before it and stops at the first broken one; here a page stands for itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode import raster
from imagerag_assets.images.decode.image import DecodedImage
from imagerag_assets.settings import Limits

_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _SUB_DIRECTORIES, _DNG_VERSION = 254, 255, 330, 50706
_WHERE_PIXELS_ARE = ((273, 279), (324, 325))
"""Offsets and byte counts: of strips, of tiles."""
_REDUCED, _MASK = 1, 4
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


@dataclass(frozen=True)
class _Layout:
    """Byte order and widths of classic TIFF (4-byte offsets) or BigTIFF (8)."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def first(self) -> int:
        """Where the header holds the offset of the first directory."""
        return 8 if self.big else 4


@dataclass(frozen=True)
class _Directory:
    at: int
    tags: dict[int, tuple[int, ...]]
    is_cut_off: bool = False
    """The chain of directories leads here, and the file ends before it is whole. What follows is not known."""

    @property
    def is_page(self) -> bool:
        """Whether it is no smaller copy of another page, and no mask."""
        kind = self.tags.get(_SUBFILE_TYPE, (0,))[:1] or (0,)
        return not kind[0] & (_REDUCED | _MASK) and self.tags.get(_OLD_SUBFILE_TYPE, (0,)) != (2,)


def page_count(data: bytes, limits: Limits) -> int:
    """How many pages; counting ends one past limits.max_pages. Raises `ItemError` or struct.error."""
    return len(_pages(data, limits.max_pages + 1))


def decode_page(data: bytes, limits: Limits, page: int) -> DecodedImage:
    """Decode a page (from 1). The file is given to Pillow as if that page were its first."""
    layout = _layout(data)
    pages = _pages(data, page)
    if len(pages) < page:
        raise ItemError("decode_error", f"There is no page {page}: the file has {len(pages)}.")
    directory = pages[page - 1]
    if directory.is_cut_off:
        raise ItemError("truncated", f"TIFF: a page's facts should be at byte {directory.at:,} of {len(data):,}.")
    moved = data
    if page > 1 or directory.at != struct.unpack_from(layout.offset, data, layout.first)[0]:
        start = struct.pack(layout.offset, directory.at)
        moved = data[: layout.first] + start + data[layout.first + len(start) :]
    try:
        return raster.decode(moved, limits, "TIFF")
    except OSError as error:
        # Asked only now: some writers count more bytes than they write, and libtiff makes do with what there is.
        if (end := _end_of_pixels(directory)) > len(data):
            message = f"TIFF: {error}. Its pixels go up to byte {end:,} and the file ends at {len(data):,}."
            raise ItemError("truncated", message) from None
        raise


def _end_of_pixels(directory: _Directory) -> int:
    """The byte after the last strip or tile of the page."""
    ends = [
        start + size
        for offsets, counts in _WHERE_PIXELS_ARE
        for start, size in zip(directory.tags.get(offsets, ()), directory.tags.get(counts, ()), strict=False)
    ]
    return max(ends, default=0)


def _pages(data: bytes, most: int) -> list[_Directory]:
    found: list[_Directory] = []
    first: _Directory | None = None
    for directory in _directories(data):
        first = first or directory
        _refuse_raw(directory, is_first=directory is first)
        if directory.is_page:
            found.append(directory)
        if len(found) >= most:
            break
    if not found and first is not None:
        found.append(first)
    return found


def _refuse_raw(directory: _Directory, *, is_first: bool) -> None:
    """A camera's raw file is a TIFF whose first directory is a small preview of what stands in a sub-directory."""
    preview = is_first and not directory.is_page and _SUB_DIRECTORIES in directory.tags
    if preview or _DNG_VERSION in directory.tags:
        raise ItemError("unsupported", "A camera's raw file is not decoded here. Convert it to JPEG, PNG or TIFF.")


def _directories(data: bytes) -> Iterator[_Directory]:
    """Every directory in the chain; a chain that bites its tail ends there."""
    layout = _layout(data)
    (at,) = struct.unpack_from(layout.offset, data, layout.first)
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        try:
            directory, at = _read_directory(data, layout, at)
        except struct.error:
            yield _Directory(at, {}, is_cut_off=True)
            return
        yield directory


def _layout(data: bytes) -> _Layout:
    order = "<" if data[:2] == b"II" else ">"
    return _Layout(order, struct.unpack_from(order + "H", data, 2)[0] == 43)


def _read_directory(data: bytes, layout: _Layout, at: int) -> tuple[_Directory, int]:
    count_form, entry_size = (layout.order + "Q", 20) if layout.big else (layout.order + "H", 12)
    (count,) = struct.unpack_from(count_form, data, at)
    start = at + struct.calcsize(count_form)
    if start + count * entry_size > len(data):
        raise struct.error("the directory is longer than the file")
    tags = dict(_read_entry(data, layout, start + index * entry_size) for index in range(count))
    (following,) = struct.unpack_from(layout.offset, data, start + count * entry_size)
    return _Directory(at, tags), following


def _read_entry(data: bytes, layout: _Layout, at: int) -> tuple[int, tuple[int, ...]]:
    """(tag, values): values only of the tags that are asked for here, and only integers."""
    tag, kind = struct.unpack_from(layout.order + "HH", data, at)
    (count,) = struct.unpack_from(layout.offset, data, at + 4)
    letter = _INTEGERS.get(kind)
    asked = {_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, *(one for pair in _WHERE_PIXELS_ARE for one in pair)}
    if letter is None or tag not in asked:
        return tag, ()
    width = struct.calcsize(layout.offset)
    where = at + 4 + width
    size = count * struct.calcsize(layout.order + letter)
    if size > width:
        (where,) = struct.unpack_from(layout.offset, data, where)
    if where + size > len(data):
        return tag, ()
    return tag, struct.unpack_from(f"{layout.order}{count}{letter}", data, where)
