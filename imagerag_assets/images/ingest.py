"""One collection's source → rows of `raw_images`, `contents` and `quarantine`, touching only what changed.

A file counts as unchanged while its size and modification time are; then not a byte of it is read. What is inside a
file is found out by `workers`, in processes of their own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pgvector import Bit
from psycopg import sql
from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.database.stages import OnProgress, Progress, StageReport, fingerprint
from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode import DECODE_VERSION, require_size
from imagerag_assets.images.hashing import HASH_VERSION, THUMBNAIL_SIDE, content_hash
from imagerag_assets.images.inspect import Fault, Page
from imagerag_assets.images.sources import ListedFile, list_files, read_file
from imagerag_assets.images.workers import decoders
from imagerag_assets.settings import Limits, Retries, Settings

STAGE = "raw_images"
_BATCH = 64


# Reasons that may pass by themselves: these files are tried again, unchanged, up to retries.attempts.
PASSING_REASONS = ("decoder_crashed", "timeout", "unreadable")
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
    folder: Path
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
    content: str | None
    size_bytes: int
    seen: Sequence[Page | Fault]

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
_MADE_FROM_PIXELS = ("tiles", "ocr_text", "clip_embeddings", "vlm_descriptions", "description_embeddings")


def ingest_collection(
    database: Database,
    settings: Settings,
    collection: str,
    folder: Path,
    *,
    on_progress: OnProgress = lambda _progress: None,
) -> StageReport:
    """Bring the collection's rows in step with its folder. Killed anywhere, the next call does the rest."""
    job = _Ingest(
        collection, folder, settings.limits, settings.retries, ingest_fingerprint(),
        quarantine_fingerprint(settings), threading.Semaphore(settings.ocr.workers),
    )  # fmt: skip
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
            with ThreadPoolExecutor(_READERS_PER_DECODER * settings.ocr.workers) as threads:
                for start in range(0, len(todo), _BATCH):
                    batch = todo[start : start + _BATCH]
                    looks = list(threads.map(partial(_look_inside, job), batch))
                    with connection.transaction():
                        _save(connection, job, looks, report)
                    report.seconds = time.monotonic() - started
                    on_progress(Progress(f"{STAGE} {collection}", start + len(batch), len(todo), report.seconds))
            with connection.transaction():
                report.removed += _remove_vanished(connection, job)
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


# r and q are rows of the listed file l as it is now.
_SAME_FILE = (
    "{0}.collection = %(collection)s and {0}.file = l.uri "
    "and {0}.size_bytes = l.size_bytes and {0}.modified_ns = l.modified_ns"
)
_CHANGED = f"""
    select l.uri, l.size_bytes, l.modified_ns from listing l
    where not exists (
            select from raw_images r where {_SAME_FILE.format("r")}
              and r.removed_at is null and r.fingerprint = %(fingerprint)s
            union all
            select from quarantine q where {_SAME_FILE.format("q")})
       -- Refused by other limits than these, or for what may have passed.
       or exists (
            select from quarantine q where {_SAME_FILE.format("q")}
              and (q.fingerprint <> %(quarantine_fingerprint)s
                   or q.reason = any(%(passing)s) and q.attempts < %(attempts)s and q.next_try <= now()))
       -- Taken in under limits that these forbid, or drawn at another resolution.
       or exists (
            select from raw_images r join contents c using (content)
            where r.collection = %(collection)s and r.file = l.uri and r.removed_at is null
              and (r.size_bytes > %(max_bytes)s or c.width::bigint * c.height > %(max_pixels)s
                   or c.frames > %(max_frames)s or r.page > %(max_pages)s
                   or abs(least(%(pdf_dpi)s / c.dpi, sqrt(%(max_pixels)s / (c.width::float8 * c.height))) - 1) > 0.02
                      and c.dpi is not null))
    order by l.uri
"""  # noqa: S608


def _changed_files(connection: Connection, job: _Ingest) -> list[ListedFile]:
    rows = connection.execute(
        _CHANGED.encode(),
        {
            **job.limits.model_dump(),
            "collection": job.collection,
            "fingerprint": job.fingerprint,
            "quarantine_fingerprint": job.quarantine_fingerprint,
            "passing": list(PASSING_REASONS),
            "attempts": job.retries.attempts,
        },
    ).fetchall()
    connection.commit()
    return [ListedFile(*row) for row in rows]


def _look_inside(job: _Ingest, file: ListedFile) -> _Look:
    content = None
    try:
        require_size(file.size_bytes, job.limits)
        data = read_file(job.folder, file.uri)
        content = content_hash(data)
        with job.decoding:
            return _Look(file, content, len(data), decoders().look_inside(data, job.limits))
    except ItemError as error:
        return _Look(file, content, file.size_bytes, [Fault(None, error.reason, str(error))])


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
            page.dpi, look.size_bytes, Jsonb(page.exif), Bit(page.phash), Bit(page.dhash), page.colours, page.thumbnail,
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
    """Mark what the files no longer give as removed; returns how many are neither replaced nor in quarantine."""
    rows = connection.execute(
        "update raw_images set removed_at = now() where collection = %s and file = any(%s) and removed_at is null "
        "and not uri = any(%s) returning uri",
        (job.collection, [look.file.uri for look in looks], list(good)),
    ).fetchall()
    return len({row[0] for row in rows}.difference(bad))


def _save_images(connection: Connection, job: _Ingest, looks: Sequence[_Look]) -> None:
    connection.cursor().executemany(
        """
        insert into raw_images (collection, uri, page, content, size_bytes, modified_ns, fingerprint)
        values (%s, %s, %s, %s, %s, %s, %s)
        on conflict (collection, uri) do update set
            page = excluded.page, content = excluded.content, size_bytes = excluded.size_bytes,
            modified_ns = excluded.modified_ns, fingerprint = excluded.fingerprint, changed_at = now(),
            removed_at = null
        """,
        [
            (
                job.collection, look.uri(page.number), page.number, page.content, look.file.size_bytes,
                look.file.modified_ns, job.fingerprint,
            )
            for look in looks
            for page in look.pages
        ],
    )  # fmt: skip


def _save_quarantine(connection: Connection, job: _Ingest, looks: Sequence[_Look]) -> None:
    """Keep each fault with its attempts; the wait doubles with every one that ends the same way."""
    connection.cursor().executemany(
        """
        insert into quarantine as q
            (collection, uri, page, content, size_bytes, modified_ns, fingerprint, reason, message, next_try)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))
        on conflict (collection, file, uri) do update set
            page = excluded.page, content = excluded.content, size_bytes = excluded.size_bytes,
            modified_ns = excluded.modified_ns, fingerprint = excluded.fingerprint, reason = excluded.reason,
            message = excluded.message, last_seen = now(),
            (attempts, next_try) = (
                select n, now() + (excluded.next_try - now()) * power(2, n - 1)
                from (select case when (q.size_bytes, q.modified_ns, q.fingerprint, q.reason) is not distinct from
                          (excluded.size_bytes, excluded.modified_ns, excluded.fingerprint, excluded.reason)
                      then q.attempts + 1 else 1 end as n) as counted)
        """,
        [
            (
                job.collection, look.uri(fault.number), fault.number, look.content, look.file.size_bytes,
                look.file.modified_ns, job.quarantine_fingerprint, fault.reason, fault.message[:2000],
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


def _remove_vanished(connection: Connection, job: _Ingest) -> int:
    """Mark what the complete listing no longer shows."""
    connection.execute(
        "delete from quarantine q where q.collection = %s and not exists (select from listing l where l.uri = q.file)",
        (job.collection,),
    )
    return connection.execute(
        "update raw_images r set removed_at = now() where r.collection = %s and r.removed_at is null "
        "and not exists (select from listing l where l.uri = r.file)",
        (job.collection,),
    ).rowcount
