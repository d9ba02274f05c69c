"""Every stage up to the index in order, for tests."""

from __future__ import annotations

from imagerag_assets.database.stages import StageReport
from imagerag_assets.project import Project
from imagerag_assets.stages import (
    clip_embeddings,
    deduped_set,
    description_confidence,
    description_embeddings,
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


def run_all(project: Project, options: RunOptions | None = None) -> dict[str, StageReport]:
    """Reports by stage; raw_images' are added up."""
    chosen = options or RunOptions()
    reports = {"raw_images": raw_images.total(raw_images.run(project, chosen))}
    for stage in STAGES:
        report = stage.run(project, chosen)
        reports[report.stage] = report
    return reports
