"""A content's bytes from the file that held it when it was listed. Decoding them is `decode`'s."""

from __future__ import annotations

from dataclasses import dataclass

from imagerag_assets.errors import ItemError
from imagerag_assets.images.hashing import content_hash
from imagerag_assets.images.inspect import page_content
from imagerag_assets.images.sources import Source


@dataclass(frozen=True)
class Place:
    """Where a content can be read: a file of a collection, or one page of it."""

    collection: str
    uri: str
    file: str
    page: int | None


# The last file of several pages that was read, by collection and name: a PDF of 300 pages is read once, not 300 times.
_last_read: tuple[tuple[str, str], tuple[bytes, str]] | None = None


def read_content(source: Source, place: Place, content: str, max_bytes: int) -> bytes:
    """The bytes of the place's file, known to hold that content.

    Raises `ItemError`: the source's reason (`unreadable`, `not_found`, …), or `changed` when the file no longer holds
    that content.
    """
    data, file_hash = _read(source, place, content, max_bytes)
    if page_content(file_hash, place.page) != content:
        raise ItemError("changed", f"{place.uri} changed since it was listed; the next run of raw_images takes it up.")
    return data


def _read(source: Source, place: Place, content: str, max_bytes: int) -> tuple[bytes, str]:
    """(bytes, their sha256) of the place's file."""
    global _last_read
    key = (place.collection, place.file)
    kept = _last_read
    if kept is not None and kept[0] == key and page_content(kept[1][1], place.page) == content:
        return kept[1]
    data = source.read(place.file, max_bytes).data
    found = (data, content_hash(data))
    _last_read = None if place.page is None else (key, found)
    return found
