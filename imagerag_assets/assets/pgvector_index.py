"""pgvector_index: what search reads."""

from typing import Any

import dagster as dg
from psycopg import sql

from imagerag_assets.assets.common import (
    INDEX,
    NO_CONFIG,
    OWNERS,
    ProjectResource,
    materialize,
    table_metadata,
)
from imagerag_assets.assets.deduped_set import deduped_set
from imagerag_assets.assets.description_confidence import description_confidence
from imagerag_assets.assets.embeddings import clip_embeddings, description_embeddings
from imagerag_assets.assets.ocr_text import ocr_text
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.assets.tiles import tiles
from imagerag_assets.assets.vlm_descriptions import vlm_descriptions
from imagerag_assets.database.connection import Connection
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.generations import LAYOUT_VERSION
from imagerag_assets.retrieval.tokens import TOKENS_VERSION
from imagerag_assets.stages import pgvector_index as stage


@dg.asset(
    deps=[
        raw_images,
        tiles,
        ocr_text,
        vlm_descriptions,
        description_confidence,
        description_embeddings,
        clip_embeddings,
        deduped_set,
    ],
    group_name=INDEX,
    kinds={"python", "postgres", "pgvector"},
    owners=OWNERS,
    code_version=f"{LAYOUT_VERSION}.{TOKENS_VERSION}",
    # A generation is complete or it is not live.
    config_schema=NO_CONFIG,
    description=(
        "One generation of the index, complete and consistent: images, tile vectors and description vectors with "
        "HNSW indexes, and the inverted index of the text. Updated by difference in one transaction. Other models or "
        "parameters build a candidate beside it, which the gate lets live or holds back."
    ),
)
def pgvector_index(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    return materialize(context, project, stage.run, _describe)


def _describe(_project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    live = generations.live(connection)
    rows = connection.execute(
        sql.SQL(
            "select i.collection, count(*), count(distinct i.group_id), sum(t.tiles)::bigint from {} i "
            "join (select image_id, count(*) as tiles from {} group by image_id) t using (image_id) "
            "group by i.collection order by i.collection"
        ).format(live.table("images"), live.table("tiles"))
    ).fetchall()
    candidate = generations.find_candidate(connection)
    return stage.data_version(connection), {
        "generation": live.number,
        "candidate": f"generation {candidate.number}" if candidate else "none",
        "images": sum(row[1] for row in rows),
        "tiles": sum(row[3] for row in rows),
        "collections": table_metadata(("collection", "images", "without duplicates", "tiles"), rows),
        "parameters": dg.MetadataValue.json(live.parameters),
    }
