"""Asset checks: nothing lost, nothing failing quietly, nothing half built."""

from collections.abc import Sequence

import dagster as dg
from psycopg import sql

from imagerag_assets.assets.common import ProjectResource, clear_failure, markdown_table
from imagerag_assets.retrieval import generations

_STAGES = ("tiles", "ocr_text", "vlm_descriptions", "clip_embeddings", "description_embeddings")


def failure_check(stage: str) -> dg.AssetChecksDefinition:
    """A warning while the stage has items that failed."""

    @dg.asset_check(
        asset=stage, name="no_failed_items", description="No image fails in this stage. Warns, and never blocks."
    )
    def check(project: ProjectResource) -> dg.AssetCheckResult:
        with clear_failure(), project.open().database.connect() as connection:
            rows = connection.execute(
                "select item, error_class, message, attempts from stage_failures where stage = %s "
                "order by last_try desc, item limit 20",
                (stage,),
            ).fetchall()
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "failed": len(rows),
                "items": dg.MetadataValue.md(markdown_table(("item", "error", "message", "attempts"), rows)),
            },
        )

    return check


@dg.asset_check(
    asset="raw_images", name="quarantine_is_small", description="Less than a tenth of the files are in quarantine."
)
def quarantine_is_small(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure(), project.open().database.connect() as connection:
        row = connection.execute(
            "select (select count(*) from raw_images where removed_at is null), (select count(*) from quarantine)"
        ).fetchone()
        reasons = connection.execute("select reason, count(*) from quarantine group by reason order by 2 desc, 1").fetchall()
    assert row is not None
    images, quarantined = int(row[0]), int(row[1])
    return dg.AssetCheckResult(
        passed=quarantined * 10 <= images + quarantined,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "images": images,
            "quarantined": quarantined,
            "reasons": dg.MetadataValue.md(markdown_table(("reason", "files"), reasons)),
        },
    )


@dg.asset_check(
    asset="pgvector_index",
    name="index_is_complete",
    blocking=True,
    description="Every image with vectors is in the live index with all its tiles, and nothing else is.",
)
def index_is_complete(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure(), project.open().database.connect() as connection:
        live = generations.live(connection)
        names = {"images": live.table("images"), "tiles": live.table("tiles")}
        gone = _count(
            connection.execute(
                sql.SQL(
                    "select count(*) from {images} i where not exists (select from raw_images r "
                    "where r.collection = i.collection and r.content = i.content and r.removed_at is null)"
                ).format(**names)
            ).fetchone()
        )
        missing = _count(
            connection.execute(
                sql.SQL(
                    "select count(distinct (r.collection, r.content)) from raw_images r "
                    "join clip_embeddings e on e.content = r.content and e.model = %s "
                    "where r.removed_at is null and not exists (select from {images} i "
                    "where i.collection = r.collection and i.content = r.content)"
                ).format(**names),
                (live.parameters["image_model"],),
            ).fetchone()
        )
        untiled = _count(
            connection.execute(
                sql.SQL(
                    "select count(*) from {images} i where (select count(*) from {tiles} t where t.image_id = i.image_id) "
                    "<> (select count(*) from tiles t where t.content = i.content)"
                ).format(**names)
            ).fetchone()
        )
    return dg.AssetCheckResult(
        passed=not (gone or missing or untiled),
        metadata={"removed_but_indexed": gone, "embedded_but_missing": missing, "with_other_tiles": untiled},
    )


def _count(row: Sequence[int] | None) -> int:
    return int(row[0]) if row else 0


CHECKS: list[dg.AssetChecksDefinition] = [
    quarantine_is_small,
    index_is_complete,
    *(failure_check(stage) for stage in _STAGES),
]
