"""Putting a file into a collection's source: a folder on this machine, or a bucket. Nothing else can be written to."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from imagerag_assets.errors import SourceError
from imagerag_assets.images.sources.manifest import SUFFIXES, scheme_of
from imagerag_assets.images.sources.opening import local_folder
from imagerag_assets.images.sources.patterns import PathFilter
from imagerag_assets.settings import SAMPLE_SCHEME, Collection, Settings


def refusal(collection: Collection, uri: str) -> str:
    """Why a file of that path cannot be put into the collection, or ""."""
    if collection.source.startswith(SAMPLE_SCHEME):
        return f"The collection {collection.name} is a part of the sample corpus, which takes no files."
    if collection.source.lower().endswith(SUFFIXES):
        return f"The collection {collection.name} is a manifest, which only its owner can add a line to."
    if PathFilter(collection).file(uri):
        return f"The collection {collection.name} passes over {uri}: its include and ignore patterns say so."
    return ""


def put_file(settings: Settings, collection: Collection, uri: str, data: bytes) -> None:
    """Write a file that is there either whole or not at all. The path is the caller's own, never a stranger's.

    Raises `SourceError` when the source cannot be written to.
    """
    if scheme_of(collection.source):
        from imagerag_assets.images.sources.bucket import BucketFolder

        BucketFolder(collection.source, collection.storage_options).write(uri, data)
        return
    folder = local_folder(settings, collection)
    if folder is None:
        raise SourceError(f"The collection {collection.name} has no folder to write to.")
    try:
        _write_file(folder / uri, data)
    except OSError as error:
        raise SourceError(
            f"The folder of the collection {collection.name} cannot be written to: {error.strerror}. "
            "Nothing was stored; let the server's user write there."
        ) from None


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    # Hidden, so that no listing takes it for an image; beside its place, so that the rename is one step.
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
