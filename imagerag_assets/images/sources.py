"""Where a collection's files are, what is there now, and their bytes. Whether they are images is not known here."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from imagerag_assets.errors import ItemError, SourceError
from imagerag_assets.settings import SAMPLE_SCHEME, Collection, Settings

_DRAWN: set[Path] = set()
_NOT_CONTENT = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class ListedFile:
    """A file as the listing shows it, before a byte is read. `uri` is its path inside the source, with slashes."""

    uri: str
    size_bytes: int
    modified_ns: int


def source_folder(
    settings: Settings, collection: Collection, on_sample: Callable[[int, int], None] | None = None
) -> Path:
    """The folder that holds the collection's files. The sample corpus is drawn here on first use.

    Raises `SourceError` naming the setting when the folder does not exist.
    """
    if collection.source.startswith(SAMPLE_SCHEME):
        return sample_folder(settings, on_sample) / "images" / collection.source.removeprefix(SAMPLE_SCHEME)
    folder = (settings.root / Path(collection.source).expanduser()).resolve()
    if not folder.is_dir():
        raise SourceError(
            f"collections.{collection.name}.source: the folder {folder} does not exist. "
            "Create it, or correct the path in imagerag.yaml (relative paths start at the file's own folder)."
        )
    return folder


def sample_folder(settings: Settings, on_progress: Callable[[int, int], None] | None = None) -> Path:
    """The sample corpus' folder, written first when it is missing or incomplete."""
    from imagerag_assets.sample.corpus import write_corpus

    folder = settings.data_path / "sample"
    # Looking whether it is whole reads all of it: once per process, and not once per image.
    if folder not in _DRAWN:
        write_corpus(folder, on_progress)
        _DRAWN.add(folder)
    return folder


def list_files(folder: Path) -> Iterator[ListedFile]:
    """Every file below `folder` but hidden ones, in no particular order.

    Symbolic links to folders are not followed, so a loop cannot be entered. Raises `SourceError` when a folder cannot
    be listed: a listing that ends early must not look like a deletion.
    """

    def refuse(error: OSError) -> NoReturn:
        raise SourceError(f"The folder {error.filename} cannot be listed: {error.strerror}. Nothing was changed.")

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith(".") or name.lower() in _NOT_CONTENT:
                continue
            path = Path(parent) / name
            try:
                facts = path.stat()
            except OSError as error:
                # Deleted between the listing and the look, or a link to nothing or to itself: it is simply not there.
                if error.errno in (errno.ENOENT, errno.ELOOP):
                    continue
                refuse(error)
            # To open a pipe would wait for ever.
            if not stat.S_ISREG(facts.st_mode):
                continue
            uri = path.relative_to(folder).as_posix()
            # Postgres holds no name that is not UTF-8: with its bytes spelled out it ends in quarantine, and is seen.
            named = os.fsencode(uri).decode("utf-8", "backslashreplace")
            yield ListedFile(named, facts.st_size, facts.st_mtime_ns)


def read_file(folder: Path, uri: str) -> bytes:
    """The bytes of a listed file. Raises `ItemError` with reason `unreadable`."""
    try:
        return (folder / uri).read_bytes()
    except OSError as error:
        raise ItemError("unreadable", f"{uri}: {error.strerror}") from None
