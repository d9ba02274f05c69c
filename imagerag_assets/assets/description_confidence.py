"""description_confidence: how far every description can be trusted."""

from typing import Any

import dagster as dg

from imagerag_assets.assets.common import (
    OWNERS,
    UNDERSTAND,
    ProjectResource,
    StageConfig,
    materialize,
    sheet_of,
    table_metadata,
)
from imagerag_assets.assets.embeddings import clip_embeddings
from imagerag_assets.assets.ocr_text import ocr_text
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.assets.vlm_descriptions import vlm_descriptions
from imagerag_assets.database.connection import Connection
from imagerag_assets.project import Project
from imagerag_assets.retrieval.trust import TRUST_VERSION
from imagerag_assets.stages import description_confidence as stage
from imagerag_assets.stages import lanes
from imagerag_assets.stages.review import Doubt, by_collection, doubtful

_SHOWN = 16


@dg.asset(
    deps=[raw_images, ocr_text, vlm_descriptions, clip_embeddings],
    group_name=UNDERSTAND,
    kinds={"python", "postgres", "pytorch"},
    owners=OWNERS,
    code_version=str(TRUST_VERSION),
    description=(
        "A confidence from 0 to 1 for every description: does it go with its image better than others' descriptions "
        "do, does the text that it sees stand there, and what a judge says, where models.judge names one. What is "
        "below descriptions.trust is flagged, counts less in a search, and is described anew by models.escalate_to."
    ),
)
def description_confidence(
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    return materialize(
        context,
        project,
        lanes.live_first(stage.run, stage.measure, stage.stage),
        _describe,
        selection=config.selection(),
        pictures={"doubtful": _lowest},
    )


def _describe(project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    rows = by_collection(connection, project)
    header = ("collection", "descriptions", "measured", "flagged", "lowest", "mean")
    told: dict[str, Any] = {
        "flagged": sum(row.flagged for row in rows),
        "threshold": project.settings.descriptions.trust,
        "collections": table_metadata(
            header,
            [(row.collection, row.descriptions, row.measured, row.flagged, row.lowest, row.mean) for row in rows],
        ),
        "lowest": table_metadata(
            ("file", "confidence", "why", "description"),
            [(f"{one.collection}/{one.uri}", f"{one.confidence:.2f}", one.why, one.general)
             for one in _first(connection, project)],
        ),
    }  # fmt: skip
    stop = connection.execute("select reason from budget_stops where stage = %s", (stage.NAME,)).fetchone()
    if stop:
        told["budget"] = stop[0]
    return lanes.data_version(connection, project, stage.stage), told


def _first(connection: Connection, project: Project) -> list[Doubt]:
    return doubtful(connection, project, limit=_SHOWN)


def _lowest(project: Project, connection: Connection) -> str:
    """The pictures whose descriptions are flagged, the least trusted first."""
    return sheet_of(connection, [one.content for one in _first(connection, project)])
