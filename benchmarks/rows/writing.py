"""Writing vectors: a commit per row as tutorials do it, executemany, raw COPY, and ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Scaling, Target, Way
from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, Database

_COLUMNS = ("content", "tile_no", "model", "fingerprint", "embedding")
_KEYS = ("content", "tile_no", "model")
_ROW_BY_ROW = (
    "insert into clip_embeddings (content, tile_no, model, fingerprint, embedding) values (%s, %s, %s, %s, %s) "
    "on conflict (content, tile_no, model) do update set fingerprint = excluded.fingerprint, "
    "embedding = excluded.embedding"
)
_DIMENSION = 512
_Row = tuple[Any, ...]


def make(bench: Bench) -> Rows:
    database = bench.database("writing")
    count = bench.size(10_000, 500)
    few = count // 10
    rows = _rows(count)

    def plain() -> None:
        _empty(database)
        with database.connect() as connection:
            for row in rows[:few]:
                connection.execute(_ROW_BY_ROW, row)
                connection.commit()

    def peer() -> None:
        _empty(database)
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.executemany(_ROW_BY_ROW, rows)

    def floor() -> None:
        _empty(database)
        with database.connect() as connection:
            _raw_copy(connection, rows)

    def ours() -> None:
        _empty(database)
        with database.connect() as connection:
            upsert(connection, "clip_embeddings", _COLUMNS, _KEYS, rows)

    ways = {
        "plain": Way(plain, f"one upsert and one commit per row, {few:,} rows × 10", times=10),
        "peer": Way(peer, "psycopg's executemany of the upsert, one commit"),
        "floor": Way(floor, "binary COPY straight into the table"),
        "ours": Way(ours, "binary COPY into a staging table, one statement, one commit"),
    }
    return [
        Comparison(
            "writing vectors",
            f"{count:,} new rows of {_DIMENSION} numbers with their keys into clip_embeddings",
            ways,
            (Target("plain", "ours", at_least=100), Target("floor", "ours", at_least=0.4)),
            why="What the plain way waits for is the disk, once for every commit: the ratio is that of the disk. Where "
            "a commit takes half a millisecond, bare COPY, the least there is, does not reach the target either.",
        ),
        Scaling(
            "writing vectors",
            "the same, ours and raw COPY",
            {"ours": _prepare(database, upsert_rows), "floor": _prepare(database, _raw_copy)},
            dict.fromkeys(("ours", "floor"), bench.size((1_000, 10_000, 100_000), (100, 500))),
            {"ours": 1.1},
        ),
    ]


def upsert_rows(connection: Connection, rows: list[_Row]) -> None:
    upsert(connection, "clip_embeddings", _COLUMNS, _KEYS, rows)


def _prepare(
    database: Database, write: Callable[[Connection, list[_Row]], None]
) -> Callable[[int], Callable[[], object]]:
    def prepare(size: int) -> Callable[[], object]:
        rows = _rows(size)

        def work() -> None:
            _empty(database)
            with database.connect() as connection:
                write(connection, rows)

        return work

    return prepare


def _raw_copy(connection: Connection, rows: list[_Row]) -> None:
    statement = f"copy clip_embeddings ({', '.join(_COLUMNS)}) from stdin (format binary)"
    with connection.cursor().copy(statement) as copy:
        copy.set_types(["text", "int4", "text", "text", "vector"])
        for row in rows:
            copy.write_row(row)


def _empty(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("truncate clip_embeddings")


def _rows(count: int) -> list[_Row]:
    vectors = np.random.default_rng(0).standard_normal((count, _DIMENSION)).astype(np.float32)
    return [(f"{number:064x}", 0, "benchmark", "0", vector) for number, vector in enumerate(vectors)]
