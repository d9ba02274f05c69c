"""Whatever someone says of a file → flat metadata that filters can compare and Postgres can hold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from imagerag_assets.errors import ItemError

MAX_METADATA_BYTES = 16 * 1024
"""Of one image, as JSON: it is filtered by and shown, not stored for its own sake."""
MAX_DEPTH = 8


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
