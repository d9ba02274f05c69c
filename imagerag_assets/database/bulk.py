"""The one way to write many rows: binary COPY into a staging table, then one INSERT … ON CONFLICT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import sql

from imagerag_assets.database.connection import Connection


def upsert(
    connection: Connection,
    table: str | sql.Identifier,
    columns: Sequence[str],
    keys: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> int:
    """Insert `rows` into `table`, replacing those with equal `keys`; returns how many were written.

    The rows' values are in the order of `columns`. Nothing is committed here: the caller's transaction decides.
    """
    target = sql.Identifier(table) if isinstance(table, str) else table
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    connection.execute(
        sql.SQL("create temporary table staging on commit drop as select {} from {} with no data").format(names, target)
    )
    types = _column_types(connection)
    with connection.cursor().copy(sql.SQL("copy staging ({}) from stdin (format binary)").format(names)) as copy:
        copy.set_types([types[column] for column in columns])
        for row in rows:
            copy.write_row(row)
    others = [column for column in columns if column not in keys]
    action: sql.Composable = sql.SQL("do nothing")
    if others:
        changes = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others)
        action = sql.SQL("do update set {}").format(changes)
    written = connection.execute(
        sql.SQL("insert into {} ({}) select {} from staging on conflict ({}) {}").format(
            target, names, names, sql.SQL(", ").join(map(sql.Identifier, keys)), action
        )
    ).rowcount
    connection.execute("drop table staging")
    return written


def _column_types(connection: Connection) -> dict[str, int]:
    """Type OIDs of the staging table: binary COPY does not convert, so every value is dumped as its column's type."""
    rows = connection.execute(
        "select attname, atttypid from pg_attribute where attrelid = 'staging'::regclass and attnum > 0"
    ).fetchall()
    return {str(name): int(oid) for name, oid in rows}
