"""ocr_text: what can be read in every image."""

from typing import Any

import dagster as dg

from imagerag_assets.assets.common import (
    OWNERS,
    UNDERSTAND,
    ProjectResource,
    StageConfig,
    coverage,
    materialize,
    table_metadata,
)
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import data_version
from imagerag_assets.models.ocr import OCR_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import ocr_text as stage


@dg.asset(
    deps=[raw_images],
    group_name=UNDERSTAND,
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version=str(OCR_VERSION),
    description="The text in every image with word boxes and confidences. No text is a result, not a failure.",
)
def ocr_text(
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    return materialize(context, project, stage.run, _describe, selection=config.selection())


def _describe(project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    texts = connection.execute(
        "select s.uri, round(o.mean_confidence::numeric, 2), left(o.text, 160) from ocr_text o "
        "cross join lateral (select r.uri from raw_images r where r.content = o.content "
        "and r.removed_at is null order by r.uri limit 1) s "
        "where o.text <> '' order by length(o.text) desc, s.uri limit 10"
    ).fetchall()
    return data_version(connection, stage.stage(project)), {
        "collections": coverage(connection, "ocr_text"),
        "texts": table_metadata(("file", "confidence", "text"), texts),
    }
