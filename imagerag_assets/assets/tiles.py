"""tiles: boxes over every image."""

import dagster as dg

from imagerag_assets.assets.common import (
    INGEST,
    OWNERS,
    ProjectResource,
    StageConfig,
    clear_failure,
    count_metadata,
    coverage,
    markdown_table,
    options,
    tell,
)
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.database.stages import data_version
from imagerag_assets.images.tiling import TILING_VERSION
from imagerag_assets.stages import tiles as stage


@dg.asset(
    deps=[raw_images],
    group_name=INGEST,
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version=str(TILING_VERSION),
    description="Boxes, never pixels: level 0 is the whole image, large images add overlapping tiles.",
)
def tiles(
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        report = stage.run(opened, options(context, config, opened))
        tell(context, report)
        with opened.database.connect() as connection:
            largest = connection.execute(
                "select c.width || ' × ' || c.height, count(*) from tiles t join live_contents c using (content) "
                "group by c.content, c.width, c.height order by count(*) desc, c.content limit 10"
            ).fetchall()
            return dg.MaterializeResult(
                data_version=dg.DataVersion(data_version(connection, stage.stage(opened))),
                metadata={
                    **count_metadata(report),
                    "collections": coverage(connection, "tiles"),
                    "most_tiles": dg.MetadataValue.md(markdown_table(("image", "tiles"), largest)),
                },
            )
