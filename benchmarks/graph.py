"""Every stage up to the index in order, as the assets run them, without Dagster.

    python -m benchmarks.graph SETTINGS

runs them once and prints the peak memory of the process in MB.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.made import peak_mb
from imagerag_assets.database.stages import StageReport
from imagerag_assets.project import Project, open_project
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

_RUNS = (
    lanes.for_both(tiles.run, tiles.stage),
    ocr_text.run,
    lanes.for_both(vlm_descriptions.run, vlm_descriptions.stage),
    lanes.for_both(description_embeddings.run, description_embeddings.stage),
    lanes.for_both(clip_embeddings.run, clip_embeddings.stage),
    lanes.for_live(deduped_set.run),
    lanes.live_first(description_confidence.run, description_confidence.measure, description_confidence.stage),
    pgvector_index.run,
)


def run_graph(project: Project) -> dict[str, StageReport]:
    """Reports by stage."""
    options = RunOptions()
    reports = {"raw_images": raw_images.total(raw_images.run(project, options))}
    for run in _RUNS:
        report = run(project, options)
        reports[report.stage] = report
    return reports


if __name__ == "__main__":
    run_graph(open_project(Path(sys.argv[1])))
    print(peak_mb())
