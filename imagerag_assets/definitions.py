"""The one Definitions object of the code location."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any

import dagster as dg

from imagerag_assets.assets import (
    deduped_set,
    description_confidence,
    embeddings,
    evaluation,
    generations,
    ocr_text,
    pgvector_index,
    raw_images,
    studies,
    tiles,
    vlm_descriptions,
)
from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.alerts import ALERTS
from imagerag_assets.automation.batch_results import batch_results
from imagerag_assets.automation.check_jobs import CHECK_JOBS
from imagerag_assets.automation.checks import CHECKS
from imagerag_assets.automation.freshness import with_freshness
from imagerag_assets.automation.jobs import JOBS, SCHEDULES
from imagerag_assets.automation.sensors import SENSORS

_MODULES = (
    raw_images, tiles, ocr_text, vlm_descriptions, embeddings, description_confidence, deduped_set, pgvector_index,
    evaluation, generations, studies,
)  # fmt: skip


def build_defs(
    *, resources: Mapping[str, Any] | None = None, loggers: Mapping[str, dg.LoggerDefinition] | None = None
) -> dg.Definitions:
    """The code location; `resources` and `loggers` replace parts of it in tests and commands."""
    return dg.Definitions(
        assets=with_freshness(dg.load_assets_from_modules(_MODULES)),
        asset_checks=CHECKS,
        jobs=[*JOBS, *CHECK_JOBS],
        schedules=SCHEDULES,
        sensors=[*SENSORS, batch_results, *ALERTS],
        resources={"project": ProjectResource(), "dbt": evaluation.dbt_resource(), **(resources or {})},
        loggers=loggers,
        # One process: a model is loaded once for all stages, and a step costs 0.2 s instead of 3.
        executor=dg.in_process_executor,
    )


defs = build_defs()
# Some 280,000 objects of modules and definitions stay until the process ends. Looking through them for garbage finds
# none, and took half a second at the exit alone.
gc.freeze()
