"""What every source is: something that lists files and reads their bytes. The kinds are in the modules beside this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

PASSING = frozenset({"unreachable", "server_error", "rate_limited", "fetch_timeout", "truncated_body"})
"""Reasons that are the way's fault and not the file's: an image that is known stays until its file could be read."""


@dataclass(frozen=True)
class ListedFile:
    """A file as the listing shows it, before a byte is read.

    Everything that is met is listed: what is passed over says why in `ignored`, and what is known to be unusable has a
    `reason` and a `message` for the quarantine.
    """

    uri: str
    """Path inside the source with slashes, or the address that a manifest gives."""
    size_bytes: int | None
    """None when the source does not tell."""
    version: str
    """What changes when the file does: a local file's time in ns, an object's etag. "" when unknown: read every run."""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    ignored: str = ""
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class ReadFile:
    """The bytes of a file, and the version that they are of: the file may have changed since it was listed."""

    data: bytes
    version: str


class Source(Protocol):
    """A folder, a bucket or a manifest. Used by several threads at once."""

    def list(self, *, cheaply: bool = False) -> Iterator[ListedFile]:
        """Everything that is there, streamed, in no particular order.

        `cheaply`: without a request per file, for a sensor's tick; sizes and versions may then be missing. Raises
        `SourceError` when the listing fails or ends early: what was not listed must not look like a deletion.
        """
        ...

    def read(self, uri: str, max_bytes: int) -> ReadFile:
        """The bytes of a listed file. Raises `ItemError`, with reason `too_large` beyond `max_bytes`."""
        ...
