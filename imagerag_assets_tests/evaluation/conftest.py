"""A database that a whole module shares: one run of dbt takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from imagerag_assets.database.connection import Database


@pytest.fixture(scope="module")
def module_database(server_url: str, migrated: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated database for this module alone."""
    name = str(request.node.name).rpartition("/")[2].removesuffix(".py")
    with psycopg.connect(server_url, autocommit=True) as connection:
        statement = sql.SQL("create database {} template {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(migrated)))
    opened = Database(server_url.replace("/postgres?", f"/{name}?"))
    yield opened
    opened.close()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
