"""What is said of an image beside its pixels: `picture.jpg.json` or `picture.json` next to it, a manifest's columns.

XMP, inside files or beside them, is not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagerag_assets.errors import ItemError
from imagerag_assets.images.sources import ListedFile, Source
from imagerag_assets.images.sources.metadata import flat_metadata

MAX_SIDECAR_BYTES = 256 * 1024
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
