"""clip_embeddings and description_embeddings: tiles and descriptions as vectors, each in its own space."""

from typing import Any

import dagster as dg

from imagerag_assets.assets.common import (
    OWNERS,
    UNDERSTAND,
    ProjectResource,
    StageConfig,
    coverage,
    materialize,
    sheet_of,
)
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.assets.tiles import tiles
from imagerag_assets.assets.vlm_descriptions import vlm_descriptions
from imagerag_assets.database.connection import Connection
from imagerag_assets.project import Project
from imagerag_assets.stages import clip_embeddings as clip_stage
from imagerag_assets.stages import description_embeddings as description_stage
from imagerag_assets.stages import lanes


@dg.asset(
    deps=[raw_images, tiles],
    group_name=UNDERSTAND,
    kinds={"python", "postgres", "pytorch"},
    owners=OWNERS,
    code_version=str(clip_stage.VERSION),
    description="One unit vector per tile in the space that images and words share.",
)
def clip_embeddings(
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    return materialize(
        context, project, lanes.for_both(clip_stage.run, clip_stage.stage), _describe_clip,
        selection=config.selection(), pictures={"nearest": _nearest},
    )  # fmt: skip


@dg.asset(
    # By name: that asset reads clip_embeddings. What it has described anew is embedded in the same run.
    deps=[vlm_descriptions, "description_confidence"],
    group_name=UNDERSTAND,
    kinds={"python", "postgres", "pytorch"},
    owners=OWNERS,
    code_version=str(description_stage.VERSION),
    description="Every description as a unit vector of the text encoder's space.",
)
def description_embeddings(
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    run = lanes.for_both(description_stage.run, description_stage.stage)
    return materialize(context, project, run, _describe_descriptions, selection=config.selection())


def _describe_clip(project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    return lanes.data_version(connection, project, clip_stage.stage), {
        "model": project.settings.models.image_text,
        "collections": coverage(connection, "clip_embeddings"),
    }


def _describe_descriptions(project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    return lanes.data_version(connection, project, description_stage.stage), {
        "model": project.settings.models.text,
        "collections": coverage(connection, "description_embeddings"),
    }


def _nearest(project: Project, connection: Connection) -> str:
    """Six images, each with its seven nearest, as one sheet: a glance tells whether the space makes sense."""
    rows = connection.execute(
        """
        select n.content
        from (select content, embedding from clip_embeddings
              where tile_no = 0 and fingerprint = %(f)s order by content limit 6) a
        cross join lateral (
            select b.content, b.embedding <=> a.embedding as distance from clip_embeddings b
            where b.tile_no = 0 and b.fingerprint = %(f)s order by distance, b.content limit 8) n
        order by a.content, n.distance, n.content
        """,
        {"f": clip_stage.stage(project).fingerprint},
    ).fetchall()
    sheet = sheet_of(connection, [row[0] for row in rows])
    return f"Each row: an image and its nearest others.\n\n{sheet}"
