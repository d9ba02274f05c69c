"""What generations of the index there are, and how large each is. Which of them is live, `generations` decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.retrieval.generations import Generation

_TABLES = ("images", "tiles")


@dataclass(frozen=True)
class GenerationSize:
    """One generation: how many images and tiles it holds, and its bytes on disk with all its indexes."""

    number: int
    status: str
    image_model: str
    text_model: str
    images: int
    tiles: int
    size_bytes: int
    created_at: datetime
    live_at: datetime | None


def generation_sizes(connection: Connection) -> list[GenerationSize]:
    """Every generation whose tables are there, the live one first, then the newest."""
    rows = connection.execute(
        "select generation, fingerprint, status, parameters, created_at, live_at from generations "
        "where to_regclass(format('imagerag_generation_%s.images', generation)) is not null "
        "order by status <> 'live', generation desc"
    ).fetchall()
    return [_sized(connection, Generation(*row[:4]), *row[4:]) for row in rows]


def _sized(connection: Connection, one: Generation, created_at: datetime, live_at: datetime | None) -> GenerationSize:
    names = {name: one.table(name) for name in _TABLES}
    images, tiles = one_row(
        connection.execute(
            sql.SQL("select (select count(*) from {images}), (select count(*) from {tiles})").format(**names)
        )
    )
    size = one_row(
        connection.execute(
            "select coalesce(sum(pg_total_relation_size(c.oid)), 0) from pg_class c "
            "where c.relnamespace = to_regnamespace(%s) and c.relkind = 'r'",
            (f"imagerag_generation_{one.number}",),
        )
    )[0]
    models = one.parameters
    return GenerationSize(
        one.number, one.status, models.get("image_model", ""), models.get("text_model", ""), images, tiles, int(size),
        created_at, live_at,
    )  # fmt: skip
