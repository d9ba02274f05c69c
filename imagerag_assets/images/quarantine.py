"""What could not be used, for people to look at. `ingest` puts it there; docs/quarantine.md has the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from imagerag_assets.database.connection import Connection


@dataclass(frozen=True)
class Quarantined:
    """A file, or one page of it. `content` is the sha256 of the file's bytes, None when they could not be read."""

    collection: str
    uri: str
    file: str
    page: int | None
    content: str | None
    reason: str
    message: str
    attempts: int
    first_seen: datetime
    last_seen: datetime


def quarantined(
    connection: Connection, collections: Sequence[str] = (), reasons: Sequence[str] = ()
) -> list[Quarantined]:
    """Everything in quarantine, or what is of those collections and for those reasons; by collection and name."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(
            """
            select collection, uri, file, page, content, reason, message, attempts, first_seen, last_seen
            from quarantine
            where (cardinality(%(collections)s::text[]) = 0 or collection = any(%(collections)s))
              and (cardinality(%(reasons)s::text[]) = 0 or reason = any(%(reasons)s))
            order by collection, file, page nulls first
            """,
            {"collections": list(collections), "reasons": list(reasons)},
        ).fetchall()
