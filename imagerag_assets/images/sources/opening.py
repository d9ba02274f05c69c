"""A collection's `source` setting → its source. Also: where the sample corpus is drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from imagerag_assets.errors import SourceError
from imagerag_assets.images.sources.folder import FilesBeside, FolderSource, manifest_lines
from imagerag_assets.images.sources.manifest import MAX_LINE_BYTES, SUFFIXES, ManifestSource, scheme_of
from imagerag_assets.images.sources.patterns import PathFilter
from imagerag_assets.images.sources.source import Source
from imagerag_assets.settings import SAMPLE_SCHEME, Collection, Settings

_DRAWN: set[Path] = set()
OnProgress = Callable[[int, int], None]


def open_source(settings: Settings, collection: Collection, on_sample: OnProgress | None = None) -> Source:
    """The collection's source. The sample corpus is drawn here on first use.

    Raises `SourceError` naming the setting when the source does not exist or its library is not installed.
    """
    if collection.source.startswith(SAMPLE_SCHEME):
        sample_folder(settings, on_sample)
    paths = PathFilter(collection)
    where = collection.source
    if where.lower().endswith(SUFFIXES):
        return _manifest(settings, collection, paths)
    if _in_bucket(where):
        from imagerag_assets.images.sources.bucket import BucketSource

        return BucketSource(where, collection.storage_options, paths)
    return FolderSource(_folder(settings, collection), paths)


def local_folder(settings: Settings, collection: Collection) -> Path | None:
    """The folder on this machine that holds the collection's files, None for a bucket's.

    Raises `SourceError` when it does not exist.
    """
    if _in_bucket(collection.source):
        return None
    if collection.source.lower().endswith(SUFFIXES):
        return _path(settings, collection).parent
    return _folder(settings, collection)


def _manifest(settings: Settings, collection: Collection, paths: PathFilter) -> Source:
    from imagerag_assets.images.sources.bucket import BucketFolder, Objects, manifest_object_lines
    from imagerag_assets.images.sources.http import Web

    @cache
    def objects(scheme: str) -> Objects:
        return Objects(scheme, collection.storage_options)

    web = Web(allow_private_hosts=collection.allow_private_hosts)
    if _in_bucket(collection.source):
        address, options = collection.source, collection.storage_options
        return ManifestSource(
            address,
            lambda: manifest_object_lines(address, options, MAX_LINE_BYTES),
            BucketFolder(address.rpartition("/")[0], options),
            objects,
            web,
            paths,
        )
    file = _path(settings, collection)
    if not file.is_file():
        raise SourceError(
            f"collections.{collection.name}.source: the manifest {file} does not exist. "
            "Create it, or correct the path in imagerag.yaml (relative paths start at the file's own folder)."
        )
    return ManifestSource(
        str(file), lambda: manifest_lines(file, MAX_LINE_BYTES), FilesBeside(file.parent), objects, web, paths
    )


def _in_bucket(source: str) -> bool:
    return scheme_of(source) in ("s3", "gs", "az")


def _path(settings: Settings, collection: Collection) -> Path:
    return (settings.root / Path(collection.source).expanduser()).resolve()


def _folder(settings: Settings, collection: Collection) -> Path:
    if collection.source.startswith(SAMPLE_SCHEME):
        return sample_folder(settings) / "images" / collection.source.removeprefix(SAMPLE_SCHEME)
    folder = _path(settings, collection)
    if not folder.is_dir():
        raise SourceError(
            f"collections.{collection.name}.source: the folder {folder} does not exist. "
            "Create it, or correct the path in imagerag.yaml (relative paths start at the file's own folder)."
        )
    return folder


def sample_folder(settings: Settings, on_progress: OnProgress | None = None) -> Path:
    """The sample corpus' folder, written first when it is missing or incomplete."""
    from imagerag_assets.sample.corpus import write_corpus

    folder = settings.data_path / "sample"
    # Looking whether it is whole reads all of it: once per process, and not once per image.
    if folder not in _DRAWN:
        write_corpus(folder, on_progress)
        _DRAWN.add(folder)
    return folder
