"""One collection's source → rows of `raw_images`, `contents` and `quarantine`, touching only what changed.

A file counts as unchanged while its size and version (time, etag) are; then not a byte of it is read. What is inside a
file is found out by `workers`, in processes of their own; what the listing says of the files is `listing`'s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pgvector import Bit
from psycopg import sql
from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.database.locks import alone
from imagerag_assets.database.stages import OnProgress, Progress, StageReport, fingerprint
from imagerag_assets.errors import ItemError
from imagerag_assets.images import listing
from imagerag_assets.images.decode import DECODE_VERSION, require_size
from imagerag_assets.images.hashing import HASH_VERSION, THUMBNAIL_SIDE, content_hash
from imagerag_assets.images.inspect import Fault, Page
from imagerag_assets.images.sidecars import UNREAD, Described, ListedImage, describe
from imagerag_assets.images.sources import PASSING, ListedFile, Source
from imagerag_assets.images.workers import decoders
from imagerag_assets.settings import Limits, Retries, Settings

STAGE = "raw_images"
_BATCH = 64
# A file's bytes wait for a free decoder in as many threads as read ahead of it.
_READERS_PER_DECODER = 2


def ingest_fingerprint() -> str:
    """What decides an image's row: how it is decoded and hashed. Limits only decide whether there is one."""
    return fingerprint(decode=DECODE_VERSION, hashing=HASH_VERSION, thumbnail=THUMBNAIL_SIDE)


def quarantine_fingerprint(settings: Settings) -> str:
    """What decides that a file is in quarantine: the limits too."""
    return fingerprint(ingest=ingest_fingerprint(), limits=settings.limits.model_dump())


@dataclass(frozen=True)
class _Ingest:
    """What one collection's run needs everywhere."""

    collection: str
    source: Source
    limits: Limits
    retries: Retries
    fingerprint: str
    quarantine_fingerprint: str
    decoding: threading.Semaphore
    """How many files may be decoded at a time; more are read ahead."""


@dataclass(frozen=True)
class _Look:
    """A file after a look inside. `content` is the sha256 of its bytes, None when they could not be read."""

    file: ListedFile
    """As it was listed, but for the size and version: they are those of what was read."""
    content: str | None
    seen: Sequence[Page | Fault]
    sidecar: str | None = None
    described: Described = field(default_factory=lambda: Described({}, ""))

    @property
    def pages(self) -> list[Page]:
        return [one for one in self.seen if isinstance(one, Page)]

    @property
    def faults(self) -> list[Fault]:
        return [one for one in self.seen if isinstance(one, Fault)]

    def uri(self, number: int | None) -> str:
        """The name of a page; the file's own for its only image and for the file as a whole."""
        return self.file.uri if number is None else f"{self.file.uri}#page={number}"


_CONTENT_COLUMNS = (
    "content", "fingerprint", "format", "mode", "width", "height", "page", "frames", "dpi", "size_bytes", "exif",
    "phash", "dhash", "colours", "thumbnail",
)  # fmt: skip
# What is made from a content's pixels, one row or more for each.
_MADE_FROM_PIXELS = (
    "tiles", "ocr_text", "clip_embeddings", "vlm_descriptions", "description_embeddings", "description_judgements",
    "description_confidence", "description_escalations",
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
    job = _Ingest(
        collection, source, settings.limits, settings.retries, ingest_fingerprint(),
        quarantine_fingerprint(settings), threading.Semaphore(settings.ocr.workers),
    )  # fmt: skip
    report = StageReport(STAGE)
    started, started_at = time.monotonic(), datetime.now(UTC)
    # A second run of the same collection waits here and then finds nothing to do.
    with database.connect() as connection, alone(connection, f"{STAGE}:{collection}"):
        try:
            listing.load(connection, source.list())
            if not allow_removal:
                share = settings.collection(collection).max_removed_share
                listing.require_few_removals(connection, collection, share)
            todo = listing.find_changed(
                connection, collection, job.fingerprint, job.quarantine_fingerprint, job.limits, job.retries
            )
            report.skipped = listing.count_files(connection) - todo
            done = 0
            with ThreadPoolExecutor(_READERS_PER_DECODER * settings.ocr.workers) as threads:
                for batch in listing.changed_batches(connection, _BATCH):
                    looks = list(threads.map(partial(_look_inside, job), batch))
                    with connection.transaction():
                        _save(connection, job, looks, report)
                    done += len(batch)
                    report.seconds = time.monotonic() - started
                    on_progress(Progress(f"{STAGE} {collection}", done, todo, report.seconds))
                described = _describe_anew(connection, job, threads)
                report.updated += described
                report.skipped -= described
            with connection.transaction():
                report.removed += listing.remove_vanished(connection, collection)
                listing.record_scan(connection, collection, started_at, report.skipped, report.removed)
        finally:
            connection.rollback()
            listing.drop(connection)
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


def _look_inside(job: _Ingest, listed: ListedImage) -> _Look:
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
        with job.decoding:
            seen = decoders().look_inside(read.data, job.limits)
        described = describe(job.source, listed) if any(isinstance(one, Page) for one in seen) else Described({}, "")
        return _Look(file, content, seen, listed.sidecar, described)
    except ItemError as error:
        return _Look(file, content, [Fault(None, error.reason, str(error))])


def _save(connection: Connection, job: _Ingest, looks: Sequence[_Look], report: StageReport) -> None:
    looks = _yield_names(connection, job, looks)
    good = [look.uri(page.number) for look in looks for page in look.pages]
    bad = [look.uri(fault.number) for look in looks for fault in look.faults]
    known = connection.execute(
        "select count(*) from raw_images where collection = %s and uri = any(%s) and removed_at is null",
        (job.collection, good),
    ).fetchall()[0][0]
    _save_contents(connection, job, looks)
    report.removed += _remove_pages(connection, job, looks, good, bad)
    _save_images(connection, job, looks)
    _save_quarantine(connection, job, looks)
    report.updated += known
    report.new += len(good) - known
    report.failed += len(bad)


def _yield_names(connection: Connection, job: _Ingest, looks: Sequence[_Look]) -> list[_Look]:
    """Turn images into faults whose name another file's image has: scan.pdf's page 2, and a file scan.pdf#page=2."""
    owners: dict[str, str] = dict(
        connection.execute(
            "select uri, file from raw_images where collection = %s and uri = any(%s) and removed_at is null",
            (job.collection, [look.uri(page.number) for look in looks for page in look.pages]),
        ).fetchall()
    )
    result = []
    for look in looks:
        seen: list[Page | Fault] = []
        for one in look.seen:
            name = look.uri(one.number)
            if isinstance(one, Page) and owners.setdefault(name, look.file.uri) != look.file.uri:
                message = f"An image of the file {owners[name]} is called {name} too. Rename one of the two files."
                one = Fault(one.number, "name_taken", message)
            seen.append(one)
        result.append(replace(look, seen=seen))
    return result


def _save_contents(connection: Connection, job: _Ingest, looks: Sequence[_Look]) -> None:
    rows: dict[str, tuple[Any, ...]] = {
        page.content: (
            page.content, job.fingerprint, page.format, page.mode, page.width, page.height, page.number, page.frames,
            page.dpi, look.file.size_bytes, Jsonb(page.exif), Bit(page.phash), Bit(page.dhash), page.colours,
            page.thumbnail,
        )
        for look in looks
        for page in look.pages
    }  # fmt: skip
    sizes = {content: (row[4], row[5]) for content, row in rows.items()}
    redrawn = [
        row[0]
        for row in connection.execute(
            "select content, width, height from contents where content = any(%s)", (list(rows),)
        ).fetchall()
        if sizes[row[0]] != row[1:]
    ]
    # A PDF's page at another resolution is the same content with other pixels: boxes and words would be misplaced.
    for table in _MADE_FROM_PIXELS if redrawn else ():
        statement = sql.SQL("delete from {} where content = any(%s)").format(sql.Identifier(table))
        connection.execute(statement, (redrawn,))
    upsert(connection, "contents", _CONTENT_COLUMNS, ("content",), rows.values())


def _remove_pages(
    connection: Connection, job: _Ingest, looks: Sequence[_Look], good: Sequence[str], bad: Sequence[str]
) -> int:
    """Mark what the files no longer give as removed; returns how many are neither replaced nor in quarantine.

    The images of a file that only could not be reached this time stay.
    """
    read = [look.file.uri for look in looks if not any(fault.reason in PASSING for fault in look.faults)]
    rows = connection.execute(
        "update raw_images set removed_at = now() where collection = %s and file = any(%s) and removed_at is null "
        "and not uri = any(%s) returning uri",
        (job.collection, read, list(good)),
    ).fetchall()
    return len({row[0] for row in rows}.difference(bad))


def _save_images(connection: Connection, job: _Ingest, looks: Sequence[_Look]) -> None:
    connection.cursor().executemany(
        """
        insert into raw_images
            (collection, uri, page, content, size_bytes, version, fingerprint, metadata, metadata_version)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (collection, uri) do update set
            page = excluded.page, content = excluded.content, size_bytes = excluded.size_bytes,
            version = excluded.version, fingerprint = excluded.fingerprint, metadata = excluded.metadata,
            metadata_version = excluded.metadata_version, changed_at = now(), removed_at = null
        """,
        [
            (
                job.collection, look.uri(page.number), page.number, page.content, look.file.size_bytes,
                look.file.version, job.fingerprint, Jsonb(dict(look.described.metadata)), look.described.version,
            )
            for look in looks
            for page in look.pages
        ],
    )  # fmt: skip
    _save_sidecars(connection, job, [(look.sidecar, look.described) for look in looks if look.pages and look.sidecar])


def _save_quarantine(connection: Connection, job: _Ingest, looks: Sequence[_Look]) -> None:
    """Keep each fault with its attempts; the wait doubles with every one that ends the same way."""
    connection.cursor().executemany(
        """
        insert into quarantine as q
            (collection, uri, page, content, size_bytes, version, fingerprint, reason, message, next_try)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))
        on conflict (collection, file, uri) do update set
            page = excluded.page, content = excluded.content, size_bytes = excluded.size_bytes,
            version = excluded.version, fingerprint = excluded.fingerprint, reason = excluded.reason,
            message = excluded.message, last_seen = now(),
            (attempts, next_try) = (
                select n, now() + (excluded.next_try - now()) * power(2, n - 1)
                from (select case when (q.size_bytes, q.version, q.fingerprint, q.reason) is not distinct from
                          (excluded.size_bytes, excluded.version, excluded.fingerprint, excluded.reason)
                      then q.attempts + 1 else 1 end as n) as counted)
        """,
        [
            (
                job.collection, look.uri(fault.number), fault.number, look.content, look.file.size_bytes,
                look.file.version, job.quarantine_fingerprint, fault.reason, fault.message[:2000],
                job.retries.first_wait_seconds,
            )
            for look in looks
            for fault in look.faults
        ],
    )  # fmt: skip
    for look in looks:
        connection.execute(
            "delete from quarantine where collection = %s and file = %s and not uri = any(%s)",
            (job.collection, look.file.uri, [look.uri(fault.number) for fault in look.faults]),
        )


def _save_sidecars(connection: Connection, job: _Ingest, sidecars: Sequence[tuple[str, Described]]) -> None:
    """Quarantine the sidecars that cannot be used, and free those that were mended."""
    looks = []
    for uri, described in sidecars:
        fault = described.fault
        faults = [Fault(None, fault.reason, str(fault))] if fault else []
        looks.append(_Look(ListedFile(uri, None, ""), None, faults))
    _save_quarantine(connection, job, looks)


def _describe_anew(connection: Connection, job: _Ingest, threads: ThreadPoolExecutor) -> int:
    """Update the images whose metadata alone changed, without reading them; returns how many."""
    count, last = 0, ""
    while batch := listing.redescribed_batch(connection, job.collection, last, _BATCH):
        last = batch[-1].file.uri
        found = list(zip(batch, threads.map(partial(describe, job.source), batch), strict=True))
        with connection.transaction():
            connection.cursor().executemany(
                "update raw_images set metadata = %s, metadata_version = %s, changed_at = now() "
                "where collection = %s and file = %s and removed_at is null",
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
