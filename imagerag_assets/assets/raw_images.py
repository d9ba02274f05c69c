"""raw_images: a row per image seen in a source."""

from dataclasses import replace
from typing import Any

import dagster as dg
from pydantic import Field

from imagerag_assets.assets.common import (
    INGEST,
    OWNERS,
    CollectionsConfig,
    ProjectResource,
    materialize,
    sheet_of,
    table_metadata,
)
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import StageReport
from imagerag_assets.images.decode import DECODE_VERSION
from imagerag_assets.images.hashing import HASH_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import raw_images as stage
from imagerag_assets.stages.common import RunOptions


class IngestConfig(CollectionsConfig):
    """Which collections to look at, and which of them may lose most of their images."""

    allow_removal: list[str] = Field(
        default_factory=list,
        description="Collections whose listing may lack more than max_removed_share of the known images, this once.",
    )


@dg.asset(
    group_name=INGEST,
    kinds={"python", "postgres", "pillow"},
    owners=OWNERS,
    code_version=f"{DECODE_VERSION}.{HASH_VERSION}",
    description=(
        "Every image file of every collection: content hash, size, EXIF, perceptual hashes, thumbnail. Files that "
        "cannot be used are in quarantine with a reason. Only new and changed files are read."
    ),
)
def raw_images(
    context: dg.AssetExecutionContext, config: IngestConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    reports: dict[str, StageReport] = {}

    def run(opened: Project, options: RunOptions) -> StageReport:
        reports.update(stage.run(opened, replace(options, allow_removal=tuple(config.allow_removal))))
        return stage.total(reports)

    def describe(_opened: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
        quarantined = connection.execute(
            "select collection, uri, reason, message, last_seen from quarantine order by last_seen desc, uri limit 20"
        ).fetchall()
        reasons = connection.execute(
            "select collection, reason, count(*) from quarantine group by 1, 2 order by 1, 3 desc, 2"
        ).fetchall()
        table = [(name, one.new, one.updated, one.removed, one.skipped, one.failed) for name, one in reports.items()]
        return stage.data_version(connection), {
            "collections": table_metadata(
                ("collection", "new", "updated", "removed", "unchanged", "quarantined"), table
            ),
            "quarantine": table_metadata(("collection", "file", "reason", "message", "when"), quarantined),
            "quarantine_reasons": table_metadata(("collection", "reason", "files and pages"), reasons),
        }

    return materialize(context, project, run, describe, selection=config.selection(), pictures={"newest": _newest})


def _newest(_project: Project, connection: Connection) -> str:
    rows = connection.execute(
        "select content from raw_images where removed_at is null group by content "
        "order by max(changed_at) desc, content limit 48"
    ).fetchall()
    return sheet_of(connection, [row[0] for row in rows])
