"""pgvector_index: what search reads, one complete and consistent generation, and a candidate beside it.

Settings that name other models or parameters than the live generation was built with get a generation of their own.
Whether it goes live is the gate's to say, where the settings have a benchmark to measure it by.
"""

from __future__ import annotations

import time
from typing import Any

from psycopg import sql

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.locks import lock_until_commit
from imagerag_assets.database.stages import Counts, Progress, StageReport, fingerprint
from imagerag_assets.errors import ModelError
from imagerag_assets.models.describers.zero_shot import MODEL_NAME
from imagerag_assets.project import Project
from imagerag_assets.retrieval import calibration, generations, index, switching
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.stages import (
    clip_embeddings,
    description_confidence,
    description_embeddings,
    ocr_text,
    tiles,
    vlm_descriptions,
)
from imagerag_assets.stages.common import RunOptions

STAGE = "pgvector_index"


def run(project: Project, options: RunOptions) -> StageReport:
    """Bring the live generation up to date, and beside it that of the settings where it is another.

    Each is one transaction: killed anywhere, what was live is still live and whole.
    """
    started = time.monotonic()
    report = StageReport(STAGE)
    with project.database.connect() as connection:
        lock_until_commit(connection, STAGE)
        generations.forget_lost(connection)
    updated = [_update_live_of_other_models(project, report), _update(project, report)]
    if report.worked or report.removed:
        for generation in filter(None, updated):
            _analyze(project, generation)
    _drop_retired(project)
    report.seconds = time.monotonic() - started
    options.on_progress(Progress(STAGE, report.worked, report.worked, report.seconds))
    return report


def counts(project: Project, connection: Connection) -> list[Counts]:
    """How far the live index is, by collection."""
    live = generations.find_live(connection)
    if live is None or not generations.is_readable(live):
        return index.counts(connection, None, _sources(project))
    return index.counts(connection, live, _sources_of(project, live)[1])


def data_version(connection: Connection) -> str:
    """Of the live generation, and of the candidate while there is one."""
    digest = index.index_digest(connection, generations.live(connection))
    candidate = generations.find_candidate(connection)
    return fingerprint(live=digest, candidate=index.index_digest(connection, candidate)) if candidate else digest


def needs_measuring(project: Project) -> bool:
    """Whether a candidate waits for the gate: only where there is something to measure it by, or a person to ask."""
    settings = project.settings
    return settings.gate.wait_for_person or any(collection.benchmark for collection in settings.collections)


def _update(project: Project, report: StageReport) -> Generation:
    """The settings' generation, begun when it is new: its rows, which take long, and then its status."""
    sources = _sources(project)
    with project.database.connect() as connection:
        lock_until_commit(connection, STAGE)
        wanted = _parameters(project, connection, sources)
        generation = _fill(connection, project, wanted, sources, report)
        # Meanwhile a person may have promoted it or another one, and what that person decided stays. No row of
        # `generations` is changed before this, for a promotion would wait for it and this would wait for the promotion.
        switching.lock(connection)
        generations.remember_models(connection, generation, wanted["models"])
        generations.withdraw_others(connection, generation)
        _settle(connection, project, generation, report)
    return generation


def _fill(
    connection: Connection, project: Project, wanted: dict[str, Any], sources: dict[str, Any], report: StageReport
) -> Generation:
    """Bring its rows up to date, in tables that are made when it is new."""
    found = generations.find(connection, generations.generation_fingerprint(wanted))
    generation = found or generations.create(connection, wanted)
    _count(report, index.update(connection, generation, sources))
    if found is None:
        generations.build_indexes(connection, generation, project.settings.index.build_memory_mb)
    if not _missing(connection, generation):
        calibration.update(connection, project, generation)
    return generation


def _settle(connection: Connection, project: Project, generation: Generation, report: StageReport) -> None:
    """What it is from now on. The first is live at once, as is one that nothing measures and no person replaced."""
    live, current = generations.find_live(connection), generations.numbered(connection, generation.number)
    if current is None or (live is not None and live.number == current.number):
        return
    report.pending = _missing(connection, generation)
    generations.stand_beside(connection, generation, whole=not report.pending)
    # A live generation of another version's tables can be searched no more: there is nothing to compare with.
    at_once = live is None or not generations.is_readable(live)
    if not report.pending and (at_once or not (current.held or needs_measuring(project))):
        generations.promote(connection, generation)


def _missing(connection: Connection, generation: Generation) -> int:
    """How many images search would lose with it in the live one's place."""
    live = generations.find_live(connection)
    return index.missing_images(connection, generation, live) if live and live.number != generation.number else 0


def _update_live_of_other_models(project: Project, report: StageReport) -> Generation | None:
    """The live generation, where the settings ask for another one by now."""
    with project.database.connect() as connection:
        lock_until_commit(connection, STAGE)
        live = generations.find_live(connection)
        if live is None or not generations.is_readable(live):
            return None
        wanted = _parameters(project, connection, _sources(project))
        if live.fingerprint == generations.generation_fingerprint(wanted):
            return None
        serving, sources = _sources_of(project, live)
        _count(report, index.update(connection, live, sources))
        if serving is not None:
            calibration.update(connection, serving, live)
    return live


def _sources_of(project: Project, live: Generation) -> tuple[Project | None, dict[str, Any]]:
    """The project with the live generation's models, None where they are gone, and what its index is made from.

    With models that are gone nothing new can be added, but what is gone must not be found any longer.
    """
    try:
        serving = generations.project_of(project, live)
    except ModelError:
        return None, _sources(project) | {"clip": ""}
    return serving, _sources(serving)


def _sources(project: Project) -> dict[str, Any]:
    """The stages' current fingerprints: only results that carry them are indexed."""
    clip = clip_embeddings.stage(project)
    return {
        "tiles": tiles.stage(project).fingerprint,
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
    text_model = project.text_encoder_identity()
    return {
        "image_model": sources["model"],
        "text_model": text_model,
        "image_dimension": _dimension(connection, "clip_embeddings", sources["model"], project.dual_encoder),
        "text_dimension": _dimension(connection, "description_embeddings", text_model, project.text_encoder),
        "m": project.settings.index.m,
        "ef_construction": project.settings.index.ef_construction,
        "models": project.encoders(),
    }


def _dimension(connection: Connection, table: str, model: str, load: Any) -> int:
    row = connection.execute(
        f"select vector_dims(embedding) from {table} where model = %s limit 1",  # noqa: S608
        (model,),
    ).fetchone()
    # An empty collection has no vector to read it from.
    return int(row[0]) if row else int(load().dimension)


def _count(report: StageReport, difference: index.Difference) -> None:
    report.new += difference.new
    report.updated += difference.updated
    report.removed += difference.removed
    report.skipped += difference.unchanged


def _analyze(project: Project, generation: Generation) -> None:
    """Fresh statistics for the planner, and pages known to be visible to all: then an index alone answers."""
    with project.database.connect() as connection:
        connection.commit()
        connection.autocommit = True
        try:
            for table in ("images", "tiles", "descriptions", "postings", "terms", "collections"):
                connection.execute(sql.SQL("vacuum (analyze) {}").format(generation.table(table)))
        finally:
            connection.autocommit = False


def _drop_retired(project: Project) -> None:
    """Drop generations that have been retired for long, and what was computed by models that no generation has now."""
    with project.database.connect() as connection:
        lock_until_commit(connection, STAGE)
        # Who promotes one of them meanwhile waits, and is told that it is gone.
        switching.lock(connection)
        if not generations.drop_retired(connection, project.settings.gate.keep_retired_days):
            return
        rows = connection.execute(
            "select parameters ->> 'image_model', parameters ->> 'text_model' from generations "
            "where status <> 'dropped'"
        ).fetchall()
        image_models, text_models = ([row[column] for row in rows] for column in (0, 1))
        for table in ("clip_embeddings", "said_embeddings", "description_confidence", "trust_calibrations"):
            named = sql.SQL("delete from {} where model <> all(%s)").format(sql.Identifier(table))
            connection.execute(named, (image_models,))
        contexts = [vlm_descriptions.context_key(model) for model in image_models]
        # Only what costs nothing to make again: other descriptions were paid for.
        connection.execute(
            "with gone as (delete from vlm_descriptions where model = %s and context <> all(%s) "
            "returning content, context) delete from description_embeddings e using gone "
            "where (e.content, e.context) = (gone.content, gone.context)",
            (MODEL_NAME, contexts),
        )
        connection.execute("delete from description_embeddings where model <> all(%s)", (text_models,))
