"""pgvector_index: what search reads, one complete and consistent generation."""

from __future__ import annotations

import time
from typing import Any

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Progress, StageReport
from imagerag_assets.project import Project
from imagerag_assets.retrieval import calibration, generations, index
from imagerag_assets.stages import (
    clip_embeddings,
    description_confidence,
    description_embeddings,
    ocr_text,
    vlm_descriptions,
)
from imagerag_assets.stages.common import RunOptions

STAGE = "pgvector_index"


def run(project: Project, options: RunOptions) -> StageReport:
    """Bring the generation of the current settings up to date, building and promoting it when it is new."""
    started = time.monotonic()
    report = StageReport(STAGE)
    sources = _sources(project)
    with project.database.connect() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (STAGE,))
        wanted = _parameters(project, connection, sources)
        generation = generations.find(connection, generations.generation_fingerprint(wanted))
        # Everything below is one transaction: killed anywhere, what was live is still live and whole.
        new = generation is None
        generation = generation or generations.create(connection, wanted)
        difference = index.update(connection, generation, sources)
        if new:
            generations.build_vector_indexes(connection, generation)
        if generation.status != "live":
            live = generations.find_live(connection)
            # A generation whose vectors are still being made stays beside the live one.
            report.pending = index.missing_images(connection, generation, live) if live else 0
            if not report.pending:
                generations.promote(connection, generation)
        if not report.pending:
            calibration.update(connection, project, generation)
        report.new, report.updated = difference.new, difference.updated
        report.removed, report.skipped = difference.removed, difference.unchanged
    if report.worked or report.removed:
        _analyze(project, generation)
    report.seconds = time.monotonic() - started
    options.on_progress(Progress(STAGE, report.worked, report.worked, report.seconds))
    return report


def data_version(connection: Connection) -> str:
    return index.index_digest(connection, generations.live(connection))


def _sources(project: Project) -> dict[str, Any]:
    """The stages' current fingerprints: only results that carry them are indexed."""
    clip = clip_embeddings.stage(project)
    return {
        "clip": clip.fingerprint,
        "model": clip.parameters["model"],
        "ocr": ocr_text.stage(project).fingerprint,
        "descriptions": vlm_descriptions.stage(project).fingerprint,
        "description_embeddings": description_embeddings.stage(project).fingerprint,
        "confidence": description_confidence.stage(project).fingerprint,
        "trust": project.settings.descriptions.trust,
        **vlm_descriptions.contexts(project),
    }


def _parameters(project: Project, connection: Connection, sources: dict[str, Any]) -> dict[str, Any]:
    """What makes a generation another one. Dimensions are read off the vectors, so no model is loaded."""
    return {
        "image_model": sources["model"],
        "text_model": project.text_encoder_identity(),
        "image_dimension": _dimension(connection, "clip_embeddings", sources["clip"], project.dual_encoder),
        "text_dimension": _dimension(
            connection, "description_embeddings", sources["description_embeddings"], project.text_encoder
        ),
        "m": project.settings.index.m,
        "ef_construction": project.settings.index.ef_construction,
    }


def _dimension(connection: Connection, table: str, current: str, load: Any) -> int:
    row = connection.execute(
        f"select vector_dims(embedding) from {table} where fingerprint = %s limit 1",  # noqa: S608
        (current,),
    ).fetchone()
    # An empty collection has no vector to read it from.
    return int(row[0]) if row else int(load().dimension)


def _analyze(project: Project, generation: generations.Generation) -> None:
    """Fresh statistics: the planner chooses between an exact and an index scan by them."""
    from psycopg import sql

    with project.database.connect() as connection:
        for table in ("images", "tiles", "postings", "terms"):
            connection.execute(sql.SQL("analyze {}").format(generation.table(table)))
