"""One collection's source → rows of `raw_images`, `contents` and `quarantine`, touching only what changed.

A file counts as unchanged while its size and version (time, etag) are; then not a byte of it is read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pgvector import Bit
from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.database.stages import OnProgress, Progress, StageReport, fingerprint
from imagerag_assets.errors import ItemError
from imagerag_assets.images import listing
from imagerag_assets.images.decode import DECODE_VERSION, decode, require_size
from imagerag_assets.images.hashing import (
    HASH_VERSION,
    THUMBNAIL_SIDE,
    colour_layout,
    content_hash,
    perceptual_hashes,
    thumbnail,
)
from imagerag_assets.images.sidecars import UNREAD, Described, ListedImage, describe
from imagerag_assets.images.sources import PASSING, ListedFile, Source
from imagerag_assets.settings import Limits, Settings

STAGE = "raw_images"
_BATCH = 64


def ingest_fingerprint(settings: Settings) -> str:
    """What decides a file's row: how it is decoded and hashed, and the limits."""
    return fingerprint(
        decode=DECODE_VERSION,
        hashing=HASH_VERSION,
        thumbnail=THUMBNAIL_SIDE,
        limits=settings.limits.model_dump(),
    )


@dataclass(frozen=True)
class _Ingest:
    """What one collection's run needs everywhere."""

    collection: str
    source: Source
    limits: Limits
    fingerprint: str


@dataclass(frozen=True)
class _Facts:
    """A file after a look inside: a content row, or the reason why there is none."""

    file: ListedFile
    """As it was listed, but for the size and version: they are those of what was read."""
    content: str | None
    row: tuple[Any, ...] | None = None
    reason: str = ""
    message: str = ""
    sidecar: str | None = None
    described: Described = field(default_factory=lambda: Described({}, ""))


_CONTENT_COLUMNS = (
    "content", "fingerprint", "format", "mode", "width", "height", "size_bytes", "exif", "phash", "dhash", "colours",
    "thumbnail",
)  # fmt: skip


def ingest_collection(
    database: Database,
    settings: Settings,
    collection: str,
    source: Source,
    *,
    allow_removal: bool = False,
    on_progress: OnProgress = lambda _progress: None,
) -> StageReport:
    """Bring the collection's rows in step with its source. Killed anywhere, the next call does the rest.

    Raises `SourceError` before anything is changed when the listing fails, or lacks so many of the known images that a
    person has to say whether they are to go (`allow_removal`).
    """
    job = _Ingest(collection, source, settings.limits, ingest_fingerprint(settings))
    report = StageReport(STAGE)
    started, started_at = time.monotonic(), datetime.now(UTC)
    with database.connect() as connection:
        # A second run of the same collection waits here and then finds nothing to do.
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (f"{STAGE}:{collection}",))
        connection.commit()
        try:
            listing.load(connection, source.list())
            if not allow_removal:
                share = settings.collection(collection).max_removed_share
                listing.require_few_removals(connection, collection, share)
            todo = listing.find_changed(connection, collection, job.fingerprint)
            with ThreadPoolExecutor(settings.ocr.workers) as threads:
                for batch in listing.changed_batches(connection, _BATCH):
                    facts = list(threads.map(partial(_look_inside, job), batch))
                    with connection.transaction():
                        _save(connection, job, facts, report)
                    report.seconds = time.monotonic() - started
                    done = report.worked + report.failed
                    on_progress(Progress(f"{STAGE} {collection}", done, todo, report.seconds))
                report.updated += _describe_anew(connection, job, threads)
            with connection.transaction():
                report.removed = listing.remove_vanished(connection, collection)
                report.skipped = listing.count_files(connection) - report.worked - report.failed
                listing.record_scan(connection, collection, started_at, report.skipped, report.removed)
        finally:
            connection.rollback()
            listing.drop(connection)
            connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (f"{STAGE}:{collection}",))
            connection.commit()
    report.seconds = time.monotonic() - started
    return report


def remove_other_collections(connection: Connection, collections: Sequence[str]) -> int:
    """Mark the images of collections that the settings no longer have as removed; returns how many."""
    connection.execute("delete from quarantine where not collection = any(%s)", (list(collections),))
    connection.execute("delete from scans where not collection = any(%s)", (list(collections),))
    return connection.execute(
        "update raw_images set removed_at = now() where removed_at is null and not collection = any(%s)",
        (list(collections),),
    ).rowcount


def _look_inside(job: _Ingest, listed: ListedImage) -> _Facts:
    file, content = listed.file, None
    try:
        if file.reason:
            raise ItemError(file.reason, file.message)
        if file.size_bytes is not None:
            require_size(file.size_bytes, job.limits)
        # Of a file that could not be read nothing is known: without a version it is tried again at the next run.
        file = replace(file, version="")
        read = job.source.read(file.uri, job.limits.max_bytes)
        # The file may have been replaced since it was listed: what is stored belongs together.
        file = replace(file, size_bytes=len(read.data), version=read.version)
        content = content_hash(read.data)
        found = decode(read.data, job.limits)
        phash, dhash = perceptual_hashes(found.image)
        row = (
            content, job.fingerprint, found.format, found.mode, found.image.width, found.image.height, len(read.data),
            Jsonb(found.exif), Bit(phash), Bit(dhash), colour_layout(found.image), thumbnail(found.image),
        )  # fmt: skip
        return _Facts(file, content, row, sidecar=listed.sidecar, described=describe(job.source, listed))
    except ItemError as error:
        return _Facts(file, content, None, error.reason, str(error))


def _save(connection: Connection, job: _Ingest, facts: Sequence[_Facts], report: StageReport) -> None:
    good = [fact for fact in facts if fact.row is not None]
    bad = [fact for fact in facts if fact.row is None]
    known = {
        row[0]
        for row in connection.execute(
            "select uri from raw_images where collection = %s and uri = any(%s) and removed_at is null",
            (job.collection, [fact.file.uri for fact in good]),
        ).fetchall()
    }
    rows = {fact.content: fact.row for fact in good if fact.row is not None}
    upsert(connection, "contents", _CONTENT_COLUMNS, ("content",), rows.values())
    _save_images(connection, job, good)
    _save_quarantine(connection, job, bad)
    report.updated += len(known)
    report.new += len(good) - len(known)
    report.failed += len(bad)


def _save_images(connection: Connection, job: _Ingest, facts: Sequence[_Facts]) -> None:
    connection.cursor().executemany(
        """
        insert into raw_images
            (collection, uri, content, size_bytes, version, fingerprint, metadata, metadata_version)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (collection, uri) do update set
            content = excluded.content, size_bytes = excluded.size_bytes, version = excluded.version,
            fingerprint = excluded.fingerprint, metadata = excluded.metadata,
            metadata_version = excluded.metadata_version, changed_at = now(), removed_at = null
        """,
        [
            (
                job.collection, fact.file.uri, fact.content, fact.file.size_bytes, fact.file.version, job.fingerprint,
                Jsonb(dict(fact.described.metadata)), fact.described.version,
            )
            for fact in facts
        ],
    )  # fmt: skip
    connection.execute(
        "delete from quarantine where collection = %s and uri = any(%s)",
        (job.collection, [fact.file.uri for fact in facts]),
    )
    _save_sidecars(connection, job, [(fact.sidecar, fact.described) for fact in facts if fact.sidecar])


def _save_quarantine(connection: Connection, job: _Ingest, facts: Sequence[_Facts]) -> None:
    connection.cursor().executemany(
        """
        insert into quarantine (collection, uri, content, size_bytes, version, fingerprint, reason, message)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (collection, uri) do update set
            content = excluded.content, size_bytes = excluded.size_bytes, version = excluded.version,
            fingerprint = excluded.fingerprint, reason = excluded.reason, message = excluded.message, last_seen = now()
        """,
        [
            (
                job.collection, fact.file.uri, fact.content, fact.file.size_bytes, fact.file.version,
                job.fingerprint, fact.reason, fact.message,
            )
            for fact in facts
        ],
    )  # fmt: skip
    # A good file that was overwritten by a bad one is no longer an image of the collection. One that only could not be
    # reached this time is.
    connection.execute(
        "update raw_images set removed_at = now() where collection = %s and uri = any(%s) and removed_at is null",
        (job.collection, [fact.file.uri for fact in facts if fact.reason not in PASSING]),
    )


def _save_sidecars(connection: Connection, job: _Ingest, sidecars: Sequence[tuple[str, Described]]) -> None:
    """Quarantine the sidecars that cannot be used, and free those that were mended."""
    good = [uri for uri, described in sidecars if described.fault is None]
    connection.execute("delete from quarantine where collection = %s and uri = any(%s)", (job.collection, good))
    bad = [
        _Facts(ListedFile(uri, None, ""), None, None, described.fault.reason, str(described.fault))
        for uri, described in sidecars
        if described.fault is not None
    ]
    _save_quarantine(connection, job, bad)


def _describe_anew(connection: Connection, job: _Ingest, threads: ThreadPoolExecutor) -> int:
    """Update the images whose metadata alone changed, without reading them; returns how many."""
    count, last = 0, ""
    while batch := listing.redescribed_batch(connection, job.collection, last, _BATCH):
        last = batch[-1].file.uri
        found = list(zip(batch, threads.map(partial(describe, job.source), batch), strict=True))
        with connection.transaction():
            connection.cursor().executemany(
                "update raw_images set metadata = %s, metadata_version = %s, changed_at = now() "
                "where collection = %s and uri = %s",
                # While a sidecar cannot be reached, what it said stays.
                [
                    (Jsonb(dict(new.metadata)), new.version, job.collection, one.file.uri)
                    for one, new in found
                    if new.version != UNREAD
                ],
            )
            _save_sidecars(connection, job, [(one.sidecar, new) for one, new in found if one.sidecar])
        count += sum(new.version != UNREAD for _, new in found)
    return count
