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
from imagerag_assets.models.describers.zero_shot import DESCRIBER_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import lanes
from imagerag_assets.stages import vlm_descriptions as stage


@dg.asset(
    deps=[raw_images, ocr_text],
    group_name=UNDERSTAND,
    kinds={"python", "postgres", "transformers"},
    owners=OWNERS,
    code_version=f"{DESCRIBER_VERSION}.{stage.TOLD_VERSION}",
    description=(
        "General description, key elements, visible text, category and tags of every image. The default describer "
        "needs no language model: zero-shot tags of the dual encoder, OCR text and measured facts. Others are vision "
        "models behind an OpenAI-compatible endpoint or in process, with every call's cost in model_calls."
    ),
)
def vlm_descriptions(
    context: dg.AssetExecutionContext, config: StageConfig, project: ProjectResource
) -> dg.MaterializeResult[None]:
    return materialize(
        context, project, lanes.for_both(stage.run, stage.stage), _describe, selection=config.selection()
    )


def _describe(project: Project, connection: Connection) -> tuple[str, dict[str, Any]]:
    shown = connection.execute(
        "select s.collection, s.uri, v.category, round(v.confidence::numeric, 2), v.general from vlm_descriptions v "
        "cross join lateral (select r.collection, r.uri from raw_images r where r.content = v.content "
        "and r.removed_at is null order by r.collection, r.uri limit 1) s "
        "order by v.content limit 12"
    ).fetchall()
    return lanes.data_version(connection, project, stage.stage), {
        **_cost_metadata(connection),
        **_out_metadata(connection),
        "collections": coverage(connection, "vlm_descriptions"),
        "descriptions": table_metadata(("collection", "file", "category", "confidence", "description"), shown),
    }


_CALLS = """
    select collection, model, count(*), count(*) filter (where outcome not in ('ok', 'repaired')),
           count(distinct item) filter (where outcome in ('ok', 'repaired')) as described,
           coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), coalesce(sum(tokens_cached), 0),
           sum(cost_usd), count(*) filter (where cost_usd is null)
    from model_calls where stage = %s group by 1, 2 order by 1, 2
"""


def _cost_metadata(connection: Connection) -> dict[str, Any]:
    """What the calls cost, per collection and model, over all time; nothing for a describer that makes none."""
    rows = connection.execute(_CALLS, (stage.NAME,)).fetchall()
    stop = connection.execute("select reason from budget_stops where stage = %s", (stage.NAME,)).fetchone()
    told: dict[str, Any] = {"budget": stop[0]} if stop else {}
    if not rows:
        return told
    cost, described = sum(float(row[8] or 0) for row in rows), sum(row[4] for row in rows)
    unknown = sum(row[9] for row in rows)
    table = [(*row[:8], "unknown" if row[8] is None else f"{row[8]:.4f}", _per_image(row[8], row[4])) for row in rows]
    header = (
        "collection", "model", "calls", "without a description", "described", "tokens in", "tokens out", "cached",
        "USD", "USD per image",
    )  # fmt: skip
    told |= {"cost_usd_total": round(cost, 6), "costs": table_metadata(header, table)}
    if described:
        told["cost_usd_per_image"] = round(cost / described, 8)
    if unknown:
        told["calls_of_unknown_cost"] = unknown
        told["price"] = (
            f"The cost of {unknown} calls is not known: the model has no public price, or an answer got lost."
        )
    return told


def _out_metadata(connection: Connection) -> dict[str, Any]:
    """How many descriptions are out at the Batch API; nothing where there never was a batch."""
    rows = connection.execute(
        "select b.preset, b.model, coalesce(b.server_batch, b.state), b.created_at, count(*), sum(i.usd) "
        "from description_batches b join description_batch_items i using (batch) group by b.batch order by 4"
    ).fetchall()
    waiting = sum(row[4] for row in rows)
    if not rows:
        return {}
    table = [(*row[:3], row[3].isoformat(timespec="seconds"), row[4], f"{row[5]:.4f}") for row in rows]
    header = ("preset", "model", "batch", "since", "images", "USD at most")
    return {
        "waiting": waiting,
        "batches": f"{waiting} submitted, waiting",
        "batches_out": table_metadata(header, table),
    }


def _per_image(cost: Any, described: int) -> str:
    return "" if cost is None or not described else f"{float(cost) / described:.6f}"
