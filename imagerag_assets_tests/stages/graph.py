"""Every stage up to the index in order, for tests."""

from __future__ import annotations

from imagerag_assets.database.stages import StageReport
from imagerag_assets.project import Project
from imagerag_assets.stages import (
    clip_embeddings,
    deduped_set,
    description_confidence,
    description_embeddings,
    lanes,
    ocr_text,
    pgvector_index,
    raw_images,
    tiles,
    vlm_descriptions,
)
from imagerag_assets.stages.common import RunOptions

STAGES = (
    tiles,
    ocr_text,
    vlm_descriptions,
    clip_embeddings,
    description_confidence,
    description_embeddings,
    deduped_set,
    pgvector_index,
)


RUNS = tuple(
    lanes.for_both(one.run, one.stage)
    if one in (tiles, vlm_descriptions, description_embeddings, clip_embeddings)
    else lanes.live_first(one.run, one.measure, one.stage) if one is description_confidence
    else lanes.for_live(one.run) if one is deduped_set else one.run
    for one in STAGES
)  # fmt: skip
"""As the assets run them."""


def run_all(project: Project, options: RunOptions | None = None) -> dict[str, StageReport]:
    """Reports by stage; raw_images' are added up."""
    chosen = options or RunOptions()
    reports = {"raw_images": raw_images.total(raw_images.run(project, chosen))}
    for run in RUNS:
        report = run(project, chosen)
        reports[report.stage] = report
    return reports
