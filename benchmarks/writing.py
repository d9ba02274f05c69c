"""Writing vectors: one INSERT per row, as tutorials do it, beside binary COPY and one statement."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.compare import Comparison, compare
from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Database

_COLUMNS = ("content", "tile_no", "model", "fingerprint", "embedding")
_KEYS = ("content", "tile_no", "model")
_ROWS, _DIMENSION = 2000, 384


def compare_writing(database: Database, rounds: int) -> Comparison:
    vectors = np.random.default_rng(0).standard_normal((_ROWS, _DIMENSION)).astype(np.float32)
    rows: list[tuple[Any, ...]] = [
        (f"{number:064x}", 0, "benchmark", "0", vector) for number, vector in enumerate(vectors)
    ]

    def plain() -> None:
        with database.connect() as connection:
            for row in rows:
                connection.execute(
                    "insert into clip_embeddings (content, tile_no, model, fingerprint, embedding) "
                    "values (%s, %s, %s, %s, %s) on conflict (content, tile_no, model) "
                    "do update set fingerprint = excluded.fingerprint, embedding = excluded.embedding",
                    row,
                )
                connection.commit()

    def ours() -> None:
        with database.connect() as connection:
            upsert(connection, "clip_embeddings", _COLUMNS, _KEYS, rows)

    return compare(f"writing {_ROWS} vectors", plain, ours, rounds)
