"""One collection's source → rows of `raw_images`, `contents` and `quarantine`, touching only what changed.

A file counts as unchanged while its size and modification time are; then not a byte of it is read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pgvector import Bit
from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.database.stages import OnProgress, Progress, StageReport, fingerprint
from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode import DECODE_VERSION, decode, require_size
from imagerag_assets.images.hashing import (
    HASH_VERSION,
    THUMBNAIL_SIDE,
    colour_layout,
    content_hash,
    perceptual_hashes,
    thumbnail,
)
from imagerag_assets.images.sources import ListedFile, list_files, read_file
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
    folder: Path
    limits: Limits
    fingerprint: str


@dataclass(frozen=True)
class _Facts:
    """A file after a look inside: a content row, or the reason why there is none."""

    file: ListedFile
    content: str | None
    row: tuple[Any, ...] | None = None
    reason: str = ""
    message: str = ""


_CONTENT_COLUMNS = (
    "content", "fingerprint", "format", "mode", "width", "height", "size_bytes", "exif", "phash", "dhash", "colours",
    "thumbnail",
)  # fmt: skip


def ingest_collection(
    database: Database,
    settings: Settings,
    collection: str,
    folder: Path,
    *,
    on_progress: OnProgress = lambda _progress: None,
) -> StageReport:
    """Bring the collection's rows in step with its folder. Killed anywhere, the next call does the rest."""
    job = _Ingest(collection, folder, settings.limits, ingest_fingerprint(settings))
    report = StageReport(STAGE)
    started = time.monotonic()
    with database.connect() as connection:
        # A second run of the same collection waits here and then finds nothing to do.
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (f"{STAGE}:{collection}",))
        connection.commit()
        try:
            listed = _load_listing(connection, list_files(folder))
            todo = _changed_files(connection, job)
            report.skipped = listed - len(todo)
            with ThreadPoolExecutor(settings.ocr.workers) as threads:
                for start in range(0, len(todo), _BATCH):
                    facts = list(threads.map(partial(_look_inside, job), todo[start : start + _BATCH]))
                    with connection.transaction():
                        _save(connection, job, facts, report)
                    report.seconds = time.monotonic() - started
                    done = report.worked + report.failed
                    on_progress(Progress(f"{STAGE} {collection}", done, len(todo), report.seconds))
            with connection.transaction():
                report.removed = _remove_vanished(connection, job)
        finally:
            connection.rollback()
            connection.execute("drop table if exists listing")
            connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (f"{STAGE}:{collection}",))
            connection.commit()
    report.seconds = time.monotonic() - started
    return report


def remove_other_collections(connection: Connection, collections: Sequence[str]) -> int:
    """Mark the images of collections that the settings no longer have as removed; returns how many."""
    connection.execute("delete from quarantine where not collection = any(%s)", (list(collections),))
    return connection.execute(
        "update raw_images set removed_at = now() where removed_at is null and not collection = any(%s)",
        (list(collections),),
    ).rowcount


def _load_listing(connection: Connection, files: Iterable[ListedFile]) -> int:
    """The whole listing in a temporary table: a million names do not sit in memory."""
    connection.execute(
        "create temporary table listing (uri text primary key, size_bytes bigint not null, modified_ns bigint not null)"
    )
    count = 0
    with connection.cursor().copy("copy listing from stdin") as copy:
        for file in files:
            copy.write_row((file.uri, file.size_bytes, file.modified_ns))
            count += 1
    connection.commit()
    return count


def _changed_files(connection: Connection, job: _Ingest) -> list[ListedFile]:
    rows = connection.execute(
        """
        select l.uri, l.size_bytes, l.modified_ns from listing l
        where not exists (
            select from raw_images r
            where r.collection = %(collection)s and r.uri = l.uri and r.removed_at is null
              and r.size_bytes = l.size_bytes and r.modified_ns = l.modified_ns and r.fingerprint = %(fingerprint)s)
          and not exists (
            select from quarantine q
            where q.collection = %(collection)s and q.uri = l.uri
              and q.size_bytes = l.size_bytes and q.modified_ns = l.modified_ns and q.fingerprint = %(fingerprint)s)
        order by l.uri
        """,
        {"collection": job.collection, "fingerprint": job.fingerprint},
    ).fetchall()
    connection.commit()
    return [ListedFile(*row) for row in rows]


def _look_inside(job: _Ingest, file: ListedFile) -> _Facts:
    content = None
    try:
        require_size(file.size_bytes, job.limits)
        data = read_file(job.folder, file.uri)
        content = content_hash(data)
        found = decode(data, job.limits)
        phash, dhash = perceptual_hashes(found.image)
        row = (
            content, job.fingerprint, found.format, found.mode, found.image.width, found.image.height, len(data),
            Jsonb(found.exif), Bit(phash), Bit(dhash), colour_layout(found.image), thumbnail(found.image),
        )  # fmt: skip
        return _Facts(file, content, row)
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
        insert into raw_images (collection, uri, content, size_bytes, modified_ns, fingerprint)
        values (%s, %s, %s, %s, %s, %s)
        on conflict (collection, uri) do update set
            content = excluded.content, size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns,
            fingerprint = excluded.fingerprint, changed_at = now(), removed_at = null
        """,
        [
            (
                job.collection,
                fact.file.uri,
                fact.content,
                fact.file.size_bytes,
                fact.file.modified_ns,
                job.fingerprint,
            )
            for fact in facts
        ],
    )
    connection.execute(
        "delete from quarantine where collection = %s and uri = any(%s)",
        (job.collection, [fact.file.uri for fact in facts]),
    )


def _save_quarantine(connection: Connection, job: _Ingest, facts: Sequence[_Facts]) -> None:
    connection.cursor().executemany(
        """
        insert into quarantine (collection, uri, content, size_bytes, modified_ns, fingerprint, reason, message)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (collection, uri) do update set
            content = excluded.content, size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns,
            fingerprint = excluded.fingerprint, reason = excluded.reason, message = excluded.message, last_seen = now()
        """,
        [
            (
                job.collection, fact.file.uri, fact.content, fact.file.size_bytes, fact.file.modified_ns,
                job.fingerprint, fact.reason, fact.message,
            )
            for fact in facts
        ],
    )  # fmt: skip
    # A good file that was overwritten by a bad one is no longer an image of the collection.
    connection.execute(
        "update raw_images set removed_at = now() where collection = %s and uri = any(%s) and removed_at is null",
        (job.collection, [fact.file.uri for fact in facts]),
    )


def _remove_vanished(connection: Connection, job: _Ingest) -> int:
    """Mark what the complete listing no longer shows."""
    connection.execute(
        "delete from quarantine q where q.collection = %s and not exists (select from listing l where l.uri = q.uri)",
        (job.collection,),
    )
    return connection.execute(
        "update raw_images r set removed_at = now() where r.collection = %s and r.removed_at is null "
        "and not exists (select from listing l where l.uri = r.uri)",
        (job.collection,),
    ).rowcount
