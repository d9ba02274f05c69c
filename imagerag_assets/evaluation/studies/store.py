"""Where studies are kept: one result each, with the fingerprint of what it depends on."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from imagerag_assets.database.connection import Connection

Result = dict[str, Any]


class Study(NamedTuple):
    """A result as it is kept. `made` says that it is of this run and not of an earlier one."""

    fingerprint: str
    result: Result
    made: bool = False


def newest(connection: Connection, study: str) -> Study | None:
    """What is kept of that study, None before the first."""
    row = connection.execute("select fingerprint, result from studies where study = %s", (study,)).fetchone()
    return Study(*row) if row else None


def kept(connection: Connection, study: str, state: str) -> Study | None:
    """What is kept of it, if it was made of this state of things."""
    found = newest(connection, study)
    return found if found is not None and found.fingerprint == state else None


def keep(connection: Connection, study: str, state: str, result: Result) -> Study:
    """Put the result in the place of the last one, in the caller's transaction."""
    connection.execute(
        "insert into studies (study, fingerprint, result) values (%s, %s, %s) on conflict (study) do update set "
        "fingerprint = excluded.fingerprint, result = excluded.result, made_at = now()",
        (study, state, Jsonb(result)),
    )
    return Study(state, result, made=True)
