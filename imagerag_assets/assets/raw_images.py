"""raw_images: a row per image seen in a source."""

import dagster as dg

from imagerag_assets.assets.common import (
    INGEST,
    OWNERS,
    ProjectResource,
    StageConfig,
    clear_failure,
    count_metadata,
    markdown_table,
    options,
    sheet_of,
    tell,
)
from imagerag_assets.database.stages import StageReport
from imagerag_assets.images.decode import DECODE_VERSION
from imagerag_assets.images.hashing import HASH_VERSION
from imagerag_assets.stages import raw_images as stage


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
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        reports = stage.run(opened, options(context, config, opened))
        total = StageReport("raw_images")
        for report in reports.values():
            total.new += report.new
            total.updated += report.updated
            total.removed += report.removed
            total.skipped += report.skipped
            total.failed += report.failed
            total.seconds += report.seconds
        tell(context, total)
        with opened.database.connect() as connection:
            newest = connection.execute(
                "select content from raw_images where removed_at is null group by content "
                "order by max(changed_at) desc, content limit 48"
            ).fetchall()
            quarantined = connection.execute(
                "select collection, uri, reason, message from quarantine order by last_seen desc, uri limit 20"
            ).fetchall()
            table = [
                (name, one.new, one.updated, one.removed, one.skipped, one.failed) for name, one in reports.items()
            ]
            return dg.MaterializeResult(
                data_version=dg.DataVersion(stage.data_version(connection, opened)),
                metadata={
                    **count_metadata(total),
                    "collections": dg.MetadataValue.md(
                        markdown_table(("collection", "new", "updated", "removed", "unchanged", "quarantined"), table)
                    ),
                    "newest": dg.MetadataValue.md(sheet_of(connection, [row[0] for row in newest])),
                    "quarantine": dg.MetadataValue.md(
                        markdown_table(("collection", "file", "reason", "message"), quarantined)
                    ),
                },
            )
