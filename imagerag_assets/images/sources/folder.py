"""Files on this machine: a folder as a source, and the files beside a manifest."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from imagerag_assets.errors import ItemError, SourceError
from imagerag_assets.images.sources.patterns import PathFilter
from imagerag_assets.images.sources.source import ListedFile, ReadFile

_LOOKS = 3
"""How often a file that is being written is read again before it is left to the next run."""


class FolderSource:
    """Every file below a folder.

    Symbolic links to folders are not followed, so a loop cannot be entered; links to files are. A folder that is not
    entered (hidden, ignored, a link) is one ignored entry of the listing, whatever it holds.
    """

    def __init__(self, folder: Path, paths: PathFilter) -> None:
        self._folder = folder
        self._paths = paths

    def list(self, *, cheaply: bool = False) -> Iterator[ListedFile]:  # noqa: ARG002
        """Listing files is cheap as it is. Raises `SourceError` when a folder cannot be listed to its end."""
        folders = [""]
        while folders:
            parent = folders.pop()
            try:
                with os.scandir(self._folder / parent) as entries:
                    for entry in entries:
                        uri = f"{parent}/{entry.name}" if parent else entry.name
                        if not entry.is_dir(follow_symlinks=False):
                            yield self._file(uri, entry)
                        elif why := self._paths.folder(uri):
                            yield ListedFile(uri + "/", None, "", ignored=why)
                        else:
                            folders.append(uri)
            except OSError as error:
                _refuse(self._folder / parent, error)

    def _file(self, uri: str, entry: os.DirEntry[str]) -> ListedFile:
        why = self._paths.file(uri)
        # What is not included may be an included file's sidecar, whose version counts.
        if why and not (why == "not_included" and uri.lower().endswith(".json")):
            return ListedFile(uri, None, "", ignored=why)
        found = listed_file(entry, uri)
        return replace(found, ignored=why) if why and not found.ignored else found

    def read(self, uri: str, max_bytes: int) -> ReadFile:
        """The bytes of a listed file. Raises `ItemError`: `not_found`, `unreadable`, `changing`, `too_large`."""
        return read_file(self._folder / uri, uri, max_bytes)


def listed_file(path: os.PathLike[str], uri: str) -> ListedFile:
    """A local file's entry in a listing. Raises `OSError` for what is no fault of this one file."""
    try:
        facts = os.stat(path)  # noqa: PTH116 (a folder's entry, of which no Path is made, or a Path)
    except FileNotFoundError:
        # Deleted since its folder was listed, or a link to nothing.
        return ListedFile(uri, None, "", ignored="vanished")
    except PermissionError as error:
        return ListedFile(uri, None, "", reason="unreadable", message=f"{uri}: {error.strerror}")
    except OSError as error:
        if error.errno == errno.ELOOP:
            return ListedFile(uri, None, "", ignored="link_loop")
        raise
    version = str(facts.st_mtime_ns)
    if stat.S_ISDIR(facts.st_mode):
        return ListedFile(uri, None, "", ignored="linked_folder")
    if not stat.S_ISREG(facts.st_mode):
        # To open a pipe would wait for ever.
        return ListedFile(uri, None, "", ignored="no_file")
    return ListedFile(uri, facts.st_size, version)


def read_file(path: Path, uri: str, max_bytes: int) -> ReadFile:
    """A local file's bytes with the version that they are of."""
    try:
        # Without O_NONBLOCK a pipe that took the file's place would hold the run for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            for _ in range(_LOOKS):
                before = os.fstat(file.fileno())
                if not stat.S_ISREG(before.st_mode):
                    raise ItemError("unreadable", f"{uri} is no longer a file.")
                file.seek(0)
                data = file.read(min(before.st_size, max_bytes) + 1)
                if len(data) > max_bytes:
                    raise ItemError("too_large", f"{uri} has more than the {max_bytes:,} bytes of limits.max_bytes.")
                after = os.fstat(file.fileno())
                if (before.st_mtime_ns, len(data)) == (after.st_mtime_ns, after.st_size):
                    return ReadFile(data, str(after.st_mtime_ns))
    except FileNotFoundError:
        raise ItemError("not_found", f"{uri} was deleted after it was listed.") from None
    except OSError as error:
        raise ItemError("unreadable", f"{uri}: {error.strerror}") from None
    raise ItemError("changing", f"{uri} is being written to; the next run reads it.")


def _refuse(folder: Path, error: OSError) -> NoReturn:
    raise SourceError(
        f"The folder {error.filename or folder} cannot be listed: {error.strerror}. Nothing was changed. "
        "Make it readable, or add it to the collection's ignore patterns."
    ) from None


class FilesBeside:
    """The files that a manifest names by their path. Nothing outside its folder is reached, by links neither."""

    near = True

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.realpath(folder)

    def describe(self, uri: str) -> ListedFile:
        """The file's entry in a listing. Raises `ItemError` when it is not there or not inside."""
        try:
            found = listed_file(self._path(uri), uri)
        except OSError as error:
            raise ItemError("unreadable", f"{uri}: {error.strerror}") from None
        if found.ignored == "vanished":
            raise ItemError("not_found", f"{uri} is not in the manifest's folder.")
        if found.ignored:
            raise ItemError("unreadable", f"{uri} is a folder, a pipe or a link to itself.")
        return found

    def read(self, uri: str, max_bytes: int) -> ReadFile:
        """The bytes of a listed file. Raises `ItemError`."""
        return read_file(self._path(uri), uri, max_bytes)

    def _path(self, uri: str) -> Path:
        path = os.path.realpath(Path(self._folder, uri))
        if os.path.commonpath((path, self._folder)) != self._folder:
            raise ItemError("outside_source", f"{uri} leads out of the manifest's folder.")
        return Path(path)


@contextmanager
def manifest_lines(file: Path, longest: int) -> Iterator[Iterator[bytes]]:
    """A manifest's lines, cut after `longest` bytes. Raises `SourceError` when it is gone or written meanwhile."""
    try:
        with file.open("rb") as opened:
            before = os.fstat(opened.fileno())
            yield iter(lambda: opened.readline(longest + 1), b"")
            after = os.fstat(opened.fileno())
    except OSError as error:
        raise SourceError(f"The manifest {file} cannot be read: {error.strerror}. Nothing was changed.") from None
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise SourceError(f"The manifest {file} was written to while it was read. Nothing was changed; run again.")
