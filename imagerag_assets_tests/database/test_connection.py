"""The database: shared by processes, clear when it is refused, migrated once, written in bulk."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psycopg
import pytest
from pgvector import Bit
from psycopg import sql
from psycopg.types.json import Jsonb

from imagerag_assets.database import migrate as migrations
from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Database, dbt_environment, start_embedded, stop_embedded
from imagerag_assets.errors import DatabaseError
from imagerag_assets.settings import Settings


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Where an embedded server of this test's own may live: its system user cannot enter pytest's folder."""
    parent = Path(tempfile.mkdtemp(prefix="imagerag-shared-"))
    parent.chmod(0o755)
    yield parent / "data" / "postgres"
    stop_embedded(parent / "data" / "postgres")
    shutil.rmtree(parent, ignore_errors=True)


def refused(url: str) -> str:
    """The one message about a URL that does not work."""
    database = Database(url)
    with pytest.raises(DatabaseError) as caught, database.connect():
        pass
    assert caught.value.__cause__ is None
    assert str(caught.value).startswith("database.url")
    return str(caught.value)


def test_processes_share_one_embedded_server_that_outlives_a_killed_one(server_folder: Path) -> None:
    module = "imagerag_assets_tests.database.embedded_child"
    children = [
        subprocess.Popen(
            [sys.executable, "-m", module, str(server_folder), str(number), "hold" if number == 0 else "go"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(4)
    ]  # fmt: skip
    try:
        for number, child in enumerate(children):
            assert child.stdout is not None
            assert child.stdout.readline() == ("holding\n" if number == 0 else "ready\n"), child.communicate()[1]
        server = (server_folder / "postmaster.pid").read_text().split()[0]
        children[0].kill()
        assert children[0].wait() == -9
        for child in children[1:]:
            printed, complaint = child.communicate("go on\n")
            assert (printed, child.returncode) == ("done\n", 0), complaint
    finally:
        for child in children:
            child.kill()
            child.communicate()

    assert (server_folder / "postmaster.pid").read_text().split()[0] == server
    database = Database(start_embedded(server_folder))
    with database.connect() as connection:
        rows = connection.execute("select benchmark from benchmarks order by 1").fetchall()
        applied = connection.execute("select count(*), count(distinct number) from schema_migrations").fetchone()
    database.close()
    assert [row[0] for row in rows] == [f"go-{n}-{turn}" for n in (1, 2, 3) for turn in ("first", "second")]
    assert applied == (len(migrations.available()),) * 2


def test_a_closed_port_and_a_database_that_is_not_there_are_told_without_the_password(server_url: str) -> None:
    message = refused("postgresql://somebody:hunter2@127.0.0.1:1/images")
    assert "host=127.0.0.1 port=1 user=somebody dbname=images" in message
    assert "Check that the server runs" in message
    assert "hunter2" not in message

    message = refused(server_url.replace("/postgres?", "/absent?").replace("postgres:@", "postgres:hunter2@"))
    assert '"absent" does not exist' in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2%zz@localhost/images",
        "postgresql://me:hunter2 x@localhost/images",
        "postgresql://me:hunter2@[::1/images",
        "postgresql://me:hunter2@localhost/images?colour=red",
        "postgresql://me:ab@hunter2@localhost/images",
        "postgresql://me:hunter2@localhost:many/images",
        "postgresql://me:hun/ter2@localhost/images",
        "postgresql://me:123/hunter2@localhost/images",
        "postgresql://me/he:hunter2@localhost/images",
        "postgresql://me:1@23/hunter2@localhost/images",
        "postgresql://me:1?/hunter2@localhost/images",
        "postgresql://me:1?user=/hunter2@localhost/images",
        "postgresql://me:1#/hunter2@localhost/images",
    ],
)
def test_a_malformed_url_is_told_without_the_password(url: str) -> None:
    message = refused(url)
    assert not re.search("hun|ter2|123", message)
    assert "cannot be read. Write postgresql://user:password@host" in message


@pytest.mark.parametrize("password", ["hun?ter2", "hun#ter2", "hunter2?x=y", "hunter2:1"])
def test_a_password_that_the_driver_reads_right_is_not_refused_and_not_shown(password: str) -> None:
    message = refused(f"postgresql://me:{password}@127.0.0.1:1/images")
    assert "connection to host=127.0.0.1 port=1 user=me dbname=images failed" in message
    assert not re.search("hun|ter2", message)


def test_a_server_without_pgvector_is_told(new_database_url: Callable[[], str]) -> None:
    url = new_database_url()
    with psycopg.connect(url, autocommit=True) as connection:
        # The way that PostgreSQL 18 has to look for extensions elsewhere.
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} set extension_control_path = '/nonexistent'").format(name))
    message = refused(url)
    assert "no usable pgvector" in message
    assert "pgvector 0.8" in message
    assert "CREATE EXTENSION vector" in message


def test_a_user_who_may_not_create_tables_is_told(new_database_url: Callable[[], str], server_url: str) -> None:
    url = new_database_url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create extension vector")
        connection.execute("drop role if exists visitor")
        connection.execute("create role visitor login")
    try:
        message = refused(url.replace("postgres:@", "visitor:@"))
        assert "permission denied" in message
        assert "Grant it CREATE" in message
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute("drop role visitor")


@pytest.fixture
def vector_elsewhere(new_database_url: Callable[[], str]) -> str:
    """The URL of a database that has pgvector in a schema of its own."""
    url = new_database_url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('create schema "Its own"')
        connection.execute('create extension vector schema "Its own"')
    return url


def test_pgvector_may_be_in_another_schema(vector_elsewhere: str) -> None:
    database = Database(vector_elsewhere)
    with database.connect() as connection:
        connection.execute("create table points (v vector(2))")
        connection.execute("create index on points using hnsw (v vector_cosine_ops)")
        connection.execute("insert into points values (%s)", (np.array([3, 4], dtype=np.float32),))
        (found,) = connection.execute("select v <=> '[4, -3]', v from points").fetchall()
    database.close()
    assert found[0] == pytest.approx(1)
    np.testing.assert_array_equal(found[1].to_numpy(), [3, 4])


def test_pgvector_in_a_schema_that_the_user_may_not_use_is_told(vector_elsewhere: str, server_url: str) -> None:
    with psycopg.connect(vector_elsewhere, autocommit=True) as connection:
        connection.execute("drop role if exists outsider")
        connection.execute("create role outsider login")
    try:
        message = refused(vector_elsewhere.replace("postgres:@", "outsider:@"))
        assert 'GRANT USAGE ON SCHEMA "Its own"' in message
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute("drop role outsider")


def test_an_extension_that_another_process_is_creating_is_waited_for(new_database_url: Callable[[], str]) -> None:
    url = new_database_url()
    database = Database(url)
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as thread:
        other.execute("create extension vector")
        found = thread.submit(lambda: database.connect().__enter__().execute("select count(*) from tiles").fetchone())
        with psycopg.connect(url, autocommit=True) as watcher:
            for _ in range(200):
                row = watcher.execute("select count(*) from pg_stat_activity where wait_event_type = 'Lock'").fetchone()
                if row and row[0]:
                    break
                threading.Event().wait(0.05)
        other.commit()
        assert found.result() == (0,)
    database.close()


def test_an_embedded_server_that_cannot_start_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "postgres"
    folder.parent.mkdir()
    folder.write_text("a file where the folder should be")
    with pytest.raises(DatabaseError, match=r"embedded Postgres in .* did not start.*database\.url"):
        Database.from_settings(Settings(root=tmp_path, data_dir=tmp_path / "data"))


@pytest.mark.parametrize("name", ["with a space", "it's 100%; a,b@c#d"])
def test_an_embedded_server_works_whatever_its_path_is_called(
    server_folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = server_folder.parent / name / "postgres"
    monkeypatch.setattr(tempfile, "tempdir", str(server_folder.parents[1]))
    database = Database(start_embedded(folder))
    try:
        with database.connect() as connection:
            assert connection.execute("select count(*) from tiles").fetchone() == (0,)
        assert start_embedded(folder) == database.url
        assert dbt_environment(database.url)["IMAGERAG_DBT_DBNAME"] == "postgres"
    finally:
        database.close()
        stop_embedded(folder)
    assert not (folder / "postmaster.pid").exists()


def test_a_path_that_nothing_helps_is_refused_with_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary files"))
    with pytest.raises(DatabaseError, match=r"special character.* Set data_dir or IMAGERAG_DATA_DIR"):
        start_embedded(tmp_path / "my images" / "postgres")


def test_an_embedded_server_that_cannot_be_stopped_is_told(server_folder: Path) -> None:
    server_folder.mkdir(parents=True)
    (server_folder / "PG_VERSION").write_text("9\n")
    (server_folder / "postmaster.pid").write_text("1\n")
    with pytest.raises(DatabaseError, match=r"embedded Postgres in .* did not stop: "):
        stop_embedded(server_folder)
    (server_folder / "postmaster.pid").unlink()


def test_stopping_a_server_that_does_not_run_starts_none(server_folder: Path) -> None:
    start_embedded(server_folder)
    stop_embedded(server_folder)
    log = (server_folder / "log").read_bytes()
    stop_embedded(server_folder)
    assert (server_folder / "log").read_bytes() == log


def test_migrations_apply_once_however_many_start_together(new_database_url: Callable[[], str]) -> None:
    url = new_database_url()
    together = threading.Barrier(4)

    def apply(_number: int) -> list[str]:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("select 1")
            together.wait()
            return migrations.migrate(connection, "imagerag")

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create extension vector")
    with ThreadPoolExecutor(4) as threads:
        applied = sorted(threads.map(apply, range(4)))
    assert applied == [[], [], [], [name for _, name, _ in migrations.available()]]


def test_a_migration_that_was_changed_afterwards_is_refused(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("update schema_migrations set checksum = 'other' where number = 1")
    name = migrations.available()[0][1]
    with (
        psycopg.connect(database.url, autocommit=True) as connection,
        pytest.raises(DatabaseError, match=f"{name} was changed after it was applied"),
    ):
        migrations.migrate(connection, "imagerag")


def test_a_schema_of_a_newer_version_is_refused_and_left_alone(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("insert into schema_migrations (number, name, checksum) values (9999, 'later.sql', 'x')")
    with (
        psycopg.connect(database.url, autocommit=True) as connection,
        pytest.raises(DatabaseError, match=r"migrated to 9999 by a newer Imagerag.*Update this one"),
    ):
        migrations.migrate(connection, "imagerag")


def test_a_connection_commits_at_the_end_and_rolls_back_on_an_error(database: Database) -> None:
    insert = "insert into benchmarks (benchmark, digest) values (%s, 'x')"
    with database.connect() as connection:
        connection.execute(insert, ("kept",))
    with pytest.raises(psycopg.errors.UniqueViolation), database.connect() as connection:
        connection.cursor().executemany(insert, [("lost",), ("kept",)])
    with database.connect() as connection:
        assert connection.execute("select benchmark from benchmarks").fetchall() == [("kept",)]


_COLUMNS = ("key", "raw", "many", "bits", "facts", "words", "maybe", "vec")


def test_a_restart_of_the_server_with_eight_connections_idle_keeps_nobody_waiting(database: Database) -> None:
    together = threading.Barrier(8)

    def use(_number: int) -> None:
        with database.connect():
            together.wait(20)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(8)))
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    started = time.monotonic()
    with database.connect() as connection:
        assert connection.execute("select 1").fetchall() == [(1,)]
    assert time.monotonic() - started < 5


def test_a_long_outage_is_over_when_it_is_over(database: Database, server_url: str) -> None:
    hasty = Database(database.url, wait_seconds=0.5)
    with hasty.connect() as connection:
        name = connection.info.dbname
    allow = sql.SQL("alter database {} allow_connections {}")
    with psycopg.connect(server_url, autocommit=True) as outside:
        outside.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        outside.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        # A pool that doubles its waits tries after 7 s and then after 15 s.
        ends = time.monotonic() + 9
        while time.monotonic() < ends:
            with pytest.raises((DatabaseError, psycopg.OperationalError)), hasty.connect():
                pass
        outside.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
    back = time.monotonic()
    while time.monotonic() - back < 10:
        with suppress(DatabaseError), hasty.connect():
            break
    hasty.close()
    assert time.monotonic() - back < 2


def test_upsert_inserts_and_replaces_values_of_every_type(database: Database) -> None:
    bits = np.random.default_rng(0).integers(0, 2, 64).astype(bool)
    vector = np.random.default_rng(1).normal(size=5).astype(np.float32)
    first = ("a", b"\x00\xff\n\t\\", 2**40, Bit(bits), Jsonb({"é": [1, None]}), ["x", "é\n\t"], None, vector)
    with database.connect() as connection:
        connection.execute(
            "create table everything (key text primary key, raw bytea, many bigint, bits bit(64), facts jsonb, "
            "words text[], maybe real, vec vector, untouched text default 'default')"
        )
        assert upsert(connection, "everything", _COLUMNS, ("key",), [first]) == 1
        ((*plain, found),) = connection.execute(
            "select key, raw, many, facts, words, maybe, bits::text, vec from everything"
        ).fetchall()
        assert plain == [*first[:3], {"é": [1, None]}, first[5], None, "".join("01"[int(bit)] for bit in bits)]
        np.testing.assert_array_equal(found.to_numpy(), vector)

        connection.execute("update everything set untouched = 'mine'")
        second: tuple[object, ...] = ("a", None, 1, None, Jsonb([]), [], 0.5, vector * 2)
        third = ("b", b"", 0, Bit(bits), Jsonb(None), ["y"], 1.5, vector[:2])
        assert upsert(connection, "everything", _COLUMNS, ("key",), iter([second, third])) == 2
        rows = connection.execute("select key, raw, maybe, untouched from everything order by key").fetchall()
        assert rows == [("a", None, 0.5, "mine"), ("b", b"", 1.5, "default")]
        assert upsert(connection, "everything", _COLUMNS, ("key",), []) == 0


def test_upsert_of_keys_alone_leaves_known_rows(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("create table pairs (a text, b integer, primary key (a, b))")
        assert upsert(connection, "pairs", ("a", "b"), ("a", "b"), [("x", 1)]) == 1
        assert upsert(connection, "pairs", ("a", "b"), ("a", "b"), [("x", 1), ("x", 2)]) == 1


def test_upsert_leaves_the_commit_to_its_caller(database: Database) -> None:
    with database.connect() as connection:
        upsert(connection, "benchmarks", ("benchmark", "digest"), ("benchmark",), [("a", "x")])
        connection.rollback()
    with database.connect() as connection:
        assert connection.execute("select count(*) from benchmarks").fetchone() == (0,)


@pytest.fixture
def dbt_variables(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, str]]:
    """dbt's variables for a URL, without their common prefix, when nothing but the URL says where to go."""
    for variable in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "PGSERVICE", "PGPASSFILE"):
        monkeypatch.delenv(variable, raising=False)
    return lambda url: {key.removeprefix("IMAGERAG_DBT_"): value for key, value in dbt_environment(url).items()}


DbtVariables = Callable[[str], dict[str, str]]


def socket_folder(url: str) -> str:
    return url.partition("?host=")[2]


def test_dbt_gets_the_same_place_as_the_driver(server_url: str, dbt_variables: DbtVariables) -> None:
    url = server_url.replace("postgres:@", "postgres:p%40ss@") + "&sslmode=allow&sslrootcert=/ca.pem&connect_timeout=3"
    assert dbt_variables(url) == {
        "HOST": socket_folder(server_url),
        "PORT": "5432",
        "USER": "postgres",
        "PASSWORD": "p@ss",
        "DBNAME": "postgres",
        "SSLMODE": "allow",
        "SSLROOTCERT": "/ca.pem",
        "SSLCERT": "",
        "SSLKEY": "",
    }


def test_dbt_gets_the_drivers_own_defaults(
    server_url: str, dbt_variables: DbtVariables, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    passwords, services = tmp_path / "pgpass", tmp_path / "services"
    passwords.write_text("*:*:template1:postgres:of-the-file\n")
    passwords.chmod(0o600)
    services.write_text(f"[images]\nhost={socket_folder(server_url)}\ndbname=template1\n")
    for name, value in {"PGUSER": "postgres", "PGSSLMODE": "disable"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    found = dbt_variables("postgresql://?service=images")
    assert found["HOST"] == socket_folder(server_url)
    assert (found["USER"], found["PASSWORD"], found["DBNAME"]) == ("postgres", "of-the-file", "template1")
    assert found["SSLMODE"] == "disable"


def test_dbt_gets_the_one_host_that_answered(server_url: str, dbt_variables: DbtVariables) -> None:
    folder = socket_folder(server_url)
    found = dbt_variables(f"postgresql:///postgres?user=postgres&host=/nowhere,{folder}&port=1,5432")
    assert (found["HOST"], found["PORT"]) == (folder, "5432")


def test_what_dbt_cannot_be_given_is_refused_unless_the_environment_gives_it(
    server_url: str, dbt_variables: DbtVariables, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server_url + "&options=-c%20geqo%3Doff"
    with pytest.raises(DatabaseError, match=r"database\.url: dbt.* cannot be given options.*variable PGOPTIONS"):
        dbt_variables(url)
    monkeypatch.setenv("PGOPTIONS", "-c geqo=off")
    assert dbt_variables(server_url)["DBNAME"] == "postgres"


def test_dbt_for_a_server_that_is_not_there_is_told(dbt_variables: DbtVariables) -> None:
    with pytest.raises(DatabaseError, match=r"the connection to host=127\.0\.0\.1 port=1 .* failed"):
        dbt_variables("postgresql://me:hunter2@127.0.0.1:1/images")
