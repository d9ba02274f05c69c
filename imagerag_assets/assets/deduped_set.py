"""deduped_set: groups of images that show the same picture."""

from typing import Any

import dagster as dg

from imagerag_assets.assets.common import INDEX, NO_CONFIG, OWNERS, ProjectResource, materialize, sheet_of
from imagerag_assets.assets.embeddings import clip_embeddings
from imagerag_assets.assets.ocr_text import ocr_text
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.images.duplicates import DEDUP_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import deduped_set as stage
from imagerag_assets.stages import lanes


@dg.asset(
    deps=[raw_images, clip_embeddings, ocr_text],
    group_name=INDEX,
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version=str(DEDUP_VERSION),
    # A group may span collections, so the set is always grouped as a whole.
    config_schema=NO_CONFIG,
    description=(
        "For every image its group of near-duplicates and the group's canonical image: found by perceptual hashes and "
        "vectors, decided by thumbnails laid over each other, colours and text, overruled by `imagerag duplicates`. "
        "Nothing is deleted: duplicates fold behind the canonical image in results."
    ),
)
def deduped_set(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    return materialize(context, project, lanes.for_live(stage.run), _describe, pictures={"pairs": _pairs})


def _describe(_project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    images, groups, perceptual, semantic, joined = one_row(
        connection.execute(
            "select count(*), count(distinct canonical), count(*) filter (where relation = 'perceptual'), "
            "count(*) filter (where relation = 'semantic'), count(*) filter (where relation = 'joined') "
            "from deduped_set"
        )
    )
    decisions = stage.active_decisions(connection)
    return stage.data_version(connection), {
        "images": images,
        "groups": groups,
        "perceptual_duplicates": perceptual,
        "semantic_duplicates": semantic,
        "joined_by_hand": joined,
        "decisions": len(decisions.same) + len(decisions.different),
    }


def _pairs(_project: Project, connection: Connection) -> str:
    pairs = connection.execute(
        "select canonical, content from deduped_set where relation <> 'canonical' "
        "order by distance desc, content limit 16"
    ).fetchall()
    sheet = sheet_of(connection, [content for pair in pairs for content in pair])
    return f"Canonical image and duplicate side by side, the least alike first.\n\n{sheet}"
