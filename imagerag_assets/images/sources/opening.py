"""A collection's `source` setting → its source. Also: where the sample corpus is drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imagerag_assets.errors import SourceError
from imagerag_assets.images.sources.folder import FolderSource
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
    folder = local_folder(settings, collection)
    return FolderSource(folder, PathFilter(collection))


def local_folder(settings: Settings, collection: Collection) -> Path:
    """The folder on this machine that holds the collection's files. Raises `SourceError` when it does not exist."""
    if collection.source.startswith(SAMPLE_SCHEME):
        return sample_folder(settings) / "images" / collection.source.removeprefix(SAMPLE_SCHEME)
    folder = (settings.root / Path(collection.source).expanduser()).resolve()
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
