"""What is said of a file beside its pixels: `picture.jpg.json` or `picture.json` next to it, a manifest's columns.

XMP, inside files or beside them, is not read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imagerag_assets.errors import ItemError
from imagerag_assets.images.sources import ListedFile, Source

MAX_SIDECAR_BYTES = 256 * 1024
MAX_METADATA_BYTES = 16 * 1024
"""Of one image, as JSON: it is filtered by and shown, not stored for its own sake."""
MAX_DEPTH = 8
UNREAD = "?"
"""The version of metadata whose sidecar could not be read: another run tries again."""


@dataclass(frozen=True)
class ListedImage:
    """A file that is to be looked at, and where its metadata comes from. `metadata_version` changes when that does."""

    file: ListedFile
    sidecar: str | None
    metadata_version: str


@dataclass(frozen=True)
class Described:
    """An image's metadata; `fault` says why its sidecar has no part in it."""

    metadata: Mapping[str, Any]
    version: str
    fault: ItemError | None = None


def describe(source: Source, listed: ListedImage) -> Described:
    """The image's metadata; a manifest's columns win over the sidecar. A sidecar that cannot be used costs no image."""
    given = listed.file.metadata
    if listed.sidecar is None:
        return Described(given, listed.metadata_version)
    try:
        found = parse_sidecar(source.read(listed.sidecar, MAX_SIDECAR_BYTES).data)
        return Described(flat_metadata({**found, **given}), listed.metadata_version)
    except ItemError as error:
        # What is wrong with the bytes stays so until they change.
        known = error.reason in ("bad_metadata", "too_large")
        return Described(given, listed.metadata_version if known else UNREAD, error)


def parse_sidecar(data: bytes) -> dict[str, Any]:
    """A JSON object as flat metadata. Raises `ItemError` with reason `bad_metadata`."""
    try:
        values = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ItemError("bad_metadata", f"The sidecar is no JSON in UTF-8: {error}") from None
    if not isinstance(values, dict):
        raise ItemError("bad_metadata", f"The sidecar holds a {type(values).__name__} instead of an object.")
    return flat_metadata(values)


def flat_metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """One level of strings, numbers and booleans, which filters can compare.

    Objects inside become dotted names (`geo.latitude`), lists of values one string joined by ", ", nulls and empty
    strings are left out; dates are strings as they stand (ISO 8601 sorts and compares). Raises `ItemError` with reason
    `bad_metadata` for what Postgres cannot hold and for more than 16 KiB.
    """
    flat = dict(_flattened("", values, MAX_DEPTH))
    size = len(json.dumps(flat, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > MAX_METADATA_BYTES:
        raise ItemError("bad_metadata", f"{size:,} bytes of metadata; {MAX_METADATA_BYTES:,} are allowed.")
    return flat


def _flattened(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if depth < 0:
        raise ItemError("bad_metadata", f"The metadata is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, Mapping):
        for key, inside in value.items():
            yield from _flattened(f"{name}.{key}" if name else str(key), inside, depth - 1)
    elif isinstance(value, list) and any(isinstance(inside, list | dict) for inside in value):
        for number, inside in enumerate(value):
            yield from _flattened(f"{name}.{number}", inside, depth - 1)
    elif isinstance(value, list):
        yield name, _storable(name, ", ".join(str(inside) for inside in value if inside is not None))
    elif value is not None and value != "":
        yield name, _storable(name, value)


def _storable(name: str, value: Any) -> Any:
    for text in (name, value):
        if isinstance(text, str) and ("\x00" in text or any("\ud800" <= char <= "\udfff" for char in text)):
            raise ItemError("bad_metadata", f"The metadata {name!r} is no text: NUL or half a surrogate pair.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ItemError("bad_metadata", f"The metadata {name!r} is no number: {value}.")
    return value
