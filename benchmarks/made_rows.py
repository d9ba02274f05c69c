"""A project whose stages are all done for images that nobody has: rows made, nothing decoded and no model asked."""

from __future__ import annotations

from typing import Any, LiteralString

import numpy as np
import psycopg
from psycopg import sql

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Selection, Stage
from imagerag_assets.images.ingest import ingest_fingerprint
from imagerag_assets.project import Project
from imagerag_assets.stages import (
    clip_embeddings,
    deduped_set,
    description_confidence,
    description_embeddings,
    ocr_text,
    pgvector_index,
    said_embeddings,
    tiles,
    vlm_descriptions,
)
from imagerag_assets.stages.common import RunOptions

_DIMENSION = 384
_OF_CONTENTS = (
    "insert into contents (content, fingerprint, format, mode, width, height, size_bytes, exif, phash, dhash, colours, "
    "thumbnail) select content, fingerprint, 'JPEG', 'RGB', 640, 480, 1, '{}', "
    "hashtextextended(content, 1)::bit(64), hashtextextended(content, 2)::bit(64), '', '' from raw_images",
    "insert into tiles (content, side, tile_no, level, x0, y0, x1, y1, fingerprint) "
    "select content, %(side)s, 0, 0, 0, 0, 640, 480, %(tiles)s from contents",
    "insert into ocr_text (content, fingerprint, text, words, mean_confidence, languages, engine) "
    "select content, %(ocr)s, 'part ' || left(content, 6), '[]', 0.9, '{eng}', 'rapidocr' from contents",
    "insert into vlm_descriptions (content, context, fingerprint, model, general, key_elements, visible_text, "
    "category, tags, confidence, inputs) select content, %(context)s, %(descriptions)s, 'zero-shot tags', "
    "'A picture.', '{part}', text, 'part', '{part}', 0.5, md5(text) from ocr_text",
)
_DESCRIBED = (
    "select content, md5(concat_ws(E'\\n', general, array_to_string(key_elements, ', ')) || E'\\n' || visible_text) "
    "from vlm_descriptions order by content"
)


def fill(project: Project, collection: str) -> None:
    """Make rows for every file of the collection's source, then group and index them for real."""
    stages: dict[str, Any] = {
        "tiles": tiles.stage(project).fingerprint,
        "ocr": ocr_text.stage(project).fingerprint,
        "descriptions": vlm_descriptions.stage(project).fingerprint,
        "context": vlm_descriptions.contexts(project)["contexts"][0],
        "side": project.dual_encoder_side(),
    }
    with project.database.connect() as connection:
        _list(connection, project, collection)
        for statement in _OF_CONTENTS:
            connection.execute(statement, stages)
        _vectors(connection, project, stages["context"])
        _made(connection, "compared_images", deduped_set.stage(project), inputs="c.inputs", first_seen="now()")
        _made(
            connection, "said_embeddings", said_embeddings.stage(project), context="c.context", model="%(model)s",
            inputs="c.inputs", embedding="(select e.embedding from clip_embeddings e where e.content = c.content)",
        )  # fmt: skip
    with psycopg.connect(project.database.url, autocommit=True) as connection:
        connection.execute("vacuum (analyze)")
    _trusted(project)
    deduped_set.run(project, RunOptions())
    pgvector_index.run(project, RunOptions())


def _list(connection: Connection, project: Project, collection: str) -> None:
    rows = [
        (collection, file.uri, f"{number:064x}", file.size_bytes, file.version, ingest_fingerprint())
        for number, file in enumerate(project.source(collection).list())
    ]
    columns = ("collection", "uri", "content", "size_bytes", "version", "fingerprint")
    upsert(connection, "raw_images", columns, ("collection", "uri"), rows)


def _trusted(project: Project) -> None:
    """Every description as if it had been measured: the calibration is real, and asks for no model."""
    nothing = RunOptions(Selection(collections=("nobody's",)))
    description_confidence.run(project, nothing)
    with project.database.connect() as connection:
        _made(
            connection, "description_confidence", description_confidence.stage(project), context="c.context",
            model="%(model)s", inputs="c.inputs", described="c.described", confidence="0.9",
        )  # fmt: skip


def _made(connection: Connection, table: LiteralString, stage: Stage, **columns: LiteralString) -> None:
    """A row of `table` for every candidate of the stage, with those values."""
    values = sql.SQL(", ").join(sql.SQL(value) for value in columns.values())
    statement = sql.SQL("insert into {} (content, fingerprint, {}) select c.content, %(now)s, {} from ({}) c").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)), values, sql.SQL(stage.candidates)
    )
    connection.execute(statement, {**stage.parameters, "now": stage.fingerprint})


def _vectors(connection: Connection, project: Project, context: str) -> None:
    described = connection.execute(_DESCRIBED).fetchall()
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(described), _DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    clip, told = clip_embeddings.stage(project), description_embeddings.stage(project)
    upsert(
        connection, "clip_embeddings", ("content", "tile_no", "model", "fingerprint", "embedding"),
        ("content", "tile_no", "model"),
        (
            (content, 0, clip.parameters["model"], clip.fingerprint, vector)
            for (content, _), vector in zip(described, vectors, strict=True)
        ),
    )  # fmt: skip
    upsert(
        connection, "description_embeddings", ("content", "context", "model", "fingerprint", "inputs", "embedding"),
        ("content", "context", "model"),
        (
            (content, context, told.parameters["model"], told.fingerprint, inputs, vector)
            for (content, inputs), vector in zip(described, vectors, strict=True)
        ),
    )  # fmt: skip
