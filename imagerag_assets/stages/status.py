"""How far everything is: every stage with every collection, the index's generations, what stopped. Nothing is changed.

Nothing is loaded either: identities come from the models' files.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.rows import class_row

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Counts, counts
from imagerag_assets.project import Project
from imagerag_assets.retrieval.inventory import GenerationSize, generation_sizes
from imagerag_assets.stages import (
    clip_embeddings,
    deduped_set,
    description_confidence,
    description_embeddings,
    lanes,
    ocr_text,
    pgvector_index,
    tiles,
    vlm_descriptions,
)
from imagerag_assets.stages.batch_records import BatchOut, batches_out

_STAGES = (tiles, ocr_text, vlm_descriptions, description_embeddings, clip_embeddings)


@dataclass(frozen=True)
class StageStatus(Counts):
    """A stage and a collection. `quarantined` files are raw_images' alone; what it has pending only a run can tell."""

    stage: str
    quarantined: int = 0


@dataclass(frozen=True)
class Scan:
    """The newest look at a collection's source."""

    collection: str
    started_at: datetime
    listed: int
    quarantined: int
    ignored: int
    removed: int


@dataclass(frozen=True)
class BudgetStop:
    """A stage whose last run ended because a budget was reached."""

    stage: str
    run_id: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Evaluation:
    """The newest measurement of the search methods."""

    evaluation: int
    generation: int
    run_id: str
    created_at: datetime


@dataclass(frozen=True)
class Status:
    """Everything `imagerag status` tells."""

    stages: tuple[StageStatus, ...]
    generations: tuple[GenerationSize, ...]
    scans: tuple[Scan, ...]
    budget_stops: tuple[BudgetStop, ...]
    evaluation: Evaluation | None
    batches: tuple[BatchOut, ...]


def status(project: Project) -> Status:
    """Count. Raises `ModelError` where a stage's fingerprint cannot be told: a model or Tesseract is missing."""
    with project.database.connect() as connection:
        found = _raw_images(project, connection)
        # Groups and confidences are made with the live generation's vectors.
        serving = lanes.serving(project) or project
        stages = [
            *(module.stage(project) for module in _STAGES),
            description_confidence.stage(serving), deduped_set.stage(serving),
        ]  # fmt: skip
        for stage in stages:
            found += [StageStatus(**asdict(one), stage=stage.name) for one in counts(connection, stage)]
        index = pgvector_index.counts(project, connection)
        found += [StageStatus(**asdict(one), stage=pgvector_index.STAGE) for one in index]
        stops = connection.cursor(row_factory=class_row(BudgetStop)).execute(
            "select stage, run_id, reason, at from budget_stops order by stage"
        )
        newest = connection.cursor(row_factory=class_row(Evaluation)).execute(
            "select evaluation, generation, run_id, e.created_at "
            "from evaluations e join generations using (generation) where not parameters ? 'compared' "
            "order by evaluation desc limit 1"
        )
        return Status(
            tuple(found), tuple(generation_sizes(connection)), tuple(_scans(connection)), tuple(stops.fetchall()),
            newest.fetchone(), tuple(batches_out(connection)),
        )  # fmt: skip


def _raw_images(project: Project, connection: Connection) -> list[StageStatus]:
    """A row for every collection of the settings, seen or not, and for those that the settings no longer name."""
    rows = connection.execute(
        """
        select name, (select count(*) from raw_images r where r.collection = name and r.removed_at is null),
               (select count(*) from quarantine q where q.collection = name)
        from (select unnest(%s::text[]) union select collection from raw_images where removed_at is null
              union select collection from quarantine) n (name)
        order by name
        """,
        ([one.name for one in project.settings.collections],),
    ).fetchall()
    return [StageStatus(name, done, 0, 0, 0, "raw_images", quarantined) for name, done, quarantined in rows]


def _scans(connection: Connection) -> list[Scan]:
    with connection.cursor(row_factory=class_row(Scan)) as cursor:
        return cursor.execute(
            "select distinct on (collection) collection, started_at, listed, quarantined, ignored, removed "
            "from scans order by collection, scan desc"
        ).fetchall()
