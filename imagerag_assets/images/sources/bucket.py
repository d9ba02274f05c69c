"""Objects in S3, Google Cloud Storage and Azure through fsspec's libraries, which know the usual credentials.

Listings are read page by page from the provider's own call: fsspec's `find` and `walk` hold a whole folder in memory.
"""

from __future__ import annotations

import asyncio
import importlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import fsspec
from fsspec.asyn import sync

from imagerag_assets.errors import ItemError, SourceError
from imagerag_assets.images.sources.patterns import PathFilter
from imagerag_assets.images.sources.source import ListedFile, ReadFile

_LOOKS = 3
_Object = tuple[str, int, str]
"""Key, size in bytes, etag."""


def _s3_objects(files: Any, bucket: str, prefix: str) -> Iterator[_Object]:
    more: dict[str, str] = {}
    while True:
        page = files.call_s3("list_objects_v2", files.req_kw, Bucket=bucket, Prefix=prefix, **more)
        for entry in page.get("Contents", ()):
            yield entry["Key"], entry["Size"], entry["ETag"]
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _gcs_objects(files: Any, bucket: str, prefix: str) -> Iterator[_Object]:
    more: dict[str, str] = {}
    while True:
        page = files.call("GET", "b/{}/o", bucket, prefix=prefix, maxResults=1000, json_out=True, **more)
        for entry in page.get("items", ()):
            yield entry["name"], int(entry["size"]), entry["etag"]
        if not page.get("nextPageToken"):
            return
        more = {"pageToken": page["nextPageToken"]}


def _azure_objects(files: Any, bucket: str, prefix: str) -> Iterator[_Object]:
    pages = files.service_client.get_container_client(bucket).list_blobs(name_starts_with=prefix or None).by_page()

    async def next_page() -> list[_Object] | None:
        try:
            page = await anext(pages)
        except StopAsyncIteration:
            return None
        return [(blob.name, blob.size, blob.etag) async for blob in page]

    while (page := sync(files.loop, next_page)) is not None:
        yield from page


@dataclass(frozen=True)
class _Provider:
    """`errors` are the roots of what its libraries raise beside OSError, as module:name."""

    extra: str
    objects: Callable[[Any, str, str], Iterator[_Object]]
    errors: tuple[str, ...]


_PROVIDERS = {
    "s3": _Provider(
        "s3",
        _s3_objects,
        ("botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError", "aiohttp:ClientError"),
    ),
    "gs": _Provider(
        "gcs",
        _gcs_objects,
        ("gcsfs.retry:HttpError", "google.auth.exceptions:GoogleAuthError", "aiohttp:ClientError"),
    ),
    "az": _Provider("azure", _azure_objects, ("azure.core.exceptions:AzureError", "aiohttp:ClientError")),
}


class Objects:
    """Single objects of one provider by address, such as s3://bucket/key."""

    near = False

    def __init__(self, scheme: str, options: Mapping[str, Any]) -> None:
        """Opens no connection. Raises `SourceError` when the provider's extra is missing, or an option is unknown."""
        provider = _PROVIDERS[scheme]
        try:
            # Its cache of listings would show yesterday's objects to a sensor that lives for weeks.
            self.files = fsspec.filesystem(scheme, use_listings_cache=False, **options)
        except ImportError as error:
            raise SourceError(
                f'{scheme}:// needs the extra "{provider.extra}": pip install "imagerag[{provider.extra}]" ({error}).'
            ) from None
        except (TypeError, ValueError) as error:
            raise SourceError(
                f"{scheme}:// cannot be opened: {error} Check the collection's storage_options and the environment."
            ) from None
        self.scheme = scheme
        self.errors: tuple[type[Exception], ...] = (
            OSError,
            asyncio.TimeoutError,
            *map(_class_named, provider.errors),
        )

    def describe(self, uri: str) -> ListedFile:
        """The object's entry in a listing; with a reason when it is not there or cannot be asked for."""
        try:
            size, version = self._look(uri)
        except ItemError as error:
            return ListedFile(uri, None, "", reason=error.reason, message=str(error))
        return ListedFile(uri, size, version)

    def read(self, uri: str, max_bytes: int) -> ReadFile:
        """The object's bytes. Raises `ItemError`: `not_found`, `forbidden`, `unreachable`, `changing`, `too_large`."""
        seen = self._look(uri)
        for _ in range(_LOOKS):
            size, version = seen
            if size > max_bytes:
                raise ItemError("too_large", f"{uri}: {size:,} bytes; limits.max_bytes is {max_bytes:,}.")
            with self._told(uri):
                # A range of nothing is an error; and without one a larger object that took its place would be read.
                data = self.files.cat_file(uri, start=0, end=size) if size else b""
            # Not every provider can read a version: an unchanged one before and after is the version of the bytes.
            seen = self._look(uri)
            if seen == (size, version) and len(data) == size:
                return ReadFile(bytes(data), version)
        raise ItemError("changing", f"{uri} is being written to; the next run reads it.")

    def _look(self, uri: str) -> tuple[int, str]:
        with self._told(uri):
            facts = self.files.info(uri)
        if facts["type"] != "file":
            raise ItemError("not_found", f"{uri} is no object.")
        etag = facts.get("ETag") or facts.get("etag") or facts.get("LastModified") or facts.get("last_modified") or ""
        return int(facts["size"]), _plain(str(etag))

    @contextmanager
    def _told(self, uri: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise ItemError("not_found", f"{uri} is not there.") from None
        except PermissionError as error:
            raise ItemError("forbidden", f"{uri}: {error}") from None
        except self.errors as error:
            raise ItemError("unreachable", f"{uri}: {type(error).__name__}: {error}") from None


class BucketFolder:
    """The objects below a prefix of a bucket, by their path from there."""

    near = False

    def __init__(self, address: str, options: Mapping[str, Any]) -> None:
        """`address` is s3://bucket/prefix: a whole folder, with or without a slash at its end."""
        scheme, _, path = address.partition("://")
        self.bucket, _, prefix = path.partition("/")
        self.prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        self.objects = Objects(scheme.lower(), options)

    def describe(self, uri: str) -> ListedFile:
        """The object's entry in a listing; with a reason when it is not there."""
        return replace(self.objects.describe(self._address(uri)), uri=uri)

    def read(self, uri: str, max_bytes: int) -> ReadFile:
        """The bytes of an object. Raises `ItemError`."""
        return self.objects.read(self._address(uri), max_bytes)

    def write(self, uri: str, data: bytes) -> None:
        """Put an object, whole or not at all. Raises `SourceError`."""
        try:
            self.objects.files.pipe_file(self._address(uri), data)
        except self.objects.errors as error:
            raise SourceError(
                f"{self.objects.scheme}://{self.bucket} cannot be written to: {type(error).__name__}. Nothing was "
                "stored. Check that the server's credentials may put objects there."
            ) from None

    def _address(self, uri: str) -> str:
        return f"{self.objects.scheme}://{self.bucket}/{self.prefix}{uri}"


class BucketSource:
    """Every object below a prefix."""

    def __init__(self, address: str, options: Mapping[str, Any], paths: PathFilter) -> None:
        self._address = address
        self._folder = BucketFolder(address, options)
        self._paths = paths

    def list(self, *, cheaply: bool = False) -> Iterator[ListedFile]:  # noqa: ARG002
        """A request per thousand objects. Raises `SourceError` when one fails, and when nothing has the prefix."""
        folder, count = self._folder, 0
        objects = _PROVIDERS[folder.objects.scheme].objects
        try:
            for key, size, etag in objects(folder.objects.files, folder.bucket, folder.prefix):
                count += 1
                yield self._listed(key.removeprefix(folder.prefix), size, _plain(etag))
        except folder.objects.errors as error:
            raise SourceError(
                f"{self._address} cannot be listed: {type(error).__name__}: {error}. Nothing was changed. Check "
                "the bucket's name, the credentials in the environment and the endpoint (such as AWS_ENDPOINT_URL)."
            ) from None
        if not count and folder.prefix:
            raise SourceError(
                f"Nothing in the bucket {folder.bucket} has the prefix {folder.prefix!r}. Nothing was changed. Correct "
                "the collection's source, or put an object there."
            )

    def read(self, uri: str, max_bytes: int) -> ReadFile:
        """The bytes of a listed object. Raises `ItemError`."""
        return self._folder.read(uri, max_bytes)

    def _listed(self, uri: str, size: int, version: str) -> ListedFile:
        if not uri or uri.endswith("/"):
            # What consoles make to show an empty folder.
            return ListedFile(uri or "./", None, "", ignored="folder_marker")
        why = self._paths.file(uri)
        if why and not (why == "not_included" and uri.lower().endswith(".json")):
            return ListedFile(uri, None, "", ignored=why)
        return ListedFile(uri, size, version, ignored=why)


@contextmanager
def manifest_object_lines(address: str, options: Mapping[str, Any], longest: int) -> Iterator[Iterator[bytes]]:
    """The lines of a manifest in a bucket, cut after `longest` bytes. Raises `SourceError` when it cannot be read."""
    objects = Objects(address.partition("://")[0].lower(), options)
    try:
        # The file's etag is asked for once and every part is read under it, where the provider can.
        with objects.files.open(address, "rb") as raw, io.BufferedReader(raw) as opened:
            yield iter(lambda: opened.readline(longest + 1), b"")
    except objects.errors as error:
        raise SourceError(
            f"The manifest {address} cannot be read: {type(error).__name__}: {error}. Nothing was changed."
        ) from None


def _plain(etag: str) -> str:
    return etag.strip('"')


def _class_named(name: str) -> type[Exception]:
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    return cast("type[Exception]", found)
