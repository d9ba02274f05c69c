"""A source's listing in the database, and what follows from it before a file is opened: what changed, what would go.

The listing is a temporary table of the connection, so that a million names do not sit in memory.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from imagerag_assets.database.connection import Connection, one_row, read_in_memory
from imagerag_assets.errors import SourceError
from imagerag_assets.images.sidecars import ListedImage
from imagerag_assets.images.sources import PASSING, ListedFile
from imagerag_assets.settings import Limits, Retries

FEWEST_REMOVED = 20
"""Below this many removed images nobody is asked, whatever the share."""
TRIED_AGAIN = ("decoder_crashed", "timeout")
"""Reasons that may pass by themselves: these files are tried again, unchanged, up to retries.attempts. What could not
even be read has no version, and is tried again at every run."""
MAX_URI_BYTES = 2000
"""An index entry of Postgres has to stay under a third of a page (2,704 bytes)."""
_SHOWN = 5

_TABLES = """
    create temporary table listing (
        no bigint not null, uri text not null, size_bytes bigint, version text not null, metadata jsonb not null,
        kind text not null, why text not null, reason text not null, message text not null,
        sidecar text, metadata_version text not null default '')
"""


def load(connection: Connection, files: Iterable[ListedFile]) -> None:
    """Write the listing to its table and tell files, sidecars and ignored entries apart."""
    connection.execute(_TABLES)
    with connection.cursor().copy(
        "copy listing (no, uri, size_bytes, version, metadata, kind, why, reason, message) from stdin"
    ) as copy:
        for number, listed in enumerate(files):
            file = _storable(listed)
            metadata = json.dumps(dict(file.metadata)) if file.metadata else "{}"
            kind = "ignored" if file.ignored else "file"
            copy.write_row(
                (number, file.uri, file.size_bytes, file.version, metadata, kind, file.ignored, file.reason,
                 file.message)
            )  # fmt: skip
    connection.execute("create index on listing (uri)")
    connection.execute("analyze listing")
    _pass_over_repeated(connection)
    _pair_sidecars(connection)
    connection.commit()


def drop(connection: Connection) -> None:
    """Forget the listing."""
    connection.execute("drop table if exists listing, todo, pairs, missing")


def require_few_removals(connection: Connection, collection: str, max_share: float) -> None:
    """Raise `SourceError` when the listing lacks more than `max_share` of the known images, and 20 or more.

    A file that is listed under another name with the same size and version was moved, and is not missing.
    """
    known = _live_images(connection, collection)
    enough = max(FEWEST_REMOVED, math.floor(max_share * known) + 1)
    connection.execute(
        """
        create temporary table missing as
        select r.uri, r.size_bytes, r.version from raw_images r
        where r.collection = %(collection)s and r.removed_at is null and not exists (
            select from listing l
            where l.uri = r.file and l.kind = 'file' and (l.reason = '' or l.reason = any(%(passing)s)))
        """,
        {"collection": collection, "passing": list(PASSING)},
    )
    if _missing(connection) < enough:
        return
    connection.execute(
        """
        with arrived as (
            select distinct l.size_bytes, l.version from listing l
            where l.kind = 'file' and l.reason = '' and l.version <> '' and not exists (
                select from raw_images r
                where r.collection = %s and r.file = l.uri and r.removed_at is null))
        delete from missing m using arrived a where a.size_bytes = m.size_bytes and a.version = m.version
        """,
        (collection,),
    )
    removed = _missing(connection)
    if removed < enough:
        return
    examples = connection.execute("select uri from missing order by uri limit %s", (_SHOWN,))
    names = ", ".join(repr(uri) for (uri,) in examples.fetchall())
    raise SourceError(
        f"The collection {collection} would lose {removed:,} of its {known:,} images: they are no longer in its "
        f"source (such as {names}). Nothing was changed. Is the source complete? If they are to go: imagerag "
        f"materialize --allow-removal {collection}, once; or raise collections.{collection}.max_removed_share."
    )


def _missing(connection: Connection) -> int:
    return int(one_row(connection.execute("select count(*) from missing"))[0])


def _live_images(connection: Connection, collection: str) -> int:
    return int(
        one_row(
            connection.execute(
                "select count(*) from raw_images where collection = %s and removed_at is null", (collection,)
            )
        )[0]
    )


# r and q are rows of the listed file l as it is now.
_SAME_FILE = (
    "{0}.collection = %(collection)s and {0}.file = l.uri and {0}.version = l.version and l.version <> '' "
    "and (l.size_bytes is null or {0}.size_bytes is not distinct from l.size_bytes)"
)
_CHANGED = f"""
    create temporary table todo as
    select row_number() over (order by l.uri) as no, l.uri, l.size_bytes, l.version, l.metadata, l.reason, l.message,
           l.sidecar, l.metadata_version
    from listing l
    where l.kind = 'file' and (
        not exists (
            select from raw_images r where {_SAME_FILE.format("r")}
              and r.removed_at is null and r.fingerprint = %(fingerprint)s
              -- An image that could not be read lately is read again, although it is known.
              and not exists (
                select from quarantine q
                where q.collection = r.collection and q.file = r.file and (q.page is null or q.uri = r.uri))
            union all
            select from quarantine q where {_SAME_FILE.format("q")})
        -- Refused by other limits than these, or for what may have passed.
        or exists (
            select from quarantine q where {_SAME_FILE.format("q")}
              and (q.fingerprint <> %(quarantine_fingerprint)s
                   or q.reason = any(%(tried_again)s) and q.attempts < %(attempts)s and q.next_try <= now()))
        -- Taken in under limits that these forbid, or drawn at another resolution.
        or exists (
            select from raw_images r join contents c using (content)
            where r.collection = %(collection)s and r.file = l.uri and r.removed_at is null
              and (r.size_bytes > %(max_bytes)s or c.width::bigint * c.height > %(max_pixels)s
                   or c.frames > %(max_frames)s or r.page > %(max_pages)s
                   or abs(least(%(pdf_dpi)s / c.dpi, sqrt(%(max_pixels)s / (c.width::float8 * c.height))) - 1) > 0.02
                      and c.dpi is not null)))
"""  # noqa: S608


def find_changed(
    connection: Connection,
    collection: str,
    fingerprint: str,
    quarantine_fingerprint: str,
    limits: Limits,
    retries: Retries,
) -> int:
    """Collect the files that have to be read, in the order of their names; returns how many."""
    read_in_memory(connection)
    connection.execute(
        _CHANGED.encode(),
        {
            **limits.model_dump(),
            "collection": collection,
            "fingerprint": fingerprint,
            "quarantine_fingerprint": quarantine_fingerprint,
            "tried_again": list(TRIED_AGAIN),
            "attempts": retries.attempts,
        },
    )
    connection.execute("alter table todo add primary key (no)")
    connection.execute("analyze todo")
    count = int(one_row(connection.execute("select count(*) from todo"))[0])
    connection.commit()
    return count


def changed_batches(connection: Connection, size: int) -> Iterator[list[ListedImage]]:
    """The files of `find_changed` in batches. A batch is read when the one before was dealt with."""
    last = 0
    while rows := connection.execute(
        "select no, uri, size_bytes, version, metadata, reason, message, sidecar, metadata_version from todo "
        "where no > %s order by no limit %s",
        (last, size),
    ).fetchall():
        connection.commit()
        last = rows[-1][0]
        yield [
            ListedImage(
                ListedFile(uri, size_bytes, version, metadata, reason=reason, message=message), sidecar, described
            )
            for _, uri, size_bytes, version, metadata, reason, message, sidecar, described in rows
        ]
    connection.commit()


def redescribed_batch(connection: Connection, collection: str, after: str, size: int) -> list[ListedImage]:
    """The next files, by name, of which nothing changed but what is said of them."""
    rows = connection.execute(
        """
        select l.uri, l.size_bytes, l.version, l.metadata, l.sidecar, l.metadata_version
        from listing l
        where l.kind = 'file' and l.uri > %(after)s
          and exists (
            select from raw_images r
            where r.collection = %(collection)s and r.file = l.uri and r.removed_at is null
              and r.metadata_version <> l.metadata_version)
          and not exists (select from todo t where t.uri = l.uri)
        order by l.uri limit %(size)s
        """,
        {"collection": collection, "after": after, "size": size},
    ).fetchall()
    connection.commit()
    return [ListedImage(ListedFile(*row[:4]), *row[4:]) for row in rows]


def count_files(connection: Connection) -> int:
    """How many entries of the listing are to be images."""
    return int(one_row(connection.execute("select count(*) from listing where kind = 'file'"))[0])


def remove_vanished(connection: Connection, collection: str) -> int:
    """Mark what the complete listing no longer shows; returns how many images that were."""
    connection.execute(
        "delete from quarantine q where q.collection = %s and not exists ("
        "select from listing l where l.uri = q.file and l.kind <> 'ignored')",
        (collection,),
    )
    return connection.execute(
        "update raw_images r set removed_at = now() where r.collection = %s and r.removed_at is null "
        "and not exists (select from listing l where l.uri = r.file and l.kind = 'file')",
        (collection,),
    ).rowcount


def record_scan(connection: Connection, collection: str, started: datetime, unchanged: int, removed: int) -> None:
    """Keep the run's counts. What is listed is counted in the listing, what became of it in the tables."""
    images, quarantined = _count(connection, collection)
    connection.execute(
        """
        insert into scans (collection, started_at, listed, images, unchanged, quarantined, ignored, sidecars, removed,
                           ignored_why)
        select %(collection)s, %(started)s, (select count(*) from listing), %(images)s, %(unchanged)s, %(quarantined)s,
               (select count(*) from listing l where l.kind = 'ignored'),
               (select count(*) from listing l where l.kind = 'sidecar' and not exists (
                    select from quarantine q where q.collection = %(collection)s and q.file = l.uri)),
               %(removed)s,
               (select coalesce(jsonb_object_agg(w.why, w.count), '{}')
                from (select why, count(*) from listing where kind = 'ignored' group by why) w)
        """,
        {
            "collection": collection,
            "started": started,
            "images": images,
            "unchanged": unchanged,
            "quarantined": quarantined,
            "removed": removed,
        },
    )


def _count(connection: Connection, collection: str) -> tuple[int, int]:
    """(files that give images now, files that are wholly in quarantine).

    A file of several pages may have some in either table, and one that cannot be reached now is in both.
    """
    row = one_row(
        connection.execute(
            """
            select (select count(distinct r.file) from raw_images r
                    where r.collection = %(collection)s and r.removed_at is null),
                   (select count(distinct q.file) from quarantine q
                    where q.collection = %(collection)s and not exists (
                        select from raw_images r
                        where r.collection = q.collection and r.file = q.file and r.removed_at is null))
            """,
            {"collection": collection},
        )
    )
    return int(row[0]), int(row[1])


@dataclass(frozen=True)
class Balance:
    """What a collection's last scan listed, and where it is now."""

    collection: str
    listed: int
    images: int
    quarantined: int
    ignored: int
    sidecars: int

    @property
    def lost(self) -> int:
        """Entries of the listing that are nowhere; below 0, rows that no listing showed."""
        return self.listed - self.images - self.quarantined - self.ignored - self.sidecars


def balances(connection: Connection, collections: Sequence[str]) -> list[Balance]:
    """Every collection that was ever scanned, with its rows counted now."""
    found = []
    for collection in collections:
        scan = connection.execute(
            "select listed, ignored, sidecars from scans where collection = %s order by scan desc limit 1",
            (collection,),
        ).fetchone()
        if scan is not None:
            found.append(Balance(collection, scan[0], *_count(connection, collection), *scan[1:]))
    return found


def _storable(file: ListedFile) -> ListedFile:
    """A name that Postgres can hold: otherwise with its bytes spelled out, and for the quarantine."""
    try:
        raw = file.uri.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half a surrogate pair that stands for no byte: JSON can name it.
        raw = file.uri.encode("utf-8", "backslashreplace")
    uri, fault = raw.decode("utf-8", "backslashreplace").replace("\x00", "\\x00"), ""
    if uri != file.uri:
        fault = "The name is not UTF-8: rename the file."
    if len(uri.encode()) > MAX_URI_BYTES:
        fault = f"The name has more than {MAX_URI_BYTES:,} bytes."
        uri = f"{uri[:200]}…{hashlib.sha256(raw).hexdigest()[:16]}"
    if not fault:
        return file
    reason, message = ("", "") if file.ignored else ("unreadable", fault)
    return ListedFile(uri, file.size_bytes, file.version, {}, file.ignored, reason, message)


def _pass_over_repeated(connection: Connection) -> None:
    """Of lines that name the same file the first counts."""
    connection.execute(
        "update listing l set kind = 'ignored', why = 'listed_twice' from ("
        "select uri, min(no) as first from listing group by uri having count(*) > 1) t "
        "where l.uri = t.uri and l.no > t.first"
    )


def _pair_sidecars(connection: Connection) -> None:
    """Tell which .json files speak of another file: picture.jpg.json (which wins) and picture.json of picture.jpg."""
    connection.execute(
        r"""
        create temporary table pairs as
        with sidecars as (
            select no, left(uri, -5) as subject from listing
            where lower(right(uri, 5)) = '.json' and reason = ''
              and (kind = 'file' or (kind = 'ignored' and why = 'not_included'))),
        images as (
            select no, uri from listing
            where kind = 'file' and lower(right(uri, 5)) <> '.json' and exists (select from sidecars))
        select i.no as image, s.no as sidecar, 0 as rank from images i join sidecars s on s.subject = i.uri
        union all
        select i.no, s.no, 1 from images i join sidecars s on s.subject = regexp_replace(i.uri, '\.[^./]*$', '')
        """
    )
    connection.execute("update listing set kind = 'sidecar' where no in (select sidecar from pairs)")
    connection.execute(
        """
        update listing l set sidecar = s.uri, metadata_version = concat_ws('|', s.uri, s.size_bytes, s.version)
        from (select distinct on (image) image, sidecar from pairs order by image, rank, sidecar) p
        join listing s on s.no = p.sidecar
        where l.no = p.image
        """
    )
    connection.execute(
        "update listing set metadata_version = md5(metadata::text || metadata_version) "
        "where kind = 'file' and (sidecar is not null or metadata <> '{}')"
    )
