"""Advisory locks by name: one process at a time, without a table. They vanish with the process that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imagerag_assets.database.connection import Connection


@contextmanager
def alone(connection: Connection, name: str) -> Iterator[None]:
    """Wait until nobody else does what goes by that name. The lock is the session's: it needs no open transaction.

    What is not committed at the end is rolled back.
    """
    connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
        connection.commit()


def lock_until_commit(connection: Connection, name: str) -> None:
    """Wait until nobody else does what goes by that name; the caller's transaction keeps the others out."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
