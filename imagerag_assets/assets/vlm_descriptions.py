"""vlm_descriptions: the four parts of a RAG description of every image."""

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
from imagerag_assets.assets.ocr_text import ocr_text
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import data_version
from imagerag_assets.models.describers.zero_shot import DESCRIBER_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import vlm_descriptions as stage


@dg.asset(
    deps=[raw_images, ocr_text],
    group_name=UNDERSTAND,
    kinds={"python", "postgres", "transformers"},
    owners=OWNERS,
    code_version=str(DESCRIBER_VERSION),
    description=(
        "General description, key elements, visible text, category and tags of every image. The default describer "
        "needs no language model: zero-shot tags of the dual encoder, OCR text and measured facts."
    ),
)
def vlm_descriptions(
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    return materialize(context, config, project, stage.run, _describe)


def _describe(project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    shown = connection.execute(
        "select s.collection, s.uri, v.category, round(v.confidence::numeric, 2), v.general from vlm_descriptions v "
        "cross join lateral (select r.collection, r.uri from raw_images r where r.content = v.content "
        "and r.removed_at is null order by r.collection, r.uri limit 1) s "
        "order by v.content limit 12"
    ).fetchall()
    return data_version(connection, stage.stage(project)), {
        "collections": coverage(connection, "vlm_descriptions"),
        "descriptions": table_metadata(("collection", "file", "category", "confidence", "description"), shown),
    }
