"""deduped_set: groups of images that show the same picture."""

from typing import Any

import dagster as dg

from imagerag_assets.assets.common import INDEX, OWNERS, ProjectResource, StageConfig, materialize, sheet_of
from imagerag_assets.assets.embeddings import clip_embeddings
from imagerag_assets.assets.ocr_text import ocr_text
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.images.duplicates import DEDUP_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import deduped_set as stage


@dg.asset(
    deps=[raw_images, clip_embeddings, ocr_text],
    group_name=INDEX,
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version=str(DEDUP_VERSION),
    description=(
        "For every image its group of near-duplicates and the group's canonical image: found by perceptual hashes and "
        "vectors, decided by thumbnails laid over each other, colours and text, overruled by `imagerag duplicates`. "
        "Nothing is deleted: duplicates fold behind the canonical image in results."
    ),
)
def deduped_set(
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    # A group may span collections, so the whole set is grouped whatever the selection.
    return materialize(context, config, project, stage.run, _describe)


def _describe(_project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    pairs = connection.execute(
        "select canonical, content from deduped_set where relation <> 'canonical' "
        "order by distance desc, content limit 16"
    ).fetchall()
    images, groups, perceptual, semantic, joined = one_row(
        connection.execute(
            "select count(*), count(distinct canonical), count(*) filter (where relation = 'perceptual'), "
            "count(*) filter (where relation = 'semantic'), count(*) filter (where relation = 'joined') "
            "from deduped_set"
        )
    )
    decisions = stage.active_decisions(connection)
    sheet = sheet_of(connection, [content for pair in pairs for content in pair])
    return stage.data_version(connection), {
        "images": images,
        "groups": groups,
        "perceptual_duplicates": perceptual,
        "semantic_duplicates": semantic,
        "joined_by_hand": joined,
        "decisions": len(decisions.same) + len(decisions.different),
        "pairs": dg.MetadataValue.md("Canonical image and duplicate side by side, the least alike first.\n\n" + sheet),
    }
