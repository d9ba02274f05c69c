"""Numbered SQL migrations, each applied once, in order, under a lock."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

from imagerag_assets.errors import DatabaseError

# Any constant does; it only has to be the same in every process.
_LOCK = 0x1111A6E


def available() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of every migration in the package, in order."""
    folder = resources.files("imagerag_assets.database") / "migrations"
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), name, (folder / name).read_text(encoding="utf-8")) for name in files]


def search_path(connection: psycopg.Connection[tuple[Any, ...]], schema: str) -> sql.Composed:
    """`schema`, public, and wherever pgvector was created: its types and operators are found by their names."""
    found = connection.execute(
        "select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'"
    ).fetchone()
    names = dict.fromkeys([schema, "public", *(found or ())])
    return sql.SQL(", ").join(map(sql.Identifier, names))


def migrate(connection: psycopg.Connection[tuple[Any, ...]], schema: str) -> list[str]:
    """Bring `schema` up to date and return the names of what was applied. Safe to call from many processes at once."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("set local search_path to {}").format(search_path(connection, schema)))
        connection.execute(
            "create table if not exists schema_migrations (number integer primary key, name text not null, "
            "checksum text not null, applied_at timestamptz not null default now())"
        )
        done = dict(connection.execute("select number, checksum from schema_migrations").fetchall())
        migrations = available()
        if newer := set(done) - {number for number, _, _ in migrations}:
            raise DatabaseError(
                f"The database was migrated to {max(newer)} by a newer Imagerag than this one. Update this one."
            )
        return [name for number, name, text in migrations if _apply(connection, number, name, text, done.get(number))]


def _apply(
    connection: psycopg.Connection[tuple[Any, ...]], number: int, name: str, text: str, known: str | None
) -> bool:
    checksum = hashlib.sha256(text.encode()).hexdigest()
    if known == checksum:
        return False
    if known is not None:
        raise DatabaseError(f"Migration {name} was changed after it was applied. Add a new migration instead.")
    connection.execute(text.encode())
    connection.execute(
        "insert into schema_migrations (number, name, checksum) values (%s, %s, %s)", (number, name, checksum)
    )
    return True
