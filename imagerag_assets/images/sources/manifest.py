"""A manifest as a source: a CSV or JSONL file with a `uri` per line, every other column of it metadata.

A uri is a path inside the manifest's own folder, an object in a bucket, or a web address.
"""

from __future__ import annotations

import csv
import hashlib
import json
import posixpath
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from imagerag_assets.errors import ItemError, SourceError
from imagerag_assets.images.sources.metadata import flat_metadata
from imagerag_assets.images.sources.patterns import PathFilter
from imagerag_assets.images.sources.source import ListedFile, ReadFile

if TYPE_CHECKING:
    from imagerag_assets.images.sources.http import Web

SUFFIXES = (".csv", ".jsonl")
MAX_LINE_BYTES = 1024 * 1024
_ASKING_AT_ONCE = 8
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(file|data|javascript):", re.IGNORECASE)
_WEB = ("http", "https")


class Files(Protocol):
    """Files by uri, without a listing: a manifest's own folder, the objects of buckets, the web."""

    near: bool
    """Nobody is asked over a network."""

    def describe(self, uri: str) -> ListedFile:
        """The file's entry in a listing; with a reason when it is not there or not allowed."""
        ...

    def read(self, uri: str, max_bytes: int) -> ReadFile: ...


class ManifestSource:
    """What a manifest names. A bad line is an entry for the quarantine; the others count."""

    def __init__(
        self,
        name: str,
        open_file: Callable[[], AbstractContextManager[Iterable[bytes]]],
        beside: Files,
        objects: Callable[[str], Files],
        web: Web,
        paths: PathFilter,
    ) -> None:
        """`name` is shown; `open_file` opens the manifest; `objects` gives the files of a scheme such as s3."""
        self._name = name
        self._open_file = open_file
        self._beside = beside
        self._objects = objects
        self._web = web
        self._paths = paths

    def list(self, *, cheaply: bool = False) -> Iterator[ListedFile]:
        """Every line's file, looked up a few at a time: a HEAD request per address, none when `cheaply`.

        Raises `SourceError` when the manifest cannot be read to its end or is no manifest.
        """
        with self._open_file() as lines:
            entries = self._entries(lines)
            if cheaply:
                yield from (self._look_up(entry) if self._files(entry.uri).near else entry for entry in entries)
                return
            with ThreadPoolExecutor(_ASKING_AT_ONCE) as threads:
                window: deque[Future[ListedFile]] = deque()
                for entry in entries:
                    window.append(threads.submit(self._look_up, entry))
                    if len(window) >= 4 * _ASKING_AT_ONCE:
                        yield window.popleft().result()
                while window:
                    yield window.popleft().result()

    def read(self, uri: str, max_bytes: int) -> ReadFile:
        """The bytes of a listed file. Raises `ItemError`."""
        return self._files(uri).read(uri, max_bytes)

    def _entries(self, lines: Iterable[bytes]) -> Iterator[ListedFile]:
        rows = _csv_rows if self._name.lower().endswith(".csv") else _jsonl_rows
        for number, text, row in rows(self._name, _text_lines(self._name, lines)):
            try:
                if isinstance(row, ItemError):
                    raise row
                entry = _entry(row)
                yield replace(entry, ignored=self._paths.chosen(entry.uri))
            except ItemError as error:
                # The line is what changes when it is mended.
                version = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
                uri = f"{posixpath.basename(self._name)}#line={number}"
                yield ListedFile(uri, None, version, reason=error.reason, message=str(error))

    def _look_up(self, entry: ListedFile) -> ListedFile:
        if entry.reason or entry.ignored:
            return entry
        try:
            found = self._files(entry.uri).describe(entry.uri)
        except ItemError as error:
            return replace(entry, reason=error.reason, message=str(error))
        return replace(found, metadata=entry.metadata)

    def _files(self, uri: str) -> Files:
        scheme = scheme_of(uri)
        if not scheme:
            return self._beside
        return self._web if scheme in _WEB else self._objects(scheme)


def scheme_of(uri: str) -> str:
    """`s3` of s3://bucket/key, "" of a path."""
    match = _SCHEME.match(uri)
    return (match[1] or match[2]).lower() if match else ""


def _entry(row: Mapping[str, Any]) -> ListedFile:
    """A line's uri and metadata, nothing looked up. Raises `ItemError` for what may not be named."""
    uri = row.get("uri")
    if not isinstance(uri, str) or not uri.strip():
        raise ItemError("bad_manifest_line", "The line has no uri.")
    uri = uri.strip()
    if "\x00" in uri or any("\ud800" <= char <= "\udfff" for char in uri):
        raise ItemError("bad_manifest_line", "The uri is not UTF-8, or holds a NUL.")
    scheme = scheme_of(uri)
    if scheme in _WEB:
        from imagerag_assets.images.sources.http import require_web_address

        require_web_address(uri)
    elif not scheme:
        uri = _inside(uri)
    elif scheme not in ("s3", "gs", "az"):
        raise ItemError(
            "scheme_refused",
            f"{scheme}: is not allowed in a manifest; s3, gs, az, http, https and paths beside it are.",
        )
    return ListedFile(uri, None, "", flat_metadata({key: value for key, value in row.items() if key != "uri"}))


def _inside(path: str) -> str:
    """The path without detours, when it stays in the manifest's folder."""
    plain = posixpath.normpath(path)
    if plain.startswith("/") or plain == ".." or plain.startswith("../"):
        raise ItemError("outside_source", f"{path[:200]!r} leads out of the manifest's folder.")
    if plain == ".":
        raise ItemError("bad_manifest_line", f"{path!r} is the manifest's folder, not a file.")
    return plain


_Rows = Iterator[tuple[int, str, Mapping[str, Any] | ItemError]]


def _csv_rows(name: str, lines: Iterator[str]) -> _Rows:
    """(line number, text, columns by name) of every line below the header. CSV has no types: values are strings."""
    seen: deque[str] = deque()

    def remembered() -> Iterator[str]:
        for line in lines:
            seen.append(line)
            yield line

    reader = csv.reader(remembered(), strict=True)
    header = _header(name, reader)
    while True:
        seen.clear()
        before = reader.line_num
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # One quote too few swallows line after line: what they name must not look deleted.
            if len(seen) != 1 or "unexpected end" in str(error):
                _refuse(name, f"line {before + 1} opens a quote that is not closed rightly ({error})")
            yield before + 1, seen[0], ItemError("bad_manifest_line", f"The line is no CSV: {error}.")
            continue
        if not values:
            continue
        row: Mapping[str, Any] | ItemError = dict(zip(header, values, strict=False))
        if len(values) > len(header):
            row = ItemError("bad_manifest_line", f"The line has {len(values)} values for {len(header)} columns.")
        yield before + 1, "".join(seen), row


def _header(name: str, reader: Iterator[list[str]]) -> list[str]:
    try:
        header = [column.strip() for column in next(reader)]
    except StopIteration:
        _refuse(name, "it is empty; its first line has to name the columns")
    except csv.Error as error:
        _refuse(name, f"its first line is no CSV: {error}")
    # Spreadsheets end lines in empty columns.
    header = [column or f"column_{number}" for number, column in enumerate(header, start=1)]
    if "uri" not in header:
        _refuse(
            name, f"its first line has to name a column uri, separated by commas, and has {', '.join(header)[:200]!r}"
        )
    if twice := [column for column in header if header.count(column) > 1]:
        _refuse(name, f"it has two columns {twice[0]!r}")
    return header


def _jsonl_rows(_name: str, lines: Iterator[str]) -> _Rows:
    """(line number, text, object) of every line that is not blank."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row: Mapping[str, Any] | ItemError
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            row = ItemError("bad_manifest_line", f"The line is no JSON: {error}.")
        if not isinstance(row, dict | ItemError):
            row = ItemError("bad_manifest_line", "The line is no JSON object.")
        yield number, line, row


def _text_lines(name: str, lines: Iterable[bytes]) -> Iterator[str]:
    """Decoded lines; a byte that is not UTF-8 stays visible as such, and costs its own line only."""
    try:
        for number, line in enumerate(lines, start=1):
            if len(line) > MAX_LINE_BYTES:
                _refuse(name, f"line {number} has more than {MAX_LINE_BYTES:,} bytes")
            yield (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).decode("utf-8", "surrogateescape")
    except OSError as error:
        _refuse(name, f"it cannot be read to its end: {error}")


def _refuse(name: str, why: str) -> NoReturn:
    raise SourceError(f"The manifest {name}: {why}. Nothing was changed.")
