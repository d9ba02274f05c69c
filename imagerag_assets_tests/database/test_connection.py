"""The database: shared by processes, clear when it is refused, migrated once, written in bulk."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
    ],
)
def test_a_malformed_url_is_told_without_the_password(url: str) -> None:
    message = refused(url)
    assert "hunter2" not in message
    assert "postgresql://user:password@host" in message or "port" in message


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


def test_dbt_gets_the_same_place_as_the_driver() -> None:
    found = dbt_environment("postgresql://me:p%40ss@db.example:5433/images?sslmode=require")
    assert found == {
        "IMAGERAG_DBT_HOST": "db.example",
        "IMAGERAG_DBT_PORT": "5433",
        "IMAGERAG_DBT_USER": "me",
        "IMAGERAG_DBT_PASSWORD": "p@ss",
        "IMAGERAG_DBT_DBNAME": "images",
        "IMAGERAG_DBT_SSLMODE": "require",
    }
