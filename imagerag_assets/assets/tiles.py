"""tiles: boxes over every image."""

from typing import Any

import dagster as dg

from imagerag_assets.assets.common import (
    INGEST,
    OWNERS,
    ProjectResource,
    StageConfig,
    coverage,
    materialize,
    table_metadata,
)
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.database.connection import Connection
from imagerag_assets.images.tiling import TILING_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import lanes
from imagerag_assets.stages import tiles as stage


@dg.asset(
    deps=[raw_images],
    group_name=INGEST,
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version=str(TILING_VERSION),
    description=(
        "Boxes, never pixels: level 0 is the whole image, large and elongated images add levels of overlapping tiles, "
        "as fine as the image-text model needs to see a detail."
    ),
)
def tiles(
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    return materialize(
        context, project, lanes.for_both(stage.run, stage.stage), _describe, selection=config.selection()
    )


def _describe(project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    largest = connection.execute(
        "select c.width || ' × ' || c.height, count(*) from tiles t join live_contents c using (content) "
        "where t.fingerprint = %s group by c.content, c.width, c.height order by count(*) desc, c.content limit 10",
        (stage.stage(project).fingerprint,),
    ).fetchall()
    return lanes.data_version(connection, project, stage.stage), {
        "collections": coverage(connection, "tiles"),
        "most_tiles": table_metadata(("image", "tiles"), largest),
    }
