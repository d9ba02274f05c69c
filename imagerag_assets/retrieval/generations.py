"""Generations of the index: one per fingerprint of embedders and parameters, each with tables of its own.

The live one is what search reads. How its rows are kept current is `index`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.stages import fingerprint
from imagerag_assets.errors import NoLiveIndexError
from imagerag_assets.retrieval.tokens import TOKENS_VERSION

LAYOUT_VERSION = 3
"""Of the tables in generation.sql: raise it when they change, and a new generation is built."""


@dataclass(frozen=True)
class Generation:
    """One row of `generations`. `parameters` holds dimensions, model identities and HNSW parameters."""

    number: int
    fingerprint: str
    status: str
    parameters: dict[str, Any]

    @property
    def schema(self) -> sql.Identifier:
        return sql.Identifier(f"imagerag_generation_{self.number}")

    def table(self, name: str) -> sql.Identifier:
        return sql.Identifier(f"imagerag_generation_{self.number}", name)


def generation_fingerprint(parameters: dict[str, Any]) -> str:
    return fingerprint(layout=LAYOUT_VERSION, tokens=TOKENS_VERSION, **parameters)


def find(connection: Connection, current: str) -> Generation | None:
    """The generation of that fingerprint, if it was ever begun."""
    return _one(connection, "fingerprint = %s", current)


def live(connection: Connection) -> Generation:
    """The generation that search reads. Raises `NoLiveIndexError` before the first."""
    found = find_live(connection)
    if found is None:
        raise NoLiveIndexError(
            "There is no live index yet. Materialize the assets first: make demo, or imagerag materialize."
        )
    return found


def find_live(connection: Connection) -> Generation | None:
    """The generation that search reads, None before the first."""
    return _one(connection, "status = %s", "live")


def create(connection: Connection, parameters: dict[str, Any]) -> Generation:
    """Begin a generation: its row, and its empty tables."""
    row = one_row(
        connection.execute(
            "insert into generations (fingerprint, status, parameters) values (%s, 'building', %s) "
            "returning generation",
            (generation_fingerprint(parameters), Jsonb(parameters)),
        )
    )
    made = Generation(int(row[0]), generation_fingerprint(parameters), "building", parameters)
    text = (resources.files("imagerag_assets.retrieval") / "generation.sql").read_text(encoding="utf-8")
    connection.execute(
        sql.SQL(text).format(
            schema=made.schema,
            text_dimension=sql.Literal(int(parameters["text_dimension"])),
            image_dimension=sql.Literal(int(parameters["image_dimension"])),
        )
    )
    return made


def build_vector_indexes(connection: Connection, generation: Generation) -> None:
    """HNSW over both vector columns, after the first load: building over rows is far faster than inserting."""
    # 64 MB, the embedded server's default, makes a build of 100,000 rows three times slower.
    connection.execute("set local maintenance_work_mem = '512MB'")
    options = sql.SQL("with (m = {}, ef_construction = {})").format(
        sql.Literal(int(generation.parameters["m"])),
        sql.Literal(int(generation.parameters["ef_construction"])),
    )
    for table in ("tiles", "images"):
        connection.execute(
            sql.SQL("create index {} on {} using hnsw (embedding vector_cosine_ops) {}").format(
                sql.Identifier(f"{table}_hnsw"), generation.table(table), options
            )
        )


def promote(connection: Connection, generation: Generation) -> None:
    """Make it live and retire the one that was, in the caller's transaction: search sees the one or the other."""
    connection.execute("update generations set status = 'retired' where status = 'live'")
    connection.execute(
        "update generations set status = 'live', live_at = now() where generation = %s", (generation.number,)
    )


def _one(connection: Connection, condition: str, value: str) -> Generation | None:
    row = connection.execute(
        f"select generation, fingerprint, status, parameters from generations where {condition}",  # noqa: S608
        (value,),
    ).fetchone()
    return Generation(*row) if row else None
